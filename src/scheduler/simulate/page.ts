import type { NamedResult } from './report.ts'
import type { DayRow } from './day.ts'
import { scaleTop, type Part } from '../../observe/page/day-bars.ts'
import { document, escapeText, keyOf, tableOf } from '../../observe/page/document.ts'
import { barBytes, capDash, capIds, partsOf, picture } from './picture.ts'
import { capitalised, comparison, dayTable, summary, verdict } from './report.ts'

/** One self-contained page: it loads nothing, runs nothing, and reads the same without its picture. */
export function page(results: readonly NamedResult[], timeZone: string): string {
  const days = results.flatMap(({ result }) => result.days)
  const parts = partsOf(days)
  const top = scaleTop(days.map(barBytes))
  const [first] = results
  const compared = results.length > 1 && first
    ? [`<p><strong>${results.slice(1).map((result) => escapeText(verdict(first.result, result))).join('<br>')}</strong></p>`, ...tableOf(comparison(results), 'What each would have meant', 'sides')]
    : []
  return document('What Sluice would have sent', [
    ...compared,
    ...results.flatMap((result) => section(result, parts, top, results.length > 1)),
    `<p class="note">Days are those of ${escapeText(timeZone)}. Sizes are what goes over the wire, but for what was captured.</p>`,
  ])
}

function section({ name, result }: NamedResult, parts: readonly Part<DayRow>[], top: number, isNamed: boolean): string[] {
  const used = parts.filter((part) => result.days.some((day) => part.value(day) > 0))
  const caps = capIds(result.days)
  return [
    '<section>',
    ...(isNamed ? [`<h2>${escapeText(capitalised(name))}</h2>`] : []),
    `<p>${summary(result).map(escapeText).join('<br>')}</p>`,
    '<ul class="key" aria-label="Key">',
    ...used.map(keyOf),
    ...caps.map((id, index) => `<li><svg width="28" height="14" aria-hidden="true"><line class="cap" x1="0" x2="28" y1="7" y2="7" stroke-dasharray="${capDash(index)}"/></svg> share of cap ${escapeText(id)} used (top: all of it)</li>`),
    '</ul>',
    `<div class="picture">${picture(result.days, used, top, name)}</div>`,
    '<details><summary>The same as a table</summary>',
    ...tableOf(dayTable(result), 'Day by day', 'days'),
    '</details>', '</section>',
  ]
}
