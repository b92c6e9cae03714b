import type { Command } from 'commander'

import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'

export function register(program: Command, io: Io): void {
  describe(addJson(addConfig(program.command('resume'))), 'End a pause.', [
    ['sluice resume', 'sending goes on as soon as nothing else holds it'],
  ]).action((options: ConfigOptions) => resume(options, io))
}

async function resume(options: ConfigOptions, io: Io): Promise<void> {
  const [{ config }, { updateSettings }] = await Promise.all([
    configFor(options),
    import('../../src/journal/settings.ts'),
  ])
  let wasPaused = false
  updateSettings(config.stateFolder, ({ pause, ...rest }) => {
    wasPaused = pause !== undefined && (pause.until === undefined || pause.until > io.now())
    return rest
  })
  io.result(options.json, { version: 1, paused: false, wasPaused }, [wasPaused ? 'Resumed.' : 'There was no pause.'])
}
