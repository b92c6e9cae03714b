/** Text, or a number already formatted by one of the functions below. */
type Cell = string

const width = 80

/**
 * A table of at most 80 columns: the first column left-aligned, the others right-aligned. Throws when it does not fit.
 */
export function table(head: readonly Cell[], rows: readonly (readonly Cell[])[]): string {
  const all = [head, ...rows]
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly Cell[]): string => head
    .map((_, column) => column === 0 ? (row[0] ?? '').padEnd(widths[0] ?? 0) : (row[column] ?? '').padStart(widths[column] ?? 0))
    .join('  ')
    .trimEnd()
  const rule = widths.map((each) => '-'.repeat(each)).join('  ')
  if (rule.length > width) throw new Error(`the table is ${rule.length} columns wide, more than ${width}`)
  return [line(head), rule, ...rows.map(line)].join('\n')
}

/** `34,588,809` */
export const whole = (value: number): Cell => Math.round(value).toLocaleString('en-US')

export const fixed = (value: number | undefined, digits: number): Cell => value === undefined ? '–' : value.toFixed(digits)

/** Megabytes of 10^6 bytes. */
export const megabytes = (bytes: number | undefined, digits = 0): Cell => fixed(bytes === undefined ? undefined : bytes / 1e6, digits)

/** `1.38×`, or a dash when there is nothing to compare with. */
export const ratio = (value: number | undefined, reference: number | undefined): Cell =>
  value === undefined || !reference ? '–' : `${(value / reference).toFixed(2)}×`
