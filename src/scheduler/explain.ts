import type { Decision, Level, Reason } from './gate.ts'
import { formatBytes } from '../../config/units.ts'
import { reasonOrder, reasons } from './reasons.ts'
import { because, endsWith, listInWords, timeInWords, wrap } from './words.ts'
import type { Clock } from './words.ts'

/** Lines fit a terminal of this width. */
const columns = 80

/** What is to be explained. */
export interface Situation {
  /** The service, if one runs. */
  readonly running?: object
  /** One for each group of streams that are sent under the same rules. */
  readonly queues: readonly Group[]
  /** The worker asked to send now. */
  readonly sendNow?: { readonly until: number }
  /** The times in which sending is allowed. */
  readonly window?: { readonly isOpen: boolean; readonly changesAt: number }
}

interface Group {
  readonly streams: readonly string[]
  readonly decision: Decision
  readonly waiting: { readonly bytes: number }
}

/** A reason with the streams it is for. */
interface Told {
  readonly reason: Reason
  readonly streams: readonly string[]
  readonly forAll: boolean
}

/** The answer to "is something sent now?" in one sentence, with the reasons in short. Pure. */
export function headline(situation: Situation): string {
  const { queues } = situation
  if (!situation.running) return 'Nothing is sent now, because Sluice is not running. Start it with: sluice run'
  const levels = new Set(queues.map(({ decision }) => decision.send))
  const waitingBytes = queues.reduce((sum, { waiting }) => sum + waiting.bytes, 0)
  if (levels.size > 1) return `Some captures are sent now, others wait${why(situation, 'send')}.`
  if (levels.has('hold')) return `Nothing is sent now${why(situation, 'send')}.`
  if (levels.has('trickle')) return `Sending a little${why(situation, 'send')}.`
  return waitingBytes > 0 ? `Sending now, ${formatBytes(waitingBytes)} waiting.` : 'Nothing waits: all that was packed has been sent.'
}

/** One screen of at most 80 columns: the answer, each reason once with its times and what helps, and what comes next. Pure. */
export function explain(situation: Situation, clock: Clock): string[] {
  const { queues } = situation
  const told = collect(queues, (decision) => decision.reasons)
  return [
    ...wrap(headline(situation), columns, ''),
    ...wrap(rest(situation), columns, ''),
    ...told.flatMap((each) => ['', ...paragraph(each, clock)]),
    ...setAside(situation, clock),
    ...next(situation, told, clock),
  ]
}

/** `, because the battery is too low for sending (and 2 more reasons)`; only reasons for all streams where there are any. */
function why({ queues }: Situation, lane: 'send' | 'prepare'): string {
  const strictest = (['hold', 'trickle'] as const).find((level) => queues.some(({ decision }) => decision[lane] === level))
  const found = collect(queues, (decision) => decision.reasons)
    .filter(({ reason }) => (reason.holds === lane || reason.holds === 'both') && reason.level === strictest)
  const shared = found.filter(({ forAll }) => forAll)
  const codes = [...new Set((shared.length > 0 ? shared : found).map(({ reason }) => reason.code))]
  const [first, second, ...more] = codes.map((code) => because[code])
  if (first === undefined) return ''
  if (second === undefined) return `, because ${first}`
  return more.length === 0 ? `, because ${first}, and because ${second}` : `, because ${first}, and for ${more.length + 1} more reasons`
}

/** What waits, whose turn it is, and what becomes of new captures. */
function rest(situation: Situation): string {
  const { queues } = situation
  const bytes = queues.reduce((sum, { waiting }) => sum + waiting.bytes, 0)
  const isSending = situation.running !== undefined && queues.every(({ decision }) => decision.send === 'full')
  const isHeld = queues.every(({ decision }) => decision.send === 'hold')
  return [
    bytes > 0 && !isSending ? `${formatBytes(bytes)} wait.` : '',
    shares(queues, 'send', { full: 'Free to leave', trickle: 'A little at a time', hold: 'Waiting' }),
    situation.running ? shares(queues, 'prepare', { full: 'Packed at full speed', trickle: 'Packed gently', hold: 'Not read' })
      || preparing(queues[0]?.decision.prepare, isHeld) : '',
  ].filter(Boolean).join(' ')
}

function preparing(level: Level | undefined, isHeld: boolean): string {
  switch (level) {
    case 'hold':
      return 'New captures are not read now.'
    case 'trickle':
      return 'New captures are packed gently.'
    case 'full':
      return isHeld ? 'New captures are packed all the same.' : ''
    case undefined:
      return ''
  }
}

/** `Waiting: screens. Free to leave: mail and pointer.`, or nothing where all streams share one level. */
function shares(queues: readonly Group[], lane: 'send' | 'prepare', words: Record<Level, string>): string {
  const byLevel = Map.groupBy(queues, ({ decision }) => decision[lane])
  if (byLevel.size < 2) return ''
  return [...byLevel].map(([level, groups]) => `${words[level]}: ${listInWords(groups.map(nameOf))}.`).join(' ')
}

