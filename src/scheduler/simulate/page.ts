import type { NamedResult } from './report.ts'
import { capDash, capIds, escapeText, partsOf, picture, scaleTop, type Part } from './picture.ts'
import { capitalised, comparison, dayTable, summary, verdict } from './report.ts'

/** One self-contained page: it loads nothing, runs nothing, and reads the same without its picture. */
export function page(results: readonly NamedResult[], timeZone: string): string {
  const days = results.flatMap(({ result }) => result.days)
  const parts = partsOf(days)
  const top = scaleTop(days)
  const [first] = results
  const compared = results.length > 1 && first
    ? [`<p><strong>${results.slice(1).map((result) => escapeText(verdict(first.result, result))).join('<br>')}</strong></p>`, ...tableOf(comparison(results), 'What each would have meant')]
    : []
  return [
    '<!doctype html>', '<html lang="en">', '<head>', '<meta charset="utf-8">', '<meta name="viewport" content="width=device-width">',
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
    '<title>What Sluice would have sent</title>', `<style>${style}</style>`, '</head>', '<body>', '<main>', '<h1>What Sluice would have sent</h1>',
    ...compared,
    fills,
    ...results.flatMap((result) => section(result, parts, top, results.length > 1)),
    `<p class="note">Days are those of ${escapeText(timeZone)}. Sizes are what goes over the wire, but for what was captured.</p>`,
    '</main>', '</body>', '</html>', '',
  ].join('\n')
}

function section({ name, result }: NamedResult, parts: readonly Part[], top: number, isNamed: boolean): string[] {
  const used = parts.filter((part) => result.days.some((day) => part.bytes(day) > 0))
  const caps = capIds(result.days)
  return [
    '<section>',
    ...(isNamed ? [`<h2>${escapeText(capitalised(name))}</h2>`] : []),
    `<p>${summary(result).map(escapeText).join('<br>')}</p>`,
    '<ul class="key" aria-label="Key">',
    ...used.map(({ label, fill }) => `<li><svg width="18" height="14" aria-hidden="true"><rect class="part" width="18" height="14" fill="url(#${fill})"/></svg> ${escapeText(label)}</li>`),
    ...caps.map((id, index) => `<li><svg width="28" height="14" aria-hidden="true"><line class="cap" x1="0" x2="28" y1="7" y2="7" stroke-dasharray="${capDash(index)}"/></svg> share of cap ${escapeText(id)} used (top: all of it)</li>`),
    '</ul>',
    `<div class="picture">${picture(result.days, used, top, name)}</div>`,
    '<details><summary>The same as a table</summary>',
    ...tableOf(dayTable(result), 'Day by day', 'days'),
    '</details>', '</section>',
  ]
}

function tableOf([heading = [], ...rows]: readonly (readonly string[])[], caption: string, kind = 'sides'): string[] {
  return [
    `<div class="wide"><table class="${kind}">`, `<caption>${escapeText(caption)}</caption>`,
    `<thead><tr>${heading.map((cell) => cell === '' ? '<td></td>' : `<th scope="col">${escapeText(cell)}</th>`).join('')}</tr></thead>`, '<tbody>',
    ...rows.map(([label = '', ...cells]) => `<tr><th scope="row">${escapeText(label)}</th>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}</tr>`),
    '</tbody></table></div>',
  ]
}

/** A fill with a mark of its own, so that parts can be told apart without colour. */
function pattern(id: string, mark: string): string {
  return `<pattern id="${id}" class="${id}" width="8" height="8" patternUnits="userSpaceOnUse"><rect class="ground" width="8" height="8"/><path class="mark" d="${mark}"/></pattern>`
}

const fills = [
  '<svg width="0" height="0" class="fills" aria-hidden="true"><defs>',
  pattern('free', ''),
  pattern('metered', 'M0 2H8M0 6H8'),
  pattern('held-0', 'M0 8L8 0M-2 2L2 -2M6 10L10 6'),
  pattern('held-1', 'M2 2h1.6v1.6h-1.6zM6 6h1.6v1.6h-1.6z'),
  pattern('held-2', 'M2 0V8M6 0V8'),
  pattern('held-3', 'M0 0L8 8M-2 6L2 10M6 -2L10 2'),
  pattern('other', 'M0 4H8M4 0V8'),
  pattern('asleep', ''),
  '</defs></svg>',
].join('\n')

const style = `
:root { color-scheme: light dark; --text: #1b1f24; --ground: #fff; --quiet: #59636e; --line: #d1d9e0; --cap: #1b1f24;
  --free: #1a7f5a; --metered: #7f5a1a; --held0: #f0b3a0; --held1: #b9c6f2; --held2: #e3c7ef; --held3: #f2dc9b; --other: #d1d9e0; --asleep: #fff; --mark: #1b1f24 }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --ground: #0d1117; --quiet: #9aa5b1; --line: #30363d; --cap: #e6edf3;
  --free: #3fb98a; --metered: #c99a4b; --held0: #8a4a3a; --held1: #40518f; --held2: #6b4680; --held3: #7d6a24; --other: #484f58; --asleep: #0d1117; --mark: #e6edf3 } }
body { margin: 0; background: var(--ground); color: var(--text); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem }
h1 { font-size: 1.6rem; margin: 0 0 .5rem } h2 { font-size: 1.2rem; margin: 2rem 0 .25rem }
.picture, .wide { overflow-x: auto } .picture > svg { width: 100%; min-width: 40rem; height: auto; display: block }
.fills { position: absolute } svg text { fill: var(--quiet); font-size: 11px }
.grid { stroke: var(--line) } .part { stroke: var(--text); stroke-width: .5 } .track { fill: none; stroke: var(--line) } .strip { fill: var(--quiet) }
.cap { fill: none; stroke: var(--cap); stroke-width: 2 }
.mark { stroke: var(--mark); stroke-width: .8; fill: none; opacity: .7 }
.free .ground { fill: var(--free) } .metered .ground { fill: var(--metered) } .held-0 .ground { fill: var(--held0) } .held-1 .ground { fill: var(--held1) }
.held-2 .ground { fill: var(--held2) } .held-3 .ground { fill: var(--held3) } .other .ground { fill: var(--other) } .asleep .ground { fill: var(--asleep) }
.key { list-style: none; display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; font-size: .9rem } .key svg { vertical-align: -2px }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums } caption { text-align: left; color: var(--quiet) }
th, td { text-align: right; padding: .15rem .75rem .15rem 0; border-bottom: 1px solid var(--line); white-space: nowrap } th[scope=row], .days td:last-child, .days th:last-child { text-align: left }
.note { color: var(--quiet); font-size: .9rem }
@media print { details { display: block } }
`
