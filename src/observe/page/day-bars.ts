import { escapeText } from './document.ts'
import { dayInWords } from './days.ts'

/** What a day's stack is made of, from the bottom. */
export interface Part<Row> {
  readonly label: string
  /** Name of a fill in the page: a colour and a pattern, so that neither is needed to tell parts apart. */
  readonly fill: string
  readonly value: (row: Row) => number
}

/** Where things are in a picture of days, in the units of its view box. */
export const plot = { width: 960, left: 70, right: 12, top: 16, height: 260, labels: 30 } as const

/** How wide one of so many days is. */
export function dayWidth(count: number): number {
  return (plot.width - plot.left - plot.right) / Math.max(1, count)
}

/** The top of a scale that holds these bars: a round figure that several pictures can share. */
export function scaleTop(bars: readonly number[]): number {
  const highest = bars.reduce((most, each) => Math.max(most, each), 1)
  const power = 10 ** Math.floor(Math.log10(highest))
  return power * ([1, 2, 4, 6, 8].find((figure) => figure * power >= highest) ?? 10)
}

/**
 * SVG elements: a scale up to `highest`, a bar for each day with its figures as a title, and some of the dates. `show` writes
 * a figure.
 */
export function dayBars<Row extends { readonly date: string }>(
  rows: readonly Row[], parts: readonly Part<Row>[], highest: number, show: (value: number) => string,
): string[] {
  const step = dayWidth(rows.length)
  return [
    ...scale(highest, show),
    ...rows.flatMap((row, index) => bar(row, parts, highest, plot.left + index * step, step, show)),
    ...rows.flatMap((row, index) => dayLabel(row.date, index, rows.length, plot.left + (index + 0.5) * step)),
  ]
}

function scale(highest: number, show: (value: number) => string): string[] {
  return [0, 0.25, 0.5, 0.75, 1].flatMap((part) => {
    const y = round(plot.top + plot.height * (1 - part))
    return [
      `<line class="grid" x1="${plot.left}" x2="${plot.width - plot.right}" y1="${y}" y2="${y}"/>`,
      `<text x="${plot.left - 6}" y="${y + 4}" text-anchor="end">${escapeText(show(highest * part))}</text>`,
    ]
  })
}

function bar<Row extends { readonly date: string }>(
  row: Row, parts: readonly Part<Row>[], highest: number, x: number, step: number, show: (value: number) => string,
): string[] {
  let y = plot.top + plot.height
  const rectangles = parts.flatMap((part) => {
    const tall = plot.height * part.value(row) / highest
    if (tall < 0.05) return []
    y -= tall
    return [`<rect class="part" fill="url(#${part.fill})" x="${round(x + step * 0.1)}" y="${round(y)}" width="${round(step * 0.8)}" height="${round(tall)}"/>`]
  })
  const words = parts.filter((part) => part.value(row) > 0).map((part) => `${part.label} ${show(part.value(row))}`)
  return [`<g><title>${escapeText([dayInWords(row.date), ...words].join(', '))}</title>`, ...rectangles, '</g>']
}

function dayLabel(date: string, index: number, count: number, x: number): string[] {
  const every = Math.ceil(count / 16)
  return index % every === 0 ? [`<text x="${round(x)}" y="${plot.top + plot.height + 18}" text-anchor="middle">${dayInWords(date).slice(4)}</text>`] : []
}

export function round(value: number): number {
  return Math.round(value * 10) / 10
}
