// Model: a config file is any text of at most 256 KiB. Texts are made from valid files by cutting, doubling, swapping and
// inserting pieces that mean something to YAML, and from known bombs. Claim: reading ends with a config that keeps every
// invariant or with `config-invalid`; never with another error, and never without end (the test's own time limit).
// Not modelled: what the file system does while the file is read.
import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'

import fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Config } from '../../config/options.ts'
import { maxConfigBytes, parseConfig } from '../../config/parse.ts'
import { maxProblems } from '../../config/problem.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { environment, smallest } from './sample.ts'
import { sized } from '../size.ts'

const example = readFileSync(new URL('../../config/example.yaml', import.meta.url), 'utf8')
const runs = sized({ quick: 1000, ci: 100_000, long: 100_000 })
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)

/** The config, or undefined when the text was refused the way it should be. */
function readOrRefuse(text: string): Config | undefined {
  try {
    return parseConfig(text, 'f', environment).config
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'config-invalid') throw error
    const problems = error.message.split('\n').slice(1)
    expect(problems.length).toBeGreaterThan(0)
    expect(problems.length).toBeLessThanOrEqual(maxProblems)
    for (const problem of problems) expect(problem).toMatch(/^ {2}f:[1-9]\d*:[1-9]\d* \S.*: .+; .+$/u)
    return undefined
  }
}

function checkInvariants(config: Config): void {
  const name = /^[a-z0-9][a-z0-9._-]{0,63}$/
  const folders = [
    config.stateFolder,
    new URL(config.destination).pathname,
    ...config.streams.map(({ folder }) => folder),
  ]
  expect(config.device).toMatch(name)
  expect(folders.every((folder) => isAbsolute(folder))).toBe(true)
  expect(new Set(folders).size).toBe(folders.length)
  expect(new Set(config.streams.map((stream) => stream.name)).size).toBe(config.streams.length)
  expect(new Set(config.caps.map(({ id }) => id)).size).toBe(config.caps.length)
  expect(config.streams.length).toBeGreaterThan(0)
  for (const stream of config.streams) {
    expect(stream.name).toMatch(name)
    expect(stream.purpose.trim()).not.toBe('')
    expect(stream.include.length).toBeGreaterThan(0)
    expect(stream.networks).not.toEqual([])
    expect(stream.onSent === 'delete' && stream.files === 'append').toBe(false)
    expect(Number.isSafeInteger(stream.quietMs) && stream.quietMs >= 100).toBe(true)
  }
  for (const cap of config.caps) {
    expect(Number.isSafeInteger(cap.limitBytes) && cap.limitBytes > 0).toBe(true)
    expect(cap.resetDay === undefined || (cap.per === 'month' && cap.resetDay >= 1 && cap.resetDay <= 31)).toBe(true)
  }
  const { sendAboveBatteryPercent, lowBatteryPercent } = config.power
  expect(
    lowBatteryPercent >= 0 && lowBatteryPercent <= sendAboveBatteryPercent && sendAboveBatteryPercent <= 100,
  ).toBe(true)
  expect(config.effort === 'auto' || (config.effort >= 1 && config.effort <= 19)).toBe(true)
}

const pieces = [
  '&a ', '*a', '[', ']', '{', '}', ': ', '- ', '? ', '|', '>', '"', '\'', '#', '\n', '  ', '\t', '\r', '---\n', '...', '%YAML 1.1\n', '!!str ',
  '!!map ', '<<: ', '~', 'null', 'true', '0x1f', '.inf', '-1', '1e999', '99999999999999999999', '\0', '\ufeff', '\u2028', '\ud800', '__proto__: ',
  'constructor: ', 'streams: ', 'effort: ', 'caps: [{ limit: 1 GB, per: day }]\n', 'seal: { size: 1 MiB }\n', 'state: /x\n', '🦫',
]
const place = fc.double({ min: 0, max: 1, noNaN: true })
const mutation = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), at: place, piece: fc.constantFrom(...pieces) }),
  fc.record({ kind: fc.constant('cut' as const), at: place, length: fc.integer({ min: 1, max: 40 }) }),
  fc.record({
    kind: fc.constant('repeat' as const),
    at: place,
    length: fc.integer({ min: 1, max: 60 }),
    times: fc.integer({ min: 2, max: 30 }),
  }),
  fc.record({ kind: fc.constant('move' as const), at: place, to: place, length: fc.integer({ min: 1, max: 40 }) }),
)

function mutate(text: string, change: typeof mutation extends fc.Arbitrary<infer M> ? M : never): string {
  const at = Math.floor(change.at * text.length)
  if (change.kind === 'insert') return text.slice(0, at) + change.piece + text.slice(at)
  const part = text.slice(at, at + change.length)
  const rest = text.slice(0, at) + text.slice(at + change.length)
  if (change.kind === 'cut') return rest
  if (change.kind === 'repeat') return text.slice(0, at) + part.repeat(change.times) + text.slice(at + change.length)
  const to = Math.floor(change.to * rest.length)
  return rest.slice(0, to) + part + rest.slice(to)
}

test(`${runs} mutated configs are read or refused (seed ${seed}; FUZZ_SEED repeats it)`, { timeout: 600_000 }, () => {
  let accepted = 0
  const texts = fc.tuple(fc.constantFrom(example, smallest), fc.array(mutation, { minLength: 1, maxLength: 4 }))
  fc.assert(fc.property(texts, ([start, changes]) => {
    const config = readOrRefuse(changes.reduce(mutate, start))
    if (config === undefined) return
    accepted++
    checkInvariants(config)
  }), { seed, numRuns: runs })
  // Mutations that never leave a valid file would test the refusals alone.
  expect(accepted).toBeGreaterThan(runs / 100)
})

test('any text at all is read or refused', () => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
    expect(readOrRefuse(text)).toBeUndefined()
  }), { seed, numRuns: Math.min(runs, 10_000) })
})

const levels = Array.from(
  { length: 30 },
  (_, level) => `a${level}: &a${level} [${Array(9).fill(level === 0 ? 'x' : `*a${level - 1}`).join(', ')}]`,
)
const repeated = (piece: string) => piece.repeat(Math.floor(maxConfigBytes / Buffer.byteLength(piece)))

const bombs: readonly (readonly [what: string, text: string])[] = [
  ['aliases of aliases', levels.join('\n')],
  ['aliases of aliases where streams belong', `${levels.join('\n')}\nstreams: *a29\n`],
  ['an alias of itself', 'streams: &a [*a, *a]\n'],
  ['an alias of itself below', `${smallest}caps: &c [*c]\n`],
  ['one alias a thousand times', `device: &d x\nstreams: [${Array(1000).fill('*d').join(', ')}]`],
  ...['[', '{', '{a: ', '- ', '? ', '[\n', '!a ', '&a ', 'a: ', '"\\q', '%a\n', ']', '"', 'a: *a\n'].map((piece) => [
    `${JSON.stringify(piece)} to the limit`,
    repeated(piece),
  ] as const),
  ['30,000 keys', Array.from({ length: 30_000 }, (_, index) => `k${index}: `).join('\n')],
  ['a staircase of maps', Array.from({ length: 700 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n')],
]

test.each(bombs)('a bomb is refused: %s', (_, text) => {
  expect(text.length).toBeLessThanOrEqual(maxConfigBytes)
  expect(readOrRefuse(text)).toBeUndefined()
})
