import type { DayRow, Report, Step } from './report.ts'
import { formatBytes } from '../../../config/units.ts'
import { barsAcross, type Across } from '../page/across.ts'
import { dayBars, plot, scaleTop, type Part } from '../page/day-bars.ts'
import { document, escapeText, keyOf, tableOf } from '../page/document.ts'
import { count, headline, more, omissions, percent, sections } from './tables.ts'

/** What a page shows of the days and of any one table; JSON has all. */
const limits = { days: 92, rows: 100 }

/** Reasons that get a fill of their own; more than this nobody can tell apart. */
const namedReasons = 4

/** The report as one page with pictures, each of which is told in words or as a table too. */
export function page(report: Report): string {
  const days = report.days.slice(-limits.days)
  const missing = omissions(report)
  return document('What was sent, saved and held', [
    `<p>${headline(report).map(escapeText).join('<br>')}</p>`,
    ...(missing.length > 0 ? [`<ul class="note">${missing.slice(0, limits.rows).map((line) => `<li>${escapeText(line)}</li>`).join('')}</ul>`] : []),
    ...(days.length > 0 ? pictures(report, days) : []),
    '<h2>The same as tables</h2>',
    ...sections(report, limits).flatMap((section) => {
      const rest = more(section)
      return [
        `<details${section.isUrgent ? ' open' : ''}><summary>${escapeText(section.title)}</summary>`, ...tableOf(section.rows, '', 'sides'),
        ...(rest === undefined ? [] : [`<p class="note">${escapeText(rest)}</p>`]), '</details>',
      ]
    }),
    `<p class="note">Days are those of ${escapeText(report.timeZone)}. “Now” is each device’s last line; the newest line of all ends at ${new Date(report.asOf).toISOString()}.</p>`,
  ])
}

function pictures(report: Report, days: readonly DayRow[]): string[] {
  return [
    ...daysPicture('Sent by day', days, sentParts),
    ...daysPicture('Waiting at the end of each day, by what holds it', days, heldParts(days)),
    '<div class="pictures">',
    ...small('From capture to the line', savings(report)),
    ...small('Waiting now, by what holds it', named(report.held.map(({ reason, bytes, devices }) => ({ label: reason, value: bytes, text: `${formatBytes(bytes)}, ${count(devices)}` }))), 'bytes, devices'),
    ...small('Devices by longest wait', stepped(report.lag), 'devices'),
    ...small('Caps by share used', stepped(report.capUse), 'caps'),
    ...small('Versions', named(report.versions.map(({ version, devices }) => ({ label: version, value: devices, text: count(devices) }))), 'devices'),
    ...small('Failures', named(report.errors.map(({ code, count: times }) => ({ label: code, value: times, text: count(times) }))), 'times'),
    '</div>',
  ]
}

const sentParts: readonly Part<DayRow>[] = [
  { label: 'packs, sent once', fill: 'free', value: ({ sentPackBytes, againBytes }) => Math.max(0, sentPackBytes - againBytes) },
  { label: 'packs, sent again', fill: 'held-0', value: ({ againBytes }) => againBytes },
  { label: 'all else on the line', fill: 'other', value: ({ sentBytes, sentPackBytes }) => Math.max(0, sentBytes - sentPackBytes) },
]

function heldParts(days: readonly DayRow[]): Part<DayRow>[] {
  const totals = new Map<string, number>()
  for (const { heldBytes } of days) for (const [reason, bytes] of Object.entries(heldBytes)) totals.set(reason, (totals.get(reason) ?? 0) + bytes)
  const most = [...totals].sort(([, a], [, b]) => b - a).map(([reason]) => reason).slice(0, namedReasons)
  const sum = ({ heldBytes }: DayRow, wanted: (reason: string) => boolean): number =>
    Object.entries(heldBytes).reduce((total, [reason, bytes]) => wanted(reason) ? total + bytes : total, 0)
  return [
    ...most.map((reason, index): Part<DayRow> => ({ label: reason, fill: `held-${index}`, value: (day) => sum(day, (each) => each === reason) })),
    { label: 'other reasons', fill: 'other', value: (day) => sum(day, (each) => !most.includes(each)) },
  ]
}

function daysPicture(title: string, days: readonly DayRow[], all: readonly Part<DayRow>[]): string[] {
  const parts = all.filter((part) => days.some((day) => part.value(day) > 0))
  if (parts.length === 0) return []
  const top = scaleTop(days.map((day) => parts.reduce((sum, part) => sum + part.value(day), 0)))
  return [
    '<section>', `<h2>${escapeText(title)}</h2>`, '<ul class="key" aria-label="Key">', ...parts.map(keyOf), '</ul>',
    '<div class="picture">',
    `<svg viewBox="0 0 ${plot.width} ${plot.top + plot.height + plot.labels}" role="img" aria-label="${escapeText(title)}: a bar for each day. A table below holds the figures.">`,
    ...dayBars(days, parts, top, formatBytes), '</svg>', '</div>', '</section>',
  ]
}

function small(title: string, bars: readonly Across[], unit?: string): string[] {
  if (!bars.some(({ value }) => value > 0)) return []
  const heading = `${escapeText(title)}${unit === undefined ? '' : ` <small>${escapeText(unit)}</small>`}`
  return ['<section>', `<h2>${heading}</h2>`, barsAcross(title, bars), '</section>']
}

function savings({ totals }: Report): Across[] {
  const text = (bytes: number): string => totals.capturedBytes > 0 ? `${formatBytes(bytes)}, ${percent(bytes / totals.capturedBytes)}` : formatBytes(bytes)
  const bar = (label: string, value: number, fill: string): Across => ({ label, value, text: text(value), fill })
  return [
    { ...bar('captured', totals.capturedBytes, 'other'), text: formatBytes(totals.capturedBytes) }, bar('new', totals.newBytes, 'held-1'),
    bar('packed', totals.packedBytes, 'metered'), bar('sent', totals.sentBytes, 'free'), bar('of it again', totals.againBytes, 'held-0'),
  ]
}

/** The first few, and how many more there are. */
function named(bars: readonly Omit<Across, 'fill'>[]): Across[] {
  const rest = bars.slice(mostBars)
  const shown = bars.slice(0, mostBars).map((bar) => ({ ...bar, fill: 'held-1' }))
  return rest.length === 0 ? shown : [...shown, { label: `${count(rest.length)} more`, value: 0, text: 'in the table', fill: 'other' }]
}

const mostBars = 7

function stepped(steps: readonly Step[]): Across[] {
  return steps.map(({ label, count: value }) => ({ label, value, text: count(value), fill: 'held-1' }))
}
