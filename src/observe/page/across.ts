import { escapeText } from './document.ts'
import { round } from './day-bars.ts'

/** One bar across: what it is of, how long it is, and what is written behind it. */
export interface Across {
  readonly label: string
  readonly value: number
  readonly text: string
  /** Name of a fill in the page. */
  readonly fill: string
}

const [width, left, right, rowHeight, barHeight] = [480, 172, 100, 26, 16]
/** Longer labels are cut; the whole of it is the bar's title. */
const labelLength = 24

/** Bars across under each other as one SVG, the longest as wide as there is room. `title` says what they show. */
export function barsAcross(title: string, bars: readonly Across[]): string {
  const most = bars.reduce((highest, { value }) => Math.max(highest, value), 0) || 1
  return [
    `<svg viewBox="0 0 ${width} ${bars.length * rowHeight}" role="img" aria-label="${escapeText(`${title}: ${bars.map(({ label, text }) => `${label} ${text}`).join(', ')}`)}">`,
    ...bars.flatMap(({ label, value, text, fill }, index) => {
      const y = index * rowHeight
      const long = value > 0 ? Math.max(1, (width - left - right) * value / most) : 0
      const shown = label.length > labelLength ? `${[...label].slice(0, labelLength - 1).join('')}…` : label
      return [
        `<g><title>${escapeText(`${label}: ${text}`)}</title>`,
        `<text x="${left - 8}" y="${y + 17}" text-anchor="end">${escapeText(shown)}</text>`,
        ...(long > 0 ? [`<rect class="part" fill="url(#${fill})" x="${left}" y="${y + (rowHeight - barHeight) / 2}" width="${round(long)}" height="${barHeight}"/>`] : []),
        `<text class="figure" x="${round(left + long + 8)}" y="${y + 17}">${escapeText(text)}</text>`, '</g>',
      ]
    }),
    '</svg>',
  ].join('\n')
}
