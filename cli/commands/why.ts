import type { Command } from 'commander'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import { currentStatus } from './status.ts'

export function register(program: Command, io: Io): void {
  describe(addJson(addConfig(program.command('why'))), 'Say in plain words why something is or is not sent.', [
    ['sluice why', 'every reason, since when, until when, and what you can do'],
  ]).action((options: ConfigOptions) => why(options, io))
}

async function why(options: ConfigOptions, io: Io): Promise<void> {
  const { explain, headline } = await import('../../src/scheduler/explain.ts')
  const { config } = await configFor(options)
  const now = io.now()
  const status = await currentStatus(config, now)
  if (!status) {
    io.result(options.json, { version: 1, queues: [] }, ['Sluice has not run on this state folder yet. Start it with: sluice run'])
    return
  }
  const { running, queues, sendNow } = status
  io.result(
    options.json,
    { version: 1, answer: headline(status), ...(running && { running }), ...(sendNow && { sendNow }), queues },
    explain(status, { now, timeZone: config.timeZone }),
  )
}
