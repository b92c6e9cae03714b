import type { Config } from '../../config/options.ts'
import type { Pause, Settings, WorkerCap } from '../journal/settings.ts'
import type { CapWish, PauseWish } from './api.ts'
import { formatBytes } from '../../config/units.ts'
import { capName, leastCapBytes } from '../budget/cap.ts'
import { endPastPause, endPause, startPause } from '../journal/pause.ts'
import { SluiceError } from '../observe/error.ts'

/** As the settings hold at most. */
const maxWorkerCaps = 32
/** A slip such as a year too many should not be a pause that nobody remembers. */
const longestPauseMs = 367 * 86_400_000

/**
 * A pause that drops begins this much later, so that a running service has noted how long every file is when it does: what
 * is written all the time then keeps what was written before. Nothing is read or sent from the start in any case.
 */
export const dropLeadMs = 250

/** The settings with a pause, no longer than a policy allows, and the one that held before. Throws `usage`. Pure. */
export function pausedBy({ until = Infinity, captures }: PauseWish, settings: Settings, now: number, config: Pick<Config, 'pause'>): { readonly settings: Settings; readonly before?: Pause } {
  if (until <= now || (until > now + longestPauseMs && until !== Infinity)) throw new SluiceError('usage', '"until" takes a time in the next 367 days')
  const since = now + (captures === 'drop' ? dropLeadMs : 0)
  const end = Math.min(until, since + (config.pause.longestMs ?? Infinity))
  const { pause: before } = endPastPause(settings, now)
  return { settings: startPause(settings, since, Number.isFinite(end) ? end : undefined, captures), ...(before && { before }) }
}

/** The settings without their pause, and the one that ended. Pure. */
export function resumed(settings: Settings, now: number): { readonly settings: Settings; readonly ended?: Pause } {
  const current = endPastPause(settings, now)
  return { settings: endPause(current, now), ...(current.pause && { ended: current.pause }) }
}

/** The settings with another cap of the worker's, and the one in whose place it comes. Throws `usage`. Pure. */
export function withCap(wish: CapWish, settings: Settings, config: Pick<Config, 'streams'>): { readonly settings: Settings; readonly set: WorkerCap; readonly before?: WorkerCap } {
  const { limitBytes, per, resetDay, days, pace, stream } = wish
  if (limitBytes < leastCapBytes) throw new SluiceError('usage', `a cap takes at least ${formatBytes(leastCapBytes)}: with less nothing could ever be sent`)
  if (resetDay !== undefined && per !== 'month') throw new SluiceError('usage', '"resetDay" is for caps per month')
  if ((days !== undefined) !== (per === 'rolling')) throw new SluiceError('usage', '"days" belongs to rolling caps, and to no others')
  if (pace && per !== 'month' && per !== 'week') throw new SluiceError('usage', '"pace" is for caps per week or month')
  if (stream !== undefined && !config.streams.some(({ name }) => name === stream)) throw noStream(stream, config)
  const set: WorkerCap = { id: capName(wish), ...wish }
  const before = settings.caps.find(({ id }) => id === set.id)
  const others = settings.caps.filter(({ id }) => id !== set.id)
  if (others.length >= maxWorkerCaps) throw new SluiceError('usage', `you have set ${maxWorkerCaps} caps, the most there can be; remove one first`)
  return { settings: { ...settings, caps: [...others, set] }, set, ...(before && { before }) }
}

/** The settings without a cap of the worker's. Throws `usage` where it is none. Pure. */
export function withoutCap(id: string, settings: Settings, config: Pick<Config, 'caps'>): { readonly settings: Settings; readonly removed: WorkerCap } {
  const removed = settings.caps.find((cap) => cap.id === id)
  if (removed) return { settings: { ...settings, caps: settings.caps.filter((cap) => cap !== removed) }, removed }
  throw new SluiceError('usage', config.caps.some((cap) => cap.id === id)
    ? `${id} is set by the policy and stays; you can only set a stricter cap`
    : `there is no cap "${id}"; ${settings.caps.length === 0 ? 'you have set none' : `yours are: ${settings.caps.map((cap) => cap.id).join(', ')}`}`)
}

function noStream(stream: string, { streams }: Pick<Config, 'streams'>): SluiceError {
  return new SluiceError('usage', `there is no stream "${stream}"; there are: ${streams.map(({ name }) => name).join(', ')}`)
}

/** The settings with a stream on or off, and whether it was off. Throws `usage` for one that stays on. Pure. */
export function withStream(
  { stream, on }: { readonly stream: string; readonly on: boolean }, settings: Settings, now: number, config: Pick<Config, 'streams'>,
): { readonly settings: Settings; readonly wasOff: boolean } {
  const configured = config.streams.find(({ name }) => name === stream)
  const wasOff = settings.streamsOff.some((off) => off.stream === stream)
  if (!configured && !(on && wasOff)) throw noStream(stream, config)
  if (!on && !configured?.optional) throw new SluiceError('usage', `${stream} cannot be turned off: the config does not say \`optional: yes\` for it. Ask your IT`)
  const others = settings.streamsOff.filter((off) => off.stream !== stream)
  const streamsOff = on ? others : wasOff ? settings.streamsOff : [...others, { stream, since: now }]
  return { settings: { ...settings, streamsOff }, wasOff }
}
