import type { Command } from 'commander'
import { setTimeout as sleep } from 'node:timers/promises'

import type { PauseWish } from '../../src/control/api.ts'
import type { Pause } from '../../src/journal/settings.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import { formatDuration, parseClock, parseDuration } from '../../config/units.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import { nextClock } from '../clock.ts'
import { addJson, describe } from '../options.ts'
import type { Io } from '../output.ts'
import { serviceOfOthers } from '../service-at.ts'
import { addState, statePlace } from '../state-place.ts'
import type { StateOptions } from '../state-place.ts'

/** A slip such as `900d` should not be a pause that nobody remembers. */
const longestPauseMs = 366 * 86_400_000

interface PauseOptions extends StateOptions {
  readonly drop?: true
  readonly hold?: true
}

export function register(program: Command, io: Io): void {
  const command = program.command('pause')
    .argument('[time...]', 'how long (30m, 2h, 1h30m), or until when\n(until 18:00, until tomorrow 08:00)')
    .option('--drop', 'never read what is captured during the pause')
    .option('--hold', 'read it afterwards (what a first pause does)')
  describe(addJson(addState(command)), 'Read and send nothing, for some time or until `sluice resume`.', [
    ['sluice pause', 'until you resume'],
    ['sluice pause 30m --drop', 'half an hour of which nothing is ever sent'],
    ['sluice pause until 18:00', 'until your clock shows 18:00'],
  ]).action((words: string[], options: PauseOptions) => pause(words, options, io))
}

async function pause(words: readonly string[], options: PauseOptions, io: Io): Promise<void> {
  if (options.drop && options.hold) throw new SluiceError('usage', 'choose one of --drop and --hold')
  const ending = pauseEnd(words.join(' '))
  const [place, { changeSettings }, { dropLeadMs, pausedBy }] = await Promise.all([
    statePlace(options, io), import('../../src/control/pause-state.ts'), import('../../src/control/wishes.ts'),
  ])
  const { stateFolder, timeZone, longestPauseMs: allowedMs = Infinity } = place
  const captures = options.drop ? 'drop' : options.hold ? 'hold' : undefined
  const leadMs = options.drop ? dropLeadMs : 0
  const wishAt = (at: number): PauseWish => {
    const until = ending?.(at + leadMs, timeZone)
    return { ...(until !== undefined && { until }), ...(captures && { captures }) }
  }
  const service = await serviceOfOthers(place)
  let now = io.now()
  let before: Pause | undefined
  let after: Pause | undefined
  if (service) {
    ({ pause: after, before } = await service.call('POST /v1/pause', wishAt(now)))
  } else {
    after = changeSettings(stateFolder, () => io.now(), (settings, at) => {
      now = at
      const paused = pausedBy(wishAt(at), settings, at, { pause: Number.isFinite(allowedMs) ? { longestMs: allowedMs } : {} })
      before = paused.before
      return paused.settings
    }).pause
    await sleep(leadMs)
  }
  if (!after) throw new Error('the pause was not kept')
  const isCut = (after.until ?? Infinity) < (wishAt(now).until ?? Infinity)
  const shape = { version: 1, paused: true, ...after, ...(before && { before }), ...(isCut && { longestMs: allowedMs }) }
  const limit = isCut ? [`Your IT allows at most ${formatDuration(allowedMs)} for one pause. You can pause again at any time.`] : []
  io.result(options.json, shape, inWords(after, before, { now, timeZone }, limit))
}

function inWords(after: Pause, before: Pause | undefined, clock: Clock, limit: readonly string[]): string[] {
  const end = after.until === undefined
    ? 'until you run: sluice resume'
    : `until ${timeInWords(after.until, clock)}. To go on earlier: sluice resume`
  const captures = after.captures === 'drop'
    ? 'What is captured meanwhile is never read.'
    : 'What is captured meanwhile is read afterwards.'
  return [`Paused ${end}`, ...limit, captures, ...(before ? changes(after, before, clock) : [])].flatMap((line) => wrap(line, 80, ''))
}

function changes(after: Pause, before: Pause, clock: Clock): string[] {
  const [newEnd, oldEnd] = [after.until ?? Infinity, before.until ?? Infinity]
  const old = before.until === undefined ? 'it had no end' : `it would have ended at ${timeInWords(before.until, clock)}`
  const length = newEnd === oldEnd
    ? 'You had paused already, with the same end.'
    : `You had paused already; this is ${newEnd > oldEnd ? 'longer' : 'shorter'}: ${old}.`
  if (after.captures === before.captures) return [length]
  const since = timeInWords(before.since, clock)
  return [length, after.captures === 'drop'
    ? `What was captured since ${since} until now is still read afterwards.`
    : `What was captured since ${since} until now is still never read.`]
}

/** How to find the end of the pause; undefined for one without an end. */
function pauseEnd(text: string): ((now: number, timeZone: string) => number) | undefined {
  if (text === '') return undefined
  const [, tomorrow, time = ''] = /^until\s+(tomorrow\s+)?(\S+)$/.exec(text) ?? []
  const clock = parseClock(time)
  if (clock !== undefined) return (now, timeZone) => nextClock(now, clock, timeZone, tomorrow !== undefined)
  const duration = parseDuration(text)
  if (duration === undefined || duration === 0 || duration > longestPauseMs) {
    throw new SluiceError(
      'usage',
      `"${text}" is no time to pause: allowed are 30m, 2h, 1h30m (at most 366d), until 18:00 or until tomorrow 08:00`,
    )
  }
  return (now) => now + duration
}
