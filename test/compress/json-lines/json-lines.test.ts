import { zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { maxBlockBytes } from '../../../src/compress/codec.ts'
import { decodeLines } from '../../../src/compress/json-lines/decode.ts'
import { encodeLines } from '../../../src/compress/json-lines/encode.ts'
import { Random } from '../../pack/mutate.ts'
import { expectChain } from './chain.ts'
import { generateLines } from './generate.ts'

/** Lines, each ended by a newline. */
function block(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map(line => `${line}\n`).join(''))
}

/** Encodes one block that must be taken, checks that it comes back, and returns the size of its code after zstd. */
function codeSize(raw: Uint8Array, model?: Uint8Array): number {
  const encoded = encodeLines(raw, model)
  expect(encoded).toBeDefined()
  const decoded = decodeLines(encoded!.code, model)
  expect(Buffer.compare(decoded.raw, raw)).toBe(0)
  expect(Buffer.compare(decoded.model, encoded!.model)).toBe(0)
  return zstdCompressSync(encoded!.code).length
}

const counted = (count: number, line: (n: number) => string): Buffer => block(Array.from({ length: count }, (_, n) => line(n)))

describe('lines come back to the byte', () => {
  const template = (odd: string): Buffer => counted(200, n => (n === 20 ? odd : `{"t":${1000 + n},"k":"move","x":${n % 7}}`))

  test.each([
    ['a key twice', '{"t":1,"t":2}'], ['keys in another order', '{"x":1,"k":"move","t":2}'], ['spaces', '{ "t": 1 }'], ['a space behind', '{"t":1} '],
    ['a negative zero', '{"t":-0,"x":-0.0}'], ['an exponent', '{"t":1e5,"x":1E-7}'], ['a big integer', '{"t":12345678901234567890}'],
    ['2^53 + 1', '{"t":9007199254740993}'], ['a trailing zero', '{"x":1.50}'], ['a leading zero', '{"x":007}'], ['escapes', '{"k":"\\u006dove\\/\\""}'],
    ['an escape in a key', '{"\\u006b":"move"}'], ['a carriage return', '{"t":1}\r'], ['an empty line', ''], ['no JSON', 'panic: oops, {"t":1}'],
    ['half a line', '{"t":1,"k":"mo'], ['names of Object.prototype', '{"__proto__":1,"constructor":{"toString":2}}'], ['an empty key', '{"":{"":1}}'],
    ['a bare number', '12'], ['containers without content', '[{},[],[[]],[{}]]'], ['an array of many kinds', '[1,"a",null,true,{"t":1},[2],-3.5]'],
    ['too deep', '['.repeat(600) + ']'.repeat(600)], ['as deep as it gets', '['.repeat(512) + ']'.repeat(512)],
    ['a long string', `{"k":"${'x'.repeat(100_000)}"}`], ['control characters', '{"k":"\u0000\u0001\t"}'],
  ])('%s', (_, odd) => {
    codeSize(template(odd))
    codeSize(template(odd).subarray(17, -9))
  })

  test('invalid UTF-8', () => {
    codeSize(Buffer.concat([template('{"t":1}'), Buffer.from([0x7b, 0x22, 0xff, 0xc0, 0x22, 0x3a, 0x22, 0x80, 0x22, 0x7d, 0x0a]), template('{"t":1}')]))
  })

  test('numbers at the edges of what is exact, in any order', () => {
    const edges = ['999999999999999', '-999999999999999', '0', '-0', '1', '-1', '1000000000000000', '99999999999999.9', '-99999999999999.9', '0.5']
    for (let seed = 0; seed < 200; seed++) {
      const random = new Random(seed)
      const kept = edges.filter(() => random.below(2) === 0)
      if (kept.length > 0) codeSize(counted(30, () => `{"t":${random.pick(edges)},"u":${random.pick(kept)},"v":[${random.pick(kept)},${random.pick(kept)}]}`))
    }
  })

  test('times of all forms, and what only looks like one', () => {
    const forms = ['2026-11-23T15:04:05Z', '2026-11-23 15:04:05', '2026-11-23T15:04:05.678Z', '2026-11-23T15:04:05.678901+00:00', '2026-02-30T15:04:05Z',
      '2026-11-23T24:00:00Z', '2026-11-23T23:59:60Z', '0000-00-00T00:00:00Z', '9999-12-31T23:59:59.999999Z', '0001-01-01T00:00:00Z', '2026-11-23T15:04:05.6789Z']
    for (const form of forms) {
      codeSize(counted(20, () => `{"at":"${form}"}`))
      codeSize(counted(20, n => `{"at":"${n % 2 === 0 ? form : forms[2]}"}`))
    }
  })

  test('a block that is cut at any byte, on both sides', () => {
    const line = '{"t":12,"list":[{"x":1,"y":[2,3]},{"x":-4.5,"y":[]}],"s":"a\\"b","n":null,"o":{"p":{"q":"r, {\\"x\\":"}}}\n'
    const raw = Buffer.from(line.repeat(3))
    for (let start = 0; start < line.length; start++) {
      for (const end of [start + 1, start + 30, start + line.length, raw.length - start, raw.length]) {
        const piece = raw.subarray(start, end)
        const encoded = encodeLines(piece)
        if (encoded) expect(Buffer.compare(decodeLines(encoded.code).raw, piece), `${start}–${end}`).toBe(0)
      }
    }
  })

  test('generated lines, cut anywhere, in chains', () => {
    for (let seed = 1; seed <= 300; seed++) expectChain(seed)
  })
})

