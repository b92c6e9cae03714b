import type { DayRow, WaitingFor } from './day.ts'
import type { SimulationResult } from './result.ts'
import { formatBytes, formatDuration } from '../../../config/units.ts'
import { dayInWords } from '../../observe/page/days.ts'

/** A result and what it is called, as `with 3 GB/month`. */
export interface NamedResult {
  readonly name: string
  readonly result: SimulationResult
}

/** Rows of the day-by-day table, the first as its heading; each fits 80 columns. */
export function dayTable({ days }: SimulationResult): string[][] {
  const rows = days.map((day) => [
    dayInWords(day.date), formatBytes(day.capturedBytes), formatBytes(day.sentBytes.free + day.sentBytes.metered),
    formatBytes(day.sentBytes.metered), formatBytes(day.backlogBytes), capShare(day), heldLongest(day),
  ])
  return [['day', 'captured', 'sent', 'metered', 'waiting', 'cap', 'held longest by'], ...rows]
}

/** What a person wants to know of the whole time, in three or four sentences. */
export function summary({ days, totals }: SimulationResult): string[] {
  const { free, metered } = totals.sentBytes
  const first = days[0]
  const last = days.at(-1)
  const when = first && last ? `${dayInWords(first.date)} to ${dayInWords(last.date)} ${last.date.slice(0, 4)}` : ''
  const held = byMost(totals.heldMs).slice(0, 3).map(([code, ms]) => `${code} ${formatDuration(ms)}`)
  return [
    `${when}: ${formatBytes(totals.capturedBytes)} captured.`,
    `Sent: ${formatBytes(free + metered)}, ${metered > 0 ? formatBytes(metered) : 'nothing'} of it on metered networks.`,
    ...(totals.droppedBytes > 0 ? [`Dropped during pauses: ${formatBytes(totals.droppedBytes)} of captures.`] : []),
    `Waiting at the end: ${formatBytes(totals.backlogBytes)}. Longest wait: ${formatDuration(totals.longestWaitMs)}.`,
    held.length === 0 ? 'Nothing was held.' : `Held longest by: ${held.join(', ')}.`,
  ]
}

/** What another cap would have meant: rows of a table, the first as its heading. */
export function comparison(results: readonly NamedResult[]): string[][] {
  const row = (label: string, show: (result: SimulationResult) => string): string[] =>
    [label, ...results.map(({ result }) => show(result))]
  return [
    ['', ...results.map(({ name }) => name)],
    row('sent', ({ totals }) => formatBytes(totals.sentBytes.free + totals.sentBytes.metered)),
    row('  of it metered', ({ totals }) => formatBytes(totals.sentBytes.metered)),
    row('waiting at the end', ({ totals }) => formatBytes(totals.backlogBytes)),
    row('most waiting', ({ totals }) => formatBytes(totals.mostBacklogBytes)),
    row('longest wait', ({ totals }) => formatDuration(totals.longestWaitMs)),
    row('days held by a cap', ({ days }) => String(days.filter(isHeldByCap).length)),
  ]
}

/** The comparison in one sentence. */
export function verdict(before: SimulationResult, after: NamedResult): string {
  const sent = ({ totals }: SimulationResult): number => totals.sentBytes.free + totals.sentBytes.metered
  const less = sent(before) - sent(after.result)
  const heldDays = after.result.days.filter(isHeldByCap).length
  const days = `${heldDays} of ${after.result.days.length} days`
  if (heldDays === 0 && less === 0) return `${capitalised(after.name)}: nothing would have been different.`
  const amount = less === 0 ? 'as much' : `${formatBytes(Math.abs(less))} ${less > 0 ? 'less' : 'more'}`
  return `${capitalised(after.name)}: ${amount} would have left; something would have waited for a cap on ${days}.`
}

function isHeldByCap({ heldMs }: DayRow): boolean {
  return Object.keys(heldMs).some((code) => code.startsWith('cap-') || code === 'pace')
}

/** The cap that is used most. */
function capShare({ caps }: DayRow): string {
  const shares = caps.map(({ usedBytes, limitBytes }) => usedBytes / limitBytes)
  return shares.length === 0 ? '-' : `${Math.round(100 * Math.max(...shares))} %`
}

function heldLongest({ heldMs }: DayRow): string {
  const [longest] = byMost(heldMs)
  return longest === undefined ? '-' : `${longest[0]} ${formatDuration(longest[1]).split(' ')[0]}`
}

export function byMost<K extends WaitingFor>(amounts: Readonly<Partial<Record<K, number>>>): [K, number][] {
  return (Object.entries(amounts) as [K, number][]).sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
}

export function capitalised(text: string): string {
  return (text[0] ?? '').toUpperCase() + text.slice(1)
}
