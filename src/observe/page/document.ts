/** A self-contained page: it loads nothing, runs nothing, and reads the same in the dark, on paper and without its pictures. */
export function document(title: string, body: readonly string[]): string {
  return [
    '<!doctype html>', '<html lang="en">', '<head>', '<meta charset="utf-8">', '<meta name="viewport" content="width=device-width">',
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">',
    `<title>${escapeText(title)}</title>`, `<style>${style}</style>`, '</head>', '<body>', '<main>', `<h1>${escapeText(title)}</h1>`,
    fills, ...body, '</main>', '</body>', '</html>', '',
  ].join('\n')
}

/** A table whose first row names the columns, and whose first column the rows. `kind` is a class of the style; no caption where the text around the table is one. */
export function tableOf([heading = [], ...rows]: readonly (readonly string[])[], caption: string, kind: string): string[] {
  return [
    `<div class="wide"><table class="${kind}">${caption === '' ? '' : `<caption>${escapeText(caption)}</caption>`}`,
    `<thead><tr>${heading.map((cell) => cell === '' ? '<td></td>' : `<th scope="col">${escapeText(cell)}</th>`).join('')}</tr></thead>`, '<tbody>',
    ...rows.map(([label = '', ...cells]) => `<tr><th scope="row">${escapeText(label)}</th>${cells.map((cell) => `<td>${escapeText(cell)}</td>`).join('')}</tr>`),
    '</tbody></table></div>',
  ]
}

/** An entry of a picture's key. */
export function keyOf({ label, fill }: { readonly label: string, readonly fill: string }): string {
  return `<li><svg width="18" height="14" aria-hidden="true"><rect class="part" width="18" height="14" fill="url(#${fill})"/></svg> ${escapeText(label)}</li>`
}

export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
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
th, td { text-align: right; padding: .15rem .75rem .15rem 0; border-bottom: 1px solid var(--line); white-space: nowrap } th[scope=row], th:first-child, .days td:last-child, .days th:last-child { text-align: left }
.note { color: var(--quiet); font-size: .9rem }
h2 small { font-weight: normal; color: var(--quiet) } summary { cursor: pointer } details { margin: .25rem 0 } details p { margin: .25rem 0 }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 0 2rem }
.pictures svg { width: 100%; height: auto; display: block } .pictures text { font-size: 13px } svg .figure { fill: var(--text) }
@media print { details { display: block } }
`