describe('columns pay', () => {
  test('counters, times that go together and words that repeat cost next to nothing', () => {
    const raw = counted(2000, n => `{"t":${1_795_426_807_318 + n * n},"start":${500 + n * n},"k":"${n % 2 === 0 ? 'down' : 'up'}","n":${n},"ok":true}`)
    expect(codeSize(raw)).toBeLessThan(300)
  })

  test('times as text cost what they change by', () => {
    const at = (n: number): string => new Date(1_795_426_807_318 + n * 57).toISOString()
    expect(codeSize(counted(2000, n => `{"time":"${at(n)}"}`))).toBeLessThan(100)
  })

  test('decimals and the tails of inexact ones', () => {
    expect(codeSize(counted(1000, n => `{"p":${(n * 10 + 5) / 100}}`))).toBeLessThan(150)
    expect(codeSize(counted(1000, n => `{"p":${n}.${n % 3 === 0 ? '7999999999302' : '0999999999767'}}`))).toBeLessThan(300)
  })

  test('escapes within strings and keys are nothing unusual', () => {
    expect(codeSize(counted(1000, n => `{"a\\"b":"say \\"${n % 2 === 0 ? 'yes' : 'no'}\\"","n":${n}}`))).toBeLessThan(200)
  })

  test('a block is much smaller with the model of the one before', () => {
    const lines = (from: number): Buffer => counted(10, n => `{"timestamp":${1_795_426_807_318 + from + n},"event":"pointer-move","target":"button.primary"}`)
    const first = encodeLines(lines(0))!
    expect(codeSize(lines(10), first.model)).toBeLessThan(codeSize(lines(10)) / 2)
  })

  test('a block from the middle of one huge line pays like any other', () => {
    const item = (n: number): string => `{"type":2,"tagName":"span","attributes":{"class":"pre"},"childNodes":[{"type":3,"text":"x","id":${n}}],"id":${n + 1}}`
    const line = Buffer.from(`{"data":{"node":{"childNodes":[${Array.from({ length: 9000 }, (_, n) => item(n)).join(',')}]}}}\n`)
    expect(codeSize(line.subarray(200_123, 400_456))).toBeLessThan(codeSize(line.subarray(0, 200_333)) + 500)
  })
})

describe('what is no JSON is left as it is', () => {
  test.each([
    ['prose', Buffer.from('A sluice is a gate.\n'.repeat(500))],
    ['zeros', Buffer.alloc(50_000)],
    ['one line of nothing known', Buffer.from('x'.repeat(50_000))],
    ['pretty-printed JSON', Buffer.from(JSON.stringify({ a: [1, 2, { b: 'c' }] }, undefined, 2).repeat(200))],
    ['more than a block', block(['{"a":1}'.repeat(maxBlockBytes / 7)])],
    ['nothing', Buffer.alloc(0)],
  ])('%s', (_, raw) => {
    expect(encodeLines(raw)).toBeUndefined()
  })
})

describe('what is learned is bounded', () => {
  test('when the model is full of names, shapes and members, lines still come back', () => {
    const random = new Random(7)
    let model: Uint8Array | undefined
    for (let round = 0; round < 12; round++) {
      const raw = counted(1500, n => `{"user-${random.below(1e9)}":${n},"k":"${random.below(400)} ${'x'.repeat(random.below(250))}","wide":{${
        Array.from({ length: random.below(20) }, (_, at) => `"${random.below(40)}":${at}`).join(',')}}}`)
      const encoded = encodeLines(raw, model)
      if (!encoded) continue
      codeSize(raw, model)
      model = encoded.model
      expect(model.length).toBeLessThan(1.5 * 2 ** 20)
    }
  })

  test('strings that are not worth learning take no room from those that are', () => {
    const random = new Random(9)
    const noise = (): string => random.bytes(120).toString('hex')
    const raw = counted(600, n => `{"a":"${noise()}","b":"${noise()}","c":"${noise()}","d":"${noise()}","e":"word ${n % 40}"}`)
    codeSize(raw)
  })

  test('the densest block there is comes back', () => {
    const dense = Buffer.from(`[${'[],'.repeat(300_000)}[]]\n`)
    codeSize(dense)
    codeSize(Buffer.from('1\n'.repeat(maxBlockBytes / 2)))
    codeSize(Buffer.from(`[${'1,'.repeat(400_000)}1]\n`))
  })

  test('input and model are left as they were', () => {
    const raw = generateLines(new Random(5), 60)
    const model = encodeLines(generateLines(new Random(5), 30))!.model
    const [before, modelBefore] = [Buffer.from(raw), Buffer.from(model)]
    const { code } = encodeLines(raw, model)!
    decodeLines(code, model)
    expect(Buffer.compare(raw, before) + Buffer.compare(model, modelBefore)).toBe(0)
  })
})
