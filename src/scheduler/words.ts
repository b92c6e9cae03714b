const ageSteps = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const

/** `2 s ago`; a reading from the future, after the clock went back, is `just now`. */
export function ageInWords(ageMs: number): string {
  const step = ageSteps.find(([, ms]) => ageMs >= ms)
  return step ? `${Math.floor(ageMs / step[1])} ${step[0]} ago` : 'just now'
}

/** Breaks text between words so that lines fit `columns`, each behind `indent`. A longer word keeps a line to itself. */
export function wrap(text: string, columns: number, indent: string): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && indent.length + longer.length > columns) {
      lines.push(indent + line)
      line = word
    } else {
      line = longer
    }
  }
  return line === '' ? lines : [...lines, indent + line]
}
