import type { Command } from 'commander'

import { parseClock, parseDuration } from '../../config/units.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { clockText, nextClock } from '../clock.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import type { Io } from '../output.ts'

/** A slip such as `900d` should not be a pause that nobody remembers. */
const longestPauseMs = 366 * 86_400_000

export function register(program: Command, io: Io): void {
  const command = program.command('pause').argument(
    '[time...]',
    'how long (30m, 2h, 1h30m), or until when (until 18:00)',
  )
  describe(addJson(addConfig(command)), 'Read and send nothing, for some time or until `sluice resume`.', [
    ['sluice pause', 'until you resume'],
    ['sluice pause 30m', 'for half an hour'],
    ['sluice pause until 18:00', 'until this machine’s clock shows 18:00'],
  ]).action((words: string[], options: ConfigOptions) => pause(words, options, io))
}

async function pause(words: readonly string[], options: ConfigOptions, io: Io): Promise<void> {
  const since = io.now()
  const until = pauseEnd(words.join(' '), since)
  const [{ config }, { updateSettings }] = await Promise.all([
    configFor(options),
    import('../../src/journal/settings.ts'),
  ])
  const pause = { since, ...(until === undefined ? {} : { until }) }
  updateSettings(config.stateFolder, (settings) => ({ ...settings, pause }))
  const end = until === undefined
    ? 'until you run: sluice resume'
    : `until ${clockText(until)}. To go on earlier: sluice resume`
  io.result(options.json, { version: 1, paused: true, ...pause }, [`Paused ${end}`])
}

/** When the pause ends; undefined for one without an end. */
function pauseEnd(text: string, now: number): number | undefined {
  if (text === '') return undefined
  const clock = /^until\b/.test(text) ? parseClock(text.slice('until'.length)) : undefined
  if (clock !== undefined) return nextClock(now, clock)
  const duration = parseDuration(text)
  if (duration === undefined || duration === 0 || duration > longestPauseMs) {
    throw new SluiceError(
      'usage',
      `"${text}" is no time to pause: allowed are 30m, 2h, 1h30m (at most 366d) or until 18:00`,
    )
  }
  return now + duration
}
