import type { Additive } from './summary-line.ts'
import { formatBytes, formatDuration } from '../../../config/units.ts'
import { dayInWords } from '../page/days.ts'
import { printable, reachDays } from './fleet.ts'
import { type DayRow, type Report, shareUsed } from './report.ts'

/** A heading and a table; the first row names the columns, which matter less from left to right. */
export interface Section {
  readonly title: string
  readonly rows: readonly (readonly string[])[]
  /** How many rows there would be. */
  readonly of: number
  /** Somebody should look into it. */
  readonly isUrgent?: true
}

/** Rows of one table that a person reads; the rest is counted. */
export interface Limits {
  readonly days: number
  readonly rows: number
}

/** The report in tables, those that have something to say. */
export function sections(report: Report, { days, rows }: Limits): Section[] {
  const shown = report.days.slice(-days)
  return [
    { title: 'From capture to the line', rows: savings(report), of: 0 },
    { title: 'Day by day', rows: [dayHeading, ...shown.map(dayRow)], of: report.days.length },
    limited('Waiting now, by what holds it', [['reason', 'bytes', 'devices'], ...report.held.map(({ reason, bytes, devices }) => [reason, formatBytes(bytes), count(devices)])], rows),
    limited('Longest wait of each device', [['oldest waits', 'devices'], ...report.lag.map(({ label, count: devices }) => [label, count(devices)])], rows),
    urgent(`Silent: no line for ${formatDuration(report.silentAfterMs)}`, [['device', 'last line', 'waiting'], ...report.silent.map(({ device, lastAt, backlogBytes }) =>
      [short(device), `${formatDuration(report.asOf - lastAt)} ago`, formatBytes(backlogBytes)])], rows),
    urgent(`Stuck: waiting for ${formatDuration(report.stuckAfterMs)}, and nothing arrived`, [['device', 'oldest', 'waiting', 'last arrived', 'held by'], ...report.stuck.map((device) =>
      [short(device.device), formatDuration(device.oldestWaitingMs), formatBytes(device.backlogBytes), device.arrivedAt === undefined ? 'never' : `${formatDuration(report.asOf - device.arrivedAt)} ago`, device.reasons.join(', ')])], rows),
    urgent('Caps used up or at risk', [['device', 'used', 'limit', 'share', 'cap'], ...report.capsAtRisk.map((cap) =>
      [short(cap.device), formatBytes(cap.usedBytes), formatBytes(cap.limitBytes), percent(shareUsed(cap)), short(cap.cap)])], rows),
    limited('Versions', [['version', 'devices'], ...report.versions.map(({ version, devices }) => [short(version), count(devices)])], rows),
    limited('Failures', [['error', 'times'], ...report.errors.map(({ code, count: times }) => [code, count(times)])], rows),
  ].filter((section) => section.rows.length > 1)
}

function limited(title: string, rows: readonly (readonly string[])[], most: number): Section {
  return { title, rows: rows.slice(0, most + 1), of: rows.length - 1 }
}

function urgent(title: string, rows: readonly (readonly string[])[], most: number): Section {
  return { ...limited(title, rows, most), isUrgent: true }
}

/** `and 9,990 more`, or undefined where all is shown. */
export function more({ rows, of }: Section): string | undefined {
  const left = of - (rows.length - 1)
  return left > 0 ? `and ${count(left)} more` : undefined
}

/** How a report begins: what it is of, and what a person should know before anything else. */
export function headline(report: Report): string[] {
  const { days, devices, read, silent, stuck, capsAtRisk, totals } = report
  const [first, last] = [days[0], days.at(-1)]
  if (!first || !last) return ['There are no summaries of that time in these logs.']
  return [
    `${dayInWords(first.date)} ${first.date.slice(0, 4)} to ${dayInWords(last.date)} ${last.date.slice(0, 4)}: ${count(devices)} ${devices === 1 ? 'device' : 'devices'}, ${count(read.counted)} summaries.`,
    `Sent: ${formatBytes(totals.sentBytes)} for ${formatBytes(totals.capturedBytes)} captured. Waiting now: ${formatBytes(report.backlogBytes)}.`,
    `Silent: ${count(silent.length)}. Stuck: ${count(stuck.length)}. Caps used up or at risk: ${count(capsAtRisk.length)} of ${count(report.caps)}.`,
  ]
}

/** What was not counted, one sentence each; none when all was. */
export function omissions({ read }: Report): string[] {
  const lines = (amount: number): string => `${count(amount)} ${amount === 1 ? 'line' : 'lines'}`
  return [
    ...read.refused.map(({ file, what }) => `${printable(file)} ${what}.`),
    ...read.cutShort.map(({ file, what }) => `${printable(file)} ${what}; what comes before that is counted.`),
    ...(read.unreadableLines > 0 ? [`${lines(read.unreadableLines)} of ${count(read.unreadableIn)} ${read.unreadableIn === 1 ? 'file' : 'files'} could not be read.`] : []),
    ...(read.misdated > 0 ? [`${lines(read.misdated)} older than ${reachDays} days or of a time to come ${read.misdated === 1 ? 'is' : 'are'} not counted.`] : []),
    ...(read.leftOut > 0 ? [`${lines(read.leftOut)} of more devices, or days of one, than can be told apart ${read.leftOut === 1 ? 'is' : 'are'} not counted.`] : []),
  ]
}

function savings({ totals }: Report): string[][] {
  const of = (part: number, whole: number): string => whole > 0 ? percent(part / whole) : '-'
  const row = (label: string, name: Additive): string[] => [label, formatBytes(totals[name]), of(totals[name], totals.capturedBytes)]
  return [
    ['', 'bytes', 'of captured'],
    row('captured', 'capturedBytes'), row('new', 'newBytes'), row('packed', 'packedBytes'), row('arrived in packs', 'sentPackBytes'),
    row('sent, all in all', 'sentBytes'), row('of it sent again', 'againBytes'),
  ]
}

const dayHeading = ['day', 'sent', 'captured', 'waiting', 'held most by', 'packed', 'again', 'devices']

function dayRow(day: DayRow): string[] {
  const held = Object.entries(day.heldBytes)
  return [
    dayInWords(day.date), formatBytes(day.sentBytes), formatBytes(day.capturedBytes), formatBytes(held.reduce((sum, [, bytes]) => sum + bytes, 0)),
    held[0]?.[0] ?? '-', formatBytes(day.packedBytes), formatBytes(day.againBytes), count(day.devices),
  ]
}

/** `7,200,000` */
export function count(value: number): string {
  return value.toLocaleString('en-US')
}

/** `6.2 %`; what is little is not nothing. */
export function percent(share: number): string {
  const hundredths = share * 100
  if (hundredths > 0 && hundredths < 0.1) return '< 0.1 %'
  return `${hundredths < 10 ? Number(hundredths.toFixed(1)) : Math.round(hundredths)} %`
}

/** A name that leaves room for others beside it. */
function short(name: string): string {
  return name.length <= 24 ? name : `${[...name].slice(0, 23).join('')}…`
}
