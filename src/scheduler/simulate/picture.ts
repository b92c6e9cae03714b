import type { DayRow, WaitingFor } from './day.ts'
import { formatBytes, formatDuration } from '../../../config/units.ts'
import { byMost, dayInWords } from './report.ts'

/** What a stack is made of, from the bottom. */
export interface Part {
  readonly label: string
  /** Name of a fill in the page: a colour and a pattern, so that neither is needed to tell parts apart. */
  readonly fill: string
  readonly bytes: (day: DayRow) => number
}

const width = 960
const left = 70
const right = 12
const plotHeight = 260
const top = 16
const stripHeight = 14
const stripGap = 8
const labelHeight = 30

/** Reasons that get a fill of their own; more than this nobody can tell apart. */
const namedReasons = 4

/** The parts of every bar, the same for all pictures of one page. */
export function partsOf(days: readonly DayRow[]): Part[] {
  const totals: Partial<Record<WaitingFor, number>> = {}
  for (const { waitingBytes } of days) for (const [why, bytes] of byMost(waitingBytes)) totals[why] = (totals[why] ?? 0) + bytes
  const named = byMost(totals).filter(([why]) => why !== 'asleep' && why !== 'on-its-way').slice(0, namedReasons).map(([why]) => why)
  return [
    { label: 'sent on free networks', fill: 'free', bytes: (day) => day.sentBytes.free },
    { label: 'sent on metered networks', fill: 'metered', bytes: (day) => day.sentBytes.metered },
    ...named.map((why, index): Part => ({ label: `waiting: ${why}`, fill: `held-${index}`, bytes: (day) => day.waitingBytes[why] ?? 0 })),
    { label: 'waiting: other reasons', fill: 'other', bytes: (day) => byMost(day.waitingBytes).reduce((sum, [why, bytes]) => [...named, 'asleep'].includes(why) ? sum : sum + bytes, 0) },
    { label: 'waiting: asleep all day', fill: 'asleep', bytes: (day) => day.waitingBytes.asleep ?? 0 },
  ]
}

/** The top of a scale for the highest bar of some days, a round figure that several pictures can share. */
export function scaleTop(days: readonly DayRow[]): number {
  const highest = Math.max(1, ...days.map((day) => day.sentBytes.free + day.sentBytes.metered + day.backlogBytes))
  const power = 10 ** Math.floor(Math.log10(highest))
  return power * ([1, 2, 4, 6, 8].find((figure) => figure * power >= highest) ?? 10)
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
export function picture(days: readonly DayRow[], parts: readonly Part[], highest: number, title: string): string {
  const step = (width - left - right) / Math.max(1, days.length)
  const x = (index: number): number => left + index * step
  const height = top + plotHeight + labelHeight + strips.length * (stripHeight + stripGap)
  return [
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeText(title)}: bytes sent and waiting for each day. The table below holds the same figures.">`,
    ...scale(highest),
    ...days.flatMap((day, index) => bar(day, parts, highest, x(index), step)),
    ...capLines(days, x, step),
    ...days.flatMap((day, index) => dayLabel(day, index, days.length, x(index) + step / 2)),
    ...strips.flatMap(([label, ms], row) => strip(days, label, ms, top + plotHeight + labelHeight + row * (stripHeight + stripGap), x, step)),
    '</svg>',
  ].join('\n')
}

function scale(highest: number): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((part) => {
    const y = round(top + plotHeight * (1 - part))
    return [
      `<line class="grid" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}"/>`,
      `<text x="${left - 6}" y="${y + 4}" text-anchor="end">${formatBytes(highest * part)}</text>`,
    ]
  })
}

function bar(day: DayRow, parts: readonly Part[], highest: number, x: number, step: number): string[] {
  let y = top + plotHeight
  const rectangles = parts.flatMap((part) => {
    const tall = plotHeight * part.bytes(day) / highest
    if (tall < 0.05) return []
    y -= tall
    return [`<rect class="part" fill="url(#${part.fill})" x="${round(x + step * 0.1)}" y="${round(y)}" width="${round(step * 0.8)}" height="${round(tall)}"/>`]
  })
  const words = parts.filter((part) => part.bytes(day) > 0).map((part) => `${part.label} ${formatBytes(part.bytes(day))}`)
  return [`<g><title>${escapeText([dayInWords(day.date), ...words].join(', '))}</title>`, ...rectangles, '</g>']
}

const dashes = ['', '8 4', '2 3', '10 3 2 3']

/** How much of each cap is used at each day's end: the top of the plot is all of it. */
function capLines(days: readonly DayRow[], x: (index: number) => number, step: number): string[] {
  return capIds(days).map((id, index) => {
    const points = days.flatMap((day, at) => {
      const cap = day.caps.find((each) => each.id === id)
      return cap ? [`${round(x(at) + step / 2)},${round(top + plotHeight * (1 - Math.min(1, cap.usedBytes / cap.limitBytes)))}`] : []
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

function dayLabel({ date }: DayRow, index: number, count: number, x: number): string[] {
  const every = Math.ceil(count / 16)
  return index % every === 0 ? [`<text x="${round(x)}" y="${top + plotHeight + 18}" text-anchor="middle">${dayInWords(date).slice(4)}</text>`] : []
}

function strip(days: readonly DayRow[], label: string, msOf: (day: DayRow) => number, y: number, x: (index: number) => number, step: number): string[] {
  return [
    `<text x="${left - 6}" y="${y + stripHeight - 3}" text-anchor="end">${label}</text>`,
    `<rect class="track" x="${left}" y="${y}" width="${width - left - right}" height="${stripHeight}"/>`,
    ...days.flatMap((day, index) => {
      const part = Math.min(1, msOf(day) / Math.max(1, day.end - day.start))
      if (part === 0) return []
      const tall = Math.max(1, stripHeight * part)
      return [`<rect class="strip" x="${round(x(index) + step * 0.1)}" y="${round(y + stripHeight - tall)}" width="${round(step * 0.8)}" height="${round(tall)}"><title>${dayInWords(day.date)}: ${label} ${formatDuration(msOf(day))}</title></rect>`]
    }),
  ]
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
