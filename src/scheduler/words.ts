import type { ReasonCode } from './reasons.ts'

const ageSteps = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** `2 s ago`; a reading from the future, after the clock went back, is `just now`. */
export function ageInWords(ageMs: number): string {
  const step = ageSteps.find(([, ms]) => ageMs >= ms)
  return step ? `${Math.floor(ageMs / step[1])} ${step[0]} ago` : 'just now'
}

/** Whose clock times are told on. */
export interface Clock {
  readonly now: number
  /** IANA name of the worker's time zone. */
  readonly timeZone: string
}

/** A time that is nearer than this is told with its seconds: without them a pause of ten seconds would be over at once. */
const soonMs = 2 * 60_000

/** `14:02` today, `14:02:30` when that is soon, `Mon 24 Nov, 14:02` on another day, with the year when it is another one. */
export function timeInWords(time: number, { now, timeZone }: Clock): string {
  const show = (at: number, format: Intl.DateTimeFormatOptions) => new Intl.DateTimeFormat('en-GB', { timeZone, ...format }).format(at)
  const isSoon = time > now && time - now < soonMs
  const clock = show(time, { hour: '2-digit', minute: '2-digit', ...(isSoon && { second: '2-digit' }), hourCycle: 'h23' })
  const full: Intl.DateTimeFormatOptions = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' }
  if (show(time, full) === show(now, full)) return clock
  const sameYear = show(time, { year: 'numeric' }) === show(now, { year: 'numeric' })
  const date = show(time, sameYear ? { weekday: 'short', day: 'numeric', month: 'short' } : full)
  return `${date.replaceAll(',', '')}, ${clock}`
}

/** Stands between a number and its unit while lines are made. */
const noBreak = '\u00a0'

/** Breaks text between words so that lines fit `columns`, the first behind `first`, the others behind `indent`. */
export function wrap(text: string, columns: number, indent: string, first = indent): string[] {
  const lines: string[] = []
  let line = ''
  const words = text.replaceAll(/(?<=\d) (?=[kMGTP]?B\b|%)/g, noBreak).split(/[ \n]+/).filter(Boolean)
  for (const word of words.flatMap((word) => pieces(word, columns - indent.length))) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && indent.length + longer.length > columns) {
      lines.push(line)
      line = word
    } else {
      line = longer
    }
  }
  if (line !== '') lines.push(line)
  return lines.map((text, index) => (index === 0 ? first : indent) + text.replaceAll(noBreak, ' '))
}

/** A path or an address may be longer than a line. */
function pieces(word: string, size: number): string[] {
  return Array.from({ length: Math.ceil(word.length / size) }, (_, index) => word.slice(index * size, (index + 1) * size))
}

/** `a`, `a and b`, `a, b and c`. */
export function listInWords(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}

/** Each reason in a few words that complete "Nothing is sent now, because …". */
export const because: Readonly<Record<ReasonCode, string>> = {
  'paused': 'you paused Sluice',
  'settings-damaged': 'your settings cannot be read',
  'stream-off': 'you turned these captures off',
  'exempt-work': 'your IT exempted this work',
  'exempt-charger': 'you are exempted without a charger',
  'exempt-line': 'you are exempted on networks that may cost money',
  'state-full': 'the disk for Sluice’s own records is full',
  'state-unusable': 'Sluice’s own folder cannot be used',
  'encryption-failed': 'packs cannot be encrypted',
  'spool-full': 'there is no room for more packed captures',
  'credential-missing': 'there is no credential for the destination yet',
  'credential-refused': 'the destination does not accept this device’s credential',
  'destination-forbidden': 'the destination forbids it',
  'destination-missing': 'there is nothing at the destination’s address',
  'certificate-refused': 'the destination did not prove that it is the right one',
  'clock-wrong': 'this machine’s clock is wrong',
  'destination-behind': 'the destination lost what it had',
  'destination-ahead': 'the destination has captures from elsewhere',
  'pack-too-large': 'the destination takes only smaller pieces',
  'destination-refused': 'the destination refused',
  'destination-full': 'the destination is full',
  'proxy-refused': 'the proxy does not let Sluice through',
  'captive-portal': 'a login page stands in the way',
  'name-unresolved': 'the destination’s name cannot be looked up',
  'destination-unreachable': 'the destination does not answer',
  'destination-failing': 'the destination has trouble of its own',
  'destination-busy': 'the destination asks for a rest',
  'battery-low': 'the battery is nearly empty',
  'power-saver': 'this machine saves power',
  'weak-charger': 'the charger is too weak',
  'battery': 'the battery is too low for sending',
  'on-battery': 'the machine runs on battery',
  'power-unknown': 'the state of the battery is not known',
  'cap-month': 'this month’s data cap is used up',
  'cap-week': 'this week’s data cap is used up',
  'cap-day': 'today’s data cap is used up',
  'cap-rolling': 'the data cap for the last days is used up',
  'plan': 'the rest of your data plan is kept for you',
  'pace': 'today’s share of a data cap is used up',
  'offline': 'there is no network',
  'login-page': 'this network wants you to log in first',
  'roaming': 'you are roaming',
  'over-limit': 'this network’s allowance is used up',
  'near-limit': 'this network’s allowance is nearly used up',
  'metered': 'this network costs money',
  'network-unknown': 'this network may cost money',
  'stream-network': 'these captures may not use this network',
  'outside-window': 'this is not a time at which sending is allowed',
}

/** What happens when a reason ends at its time; completes "At 18:00 …". */
export const endsWith: Readonly<Partial<Record<ReasonCode, string>>> = {
  'paused': 'the pause ends',
  'settings-damaged': 'it is tried again',
  'exempt-work': 'the exemption ends',
  'exempt-charger': 'the exemption ends',
  'exempt-line': 'the exemption ends',
  'state-full': 'it is tried again',
  'state-unusable': 'it is tried again',
  'encryption-failed': 'it is tried again',
  'spool-full': 'it is tried again',
  'credential-missing': 'it is tried again',
  'credential-refused': 'it is tried again',
  'destination-forbidden': 'it is tried again',
  'destination-missing': 'it is tried again',
  'certificate-refused': 'it is tried again',
  'clock-wrong': 'it is tried again',
  'destination-behind': 'it is tried again',
  'destination-ahead': 'it is tried again',
  'pack-too-large': 'it is tried again',
  'destination-refused': 'it is tried again',
  'destination-full': 'it is tried again',
  'proxy-refused': 'it is tried again',
  'captive-portal': 'it is tried again',
  'name-unresolved': 'it is tried again',
  'destination-unreachable': 'it is tried again',
  'destination-failing': 'it is tried again',
  'destination-busy': 'it is tried again',
  'cap-month': 'the data cap starts again',
  'cap-week': 'the data cap starts again',
  'cap-day': 'the data cap starts again',
  'cap-rolling': 'older use falls out of the data cap',
  'plan': 'your data plan starts again',
  'pace': 'a new day brings another share',
  'outside-window': 'sending is allowed again',
}