function nameOf({ streams }: { readonly streams: readonly string[] }): string {
  return listInWords(streams) || 'captures of an earlier config'
}

/** Equal reasons of several groups are one, since the earliest; gravest first. */
function collect(queues: readonly Group[], reasonsOf: (decision: Decision) => readonly Reason[]): Told[] {
  const all = queues.flatMap((group) => reasonsOf(group.decision).map((reason) => ({ reason, group })))
  const equal = Map.groupBy(all, ({ reason }) => JSON.stringify([reason.code, reason.level, reason.evidence, reason.until]))
  return [...equal.values()].flatMap((same): Told[] => {
    const [first] = same
    if (!first) return []
    const since = Math.min(...same.map(({ reason }) => reason.since))
    const groups = new Set(same.map(({ group }) => group))
    return [{
      reason: { ...first.reason, since },
      streams: [...groups].map(nameOf),
      forAll: groups.size === queues.length,
    }]
  }).sort((a, b) => reasonOrder.indexOf(a.reason.code) - reasonOrder.indexOf(b.reason.code))
}

const effects = {
  send: { hold: 'Stops sending', trickle: 'Slows sending' },
  prepare: { hold: 'Stops packing', trickle: 'Slows packing' },
  both: { hold: 'Stops everything', trickle: 'Slows everything' },
} as const

function paragraph({ reason, streams, forAll }: Told, clock: Clock): string[] {
  const { meaning, action } = reasons[reason.code]
  const until = reason.until === undefined ? '' : `, until ${timeInWords(reason.until, clock)}`
  const whose = forAll ? '' : ` For ${listInWords(streams)}.`
  return [
    ...wrap(`${meaning} (${reason.code})`, columns, '  ', '- '),
    ...wrap(`${effects[reason.holds][reason.level]} since ${timeInWords(reason.since, clock)}${until}.${whose}`, columns, '  '),
    ...wrap(`Seen: ${reason.evidence.replace(/\.$/, '')}.`, columns, '  '),
    ...wrap(`What to do: ${action}`, columns, '  '),
  ]
}

/** What the worker’s wish to send now overrides, in short. */
function setAside({ queues, sendNow }: Situation, clock: Clock): string[] {
  const told = collect(queues, (decision) => decision.setAside)
  if (!sendNow || sendNow.until <= clock.now) return []
  const head = `You asked to send now, until ${timeInWords(sendNow.until, clock)}`
  if (told.length === 0) return ['', ...wrap(`${head}.`, columns, '')]
  return [
    '',
    ...wrap(`${head}. Set aside for that:`, columns, ''),
    ...told.flatMap(({ reason, streams, forAll }) => {
      const whose = forAll ? '' : ` (${listInWords(streams)})`
      return wrap(`${because[reason.code]}${whose}. Seen: ${reason.evidence}.`, columns, '  ', '- ')
    }),
  ]
}

/** The earliest change that comes by itself. */
function next(situation: Situation, told: readonly Told[], clock: Clock): string[] {
  const words = nextChange(situation, clock)
  if (words === undefined) {
    return told.length > 0 ? ['', ...wrap('None of this ends at a known time; work goes on as soon as it is over.', columns, '')] : []
  }
  const others = told.length > 1 ? ' What else is listed here may go on.' : ''
  return ['', ...wrap(`Next change: ${words}.${others}`, columns, '')]
}

/** `Tue 15 Dec, 00:00, when the data cap starts again`: what changes by itself, as far as that is known. Pure. */
export function nextChange(situation: Situation, clock: Clock): string | undefined {
  const [first] = changes(situation).filter(({ at }) => at > clock.now).sort((a, b) => a.at - b.at)
  return first && `${timeInWords(first.at, clock)}, when ${first.what}`
}

/** Only what makes a difference: while you paused nothing but the end of the pause does, and what is held all the same cannot end. */
function changes({ queues, sendNow, window }: Situation): { readonly at: number; readonly what: string }[] {
  const found = queues.flatMap(({ decision }) => decision.reasons)
  const pauses = found.filter(({ code }) => code === 'paused')
  const isSending = queues.some(({ decision }) => decision.send !== 'hold')
  return [
    ...(pauses.length > 0 ? pauses : found)
      .flatMap(({ code, until }) => until === undefined ? [] : [{ at: until, what: endsWith[code] ?? 'this ends' }]),
    ...(isSending && sendNow ? [{ at: sendNow.until, what: 'your wish to send now ends' }] : []),
    ...(isSending && window?.isOpen ? [{ at: window.changesAt, what: 'the time for sending ends' }] : []),
  ]
}
