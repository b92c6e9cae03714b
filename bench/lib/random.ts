import { createCipheriv, createHash } from 'node:crypto'

/** Numbers in [0, 1) that depend on the seed alone. */
export type Random = () => number

/** A small generator of the split-mix kind: 32 bits of state, good enough to shape test data. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x9e3779b9) >>> 0
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad)
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97)
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32
  }
}

/** Fills a buffer with the next bytes of something. */
export type Fill = (target: Buffer) => void

/** The AES-CTR key stream of a seed: incompressible, repeatable, and faster than any disk. */
export function incompressible(seed: number): Fill {
  const key = createHash('sha256').update(`incompressible ${seed}`).digest()
  const cipher = createCipheriv('aes-256-ctr', key, Buffer.alloc(16))
  let zeros = Buffer.alloc(0)
  return (target) => {
    if (zeros.length < target.length) zeros = Buffer.alloc(target.length)
    cipher.update(zeros.subarray(0, target.length)).copy(target)
  }
}

const syllables = 'ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu ster ling port ment ion ark eld ost'.split(' ')
const vocabularySize = 6000
const actions = ['view', 'click', 'scroll', 'type', 'open', 'close', 'select', 'paste']

/** JSON lines as a capture tool writes them: rising times, ids, small numbers, and prose with Zipf-like word counts. */
export function jsonLines(seed: number): Fill {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const words = Array.from({ length: vocabularySize }, () =>
    Array.from({ length: 1 + below(4) }, () => syllables[below(syllables.length)]).join(''))
  // Cubing pushes the choice towards the first words, as in a language.
  const word = (): string => words[Math.floor(vocabularySize * random() ** 3)] ?? ''
  let timeMs = 1_700_000_000_000
  const line = (): string => {
    timeMs += 1 + below(900)
    const prose = Array.from({ length: 2 + below(24) }, word).join(' ')
    return `{"t":${timeMs},"do":"${actions[below(actions.length)]}","node":${below(4000)},"x":${below(1920)},`
      + `"y":${below(1080)},"id":"${below(2 ** 32).toString(16)}","text":"${prose}"}\n`
  }
  let rest = ''
  return (target) => {
    let filled = 0
    while (filled < target.length) {
      if (rest === '') rest = line()
      const written = target.write(rest, filled, 'latin1')
      filled += written
      rest = rest.slice(written)
    }
  }
}
