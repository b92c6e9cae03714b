import type { DayRow, WaitingFor } from './day.ts'
import { formatBytes, formatDuration } from '../../../config/units.ts'
import { dayBars, dayWidth, plot, round, type Part } from '../../observe/page/day-bars.ts'
import { dayInWords } from '../../observe/page/days.ts'
import { escapeText } from '../../observe/page/document.ts'
import { byMost } from './report.ts'

const stripHeight = 14
const stripGap = 8

/** Reasons that get a fill of their own; more than this nobody can tell apart. */
const namedReasons = 4

/** The parts of every bar, the same for all pictures of one page. */
export function partsOf(days: readonly DayRow[]): Part<DayRow>[] {
  const totals: Partial<Record<WaitingFor, number>> = {}
  for (const { waitingBytes } of days) for (const [why, bytes] of byMost(waitingBytes)) totals[why] = (totals[why] ?? 0) + bytes
  const named = byMost(totals).filter(([why]) => why !== 'asleep' && why !== 'on-its-way').slice(0, namedReasons).map(([why]) => why)
  return [
    { label: 'sent on free networks', fill: 'free', value: (day) => day.sentBytes.free },
    { label: 'sent on metered networks', fill: 'metered', value: (day) => day.sentBytes.metered },
    ...named.map((why, index): Part<DayRow> => ({ label: `waiting: ${why}`, fill: `held-${index}`, value: (day) => day.waitingBytes[why] ?? 0 })),
    { label: 'waiting: other reasons', fill: 'other', value: (day) => byMost(day.waitingBytes).reduce((sum, [why, bytes]) => [...named, 'asleep'].includes(why) ? sum : sum + bytes, 0) },
    { label: 'waiting: asleep all day', fill: 'asleep', value: (day) => day.waitingBytes.asleep ?? 0 },
  ]
}

/** How tall a day's bar is. */
export function barBytes({ sentBytes, backlogBytes }: DayRow): number {
  return sentBytes.free + sentBytes.metered + backlogBytes
}

const strips = [
  ['battery', (day: DayRow) => day.batteryMs],
  ['metered', (day: DayRow) => day.meteredMs],
  ['offline', (day: DayRow) => day.offlineMs],
  ['asleep', (day: DayRow) => day.asleepMs],
] as const

/**
 * One bar a day of what was sent and what waits, the use of each cap as a line, and strips for how much of the day the
 * machine was on battery, metered, offline or asleep. SVG; the page around it holds its fills and a table of the same.
 */
export function picture(days: readonly DayRow[], parts: readonly Part<DayRow>[], highest: number, title: string): string {
  const step = dayWidth(days.length)
  const x = (index: number): number => plot.left + index * step
  const stripTop = plot.top + plot.height + plot.labels
  return [
    `<svg viewBox="0 0 ${plot.width} ${stripTop + strips.length * (stripHeight + stripGap)}" role="img" aria-label="${escapeText(title)}: bytes sent and waiting for each day. The table below holds the same figures.">`,
    ...dayBars(days, parts, highest, formatBytes),
    ...capLines(days, x, step),
    ...strips.flatMap(([label, ms], row) => strip(days, label, ms, stripTop + row * (stripHeight + stripGap), x, step)),
    '</svg>',
  ].join('\n')
}

const dashes = ['', '8 4', '2 3', '10 3 2 3']

/** How much of each cap is used at each day's end: the top of the plot is all of it. */
function capLines(days: readonly DayRow[], x: (index: number) => number, step: number): string[] {
  return capIds(days).map((id, index) => {
    const points = days.flatMap((day, at) => {
      const cap = day.caps.find((each) => each.id === id)
      return cap ? [`${round(x(at) + step / 2)},${round(plot.top + plot.height * (1 - Math.min(1, cap.usedBytes / cap.limitBytes)))}`] : []
    })
    return `<polyline class="cap" stroke-dasharray="${dashes[index % dashes.length]}" points="${points.join(' ')}"><title>${escapeText(id)}: share used; the top is all of it</title></polyline>`
  })
}

export function capIds(days: readonly DayRow[]): string[] {
  return [...new Set(days.flatMap(({ caps }) => caps.map(({ id }) => id)))]
}

/** A line's pattern, for the key. */
export function capDash(index: number): string {
  return dashes[index % dashes.length] ?? ''
}

function strip(days: readonly DayRow[], label: string, msOf: (day: DayRow) => number, y: number, x: (index: number) => number, step: number): string[] {
  return [
    `<text x="${plot.left - 6}" y="${y + stripHeight - 3}" text-anchor="end">${label}</text>`,
    `<rect class="track" x="${plot.left}" y="${y}" width="${plot.width - plot.left - plot.right}" height="${stripHeight}"/>`,
    ...days.flatMap((day, index) => {
      const part = Math.min(1, msOf(day) / Math.max(1, day.end - day.start))
      if (part === 0) return []
      const tall = Math.max(1, stripHeight * part)
      return [`<rect class="strip" x="${round(x(index) + step * 0.1)}" y="${round(y + stripHeight - tall)}" width="${round(step * 0.8)}" height="${round(tall)}"><title>${dayInWords(day.date)}: ${label} ${formatDuration(msOf(day))}</title></rect>`]
    }),
  ]
}
