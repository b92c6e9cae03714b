import type { Command } from 'commander'
import type { Config } from '../../config/options.ts'
import type { Status } from '../../src/control/status.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import { lookOf } from '../paint.ts'
import { serviceOfOthers, serviceAt } from '../service-at.ts'

interface StatusOptions extends ConfigOptions {
  readonly watch?: true
}

export function register(program: Command, io: Io): void {
  const command = program.command('status').option('--watch', 'keep showing it, until Ctrl-C').option('--no-color', 'print without colours')
  describe(addJson(addConfig(command)), 'Show what happens now, in one screen.', [
    ['sluice status', 'state, caps, what waits and what was sent'],
    ['sluice status --watch', 'the same, live; over a pipe a line at each change'],
    ['sluice status --json', 'for a program'],
  ]).action((options: StatusOptions) => (options.watch ? watch(options, io) : status(options, io)))
}

async function status(options: StatusOptions, io: Io): Promise<void> {
  const { config } = await configFor(options)
  const found = await currentStatus(config, io.now())
  if (!found) {
    io.result(options.json, { version: 1, device: config.device, destination: config.destination, queues: [] }, [
      'Sluice has not run on this state folder yet. Start it with: sluice run',
    ])
    return
  }
  const { statusLines } = await import('../status-lines.ts')
  io.result(options.json, found, options.json ? [] : statusLines(found, config.rate, { now: io.now(), timeZone: config.timeZone }, lookOf(process.stdout, process.env)))
}

/** As the service tells it, or as the state folder does where none answers. Throws `state-unusable` where neither may be asked. */
export async function currentStatus(config: Config, now: number): Promise<Status | undefined> {
  const service = await serviceOfOthers(config) ?? await serviceAt(config)
  const told = await service?.call('GET /v1/status', {}).catch(() => undefined)
  if (told) return told
  const { statusFor } = await import('../status-for.ts')
  return await statusFor(config, now)
}

async function watch(options: StatusOptions, io: Io): Promise<void> {
  const [{ config }, { watchStatus }] = await Promise.all([configFor(options), import('../watch-status.ts')])
  await serviceOfOthers(config)
  await watchStatus(config, { json: options.json ?? false, io, output: process.stdout, environment: process.env })
}
