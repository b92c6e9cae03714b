import { type Report, reportOf, type ReportOptions } from '../../../src/observe/report/report.ts'
import { Fleet } from '../../../src/observe/report/fleet.ts'
import { parseSummary, type Summary } from '../../../src/observe/report/summary-line.ts'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

/** A Monday, midnight in UTC. */
export const monday = Date.UTC(2026, 10, 16)

const options: ReportOptions = {
  since: 0, until: monday + 8 * dayMs, timeZone: 'UTC', now: monday + 7 * dayMs, silentAfterMs: 3 * dayMs, stuckAfterMs: 3 * dayMs,
}

const zeros = {
  capturedBytes: 0, newBytes: 0, packedBytes: 0, sentBytes: 0, sentPackBytes: 0, againBytes: 0, packs: 0, backlogBytes: 0, backlogPacks: 0,
  oldestWaitingMs: 0, heldBytes: {}, caps: [], batteryMs: 0, meteredMs: 0, cpuSeconds: 0, errors: {}, uptimeMs: 1,
}

/** The fields of a summary of an hour, but for those that are named. */
export function fields(from: number, more: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
  return { period: 'hour', from, to: from + (more['period'] === 'day' ? dayMs : hourMs), ...zeros, ...more }
}

/** As the service logs it. */
export function plainLine(device: string, from: number, more: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({ time: '2026-11-16T00:00:00.000Z', level: 'info', event: 'upload.summary', device, version: '0.1.0', ...fields(from, more) })
}

export function summary(device: string, from: number, more: Readonly<Record<string, unknown>> = {}): Summary {
  const read = parseSummary(plainLine(device, from, more))
  if (read === undefined || read === 'other') throw new Error('no summary')
  return read
}

/** What the report says of summaries in that order. */
export function reported(summaries: readonly Summary[], more: Partial<ReportOptions> = {}): Report {
  const all = { ...options, ...more }
  const fleet = new Fleet(all)
  for (const each of summaries) fleet.add(each)
  const read = { files: 1, bytes: 0, lines: summaries.length, unreadableLines: 0, unreadableIn: 0, cutShort: [], refused: [] }
  return reportOf(fleet, { ...read, summaries: summaries.length }, all)
}
