/**
 * The candidate a person most likely meant by `word`, or undefined when none is near. Case, `-` and `_` do not count.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const wanted = plain(word)
  if (wanted.length === 0 || wanted.length > 40) return undefined
  let best: { candidate: string, distance: number } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(wanted, plain(candidate))
    if (distance <= Math.max(1, Math.floor((wanted.length + 1) / 3)) && distance < (best?.distance ?? Infinity)) {
      best = { candidate, distance }
    }
  }
  return best?.candidate
}

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '')
}

/**
 * How many insertions, deletions, replacements and swaps of neighbours turn `from` into `to` (optimal string
 * alignment).
 */
function editDistance(from: string, to: string): number {
  let beforePrevious: number[] = []
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index)
  for (let i = 1; i <= from.length; i++) {
    const row = [i]
    for (let j = 1; j <= to.length; j++) {
      const replaced = at(previous, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1)
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1]
        ? at(beforePrevious, j - 2) + 1
        : Infinity
      row.push(Math.min(at(previous, j) + 1, at(row, j - 1) + 1, replaced, swapped))
    }
    beforePrevious = previous
    previous = row
  }
  return at(previous, to.length)
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity
}
