import { describe, expect, test } from 'vitest'
import { maxBlockBytes } from '../../../src/compress/codec.ts'
import { writeParts } from '../../../src/compress/json-lines/container.ts'
import { decodeLines } from '../../../src/compress/json-lines/decode.ts'
import { encodeLines } from '../../../src/compress/json-lines/encode.ts'
import { constant, numberForms } from '../../../src/compress/json-lines/forms.ts'
import { CodeWriter } from '../../../src/compress/json-lines/integers.ts'
import { kinds } from '../../../src/compress/json-lines/model.ts'
import { symbols } from '../../../src/compress/json-lines/parser.ts'
import { predictors } from '../../../src/compress/json-lines/predict.ts'
import { ByteWriter } from '../../../src/pack/bytes.ts'

const failed = expect.objectContaining({ code: 'codec-failed', transient: false }) as unknown

interface Foreign {
  readonly rawBytes: number
  readonly lines: number
  readonly definitions?: (leads: ByteWriter) => void
  readonly body: (codes: CodeWriter, leads: ByteWriter) => void
  readonly text?: string
}

/** A code with sections that fit each other, whatever they say. */
function codeOf({ rawBytes, lines, definitions, body, text = '' }: Foreign): Uint8Array {
  const [leads, extras] = [new ByteWriter(), new ByteWriter()]
  if (definitions) definitions(leads)
  else leads.bytes(Uint8Array.of(0, 0))
  body(new CodeWriter(leads, extras), leads)
  return writeParts({
    rawBytes, lines, style: { spaced: false, crlf: false }, prefixBytes: 0, suffixBytes: 0, head: new Uint8Array(), tail: new Uint8Array(),
    leads: leads.finish(), extras: extras.finish(), text: Buffer.from(text),
  })
}

/** `count` bare numbers, one a line. */
function numbers(rawBytes: number, count: number, column: (codes: CodeWriter, leads: ByteWriter) => void): Uint8Array {
  const body = (codes: CodeWriter, leads: ByteWriter): void => {
    for (let left = count; left > 0; left--) codes.write(symbols.element + kinds.number)
    column(codes, leads)
  }
  return codeOf({ rawBytes, lines: count, body })
}

test('a code as it should be is read', () => {
  const code = numbers(6, 3, (codes, leads) => {
    leads.bytes(Uint8Array.of(numberForms.integer, predictors.last | constant))
    codes.write(2)
  })
  expect(Buffer.from(decodeLines(code).raw).toString()).toBe('1\n2\n3\n')
})

describe('codes that nobody wrote are refused', () => {
  test('a few bytes that unfold to more values than a block has room for', () => {
    const members = 4000
    const definitions = (leads: ByteWriter): void => {
      leads.bytes(Uint8Array.of(0, 1))
      leads.varint(members)
      for (let left = members; left > 0; left--) leads.varint(kinds.literal)
    }
    const body = (codes: CodeWriter, leads: ByteWriter): void => {
      for (let left = 500_000; left > 0; left--) codes.write(symbols.shape)
      for (let left = members; left > 0; left--) leads.bytes(Uint8Array.of(constant, 0))
    }
    const code = codeOf({ rawBytes: maxBlockBytes, lines: 500_000, definitions, body })
    expect(() => decodeLines(code)).toThrow(failed)
  })

  test('numbers that grow beyond what is exact', () => {
    const code = numbers(1000, 60, (codes, leads) => {
      leads.bytes(Uint8Array.of(numberForms.integer, predictors.slope | constant))
      codes.write(Number.MAX_SAFE_INTEGER - 1)
    })
    expect(() => decodeLines(code)).toThrow(failed)
  })

  test('a number with more digits than are exact, where its text would fit', () => {
    const code = numbers(17, 1, (codes, leads) => {
      leads.bytes(Uint8Array.of(numberForms.integer, predictors.none))
      codes.write(2 * 4_503_599_627_370_495)
    })
    expect(() => decodeLines(code)).toThrow(failed)
  })

  test.each([
    ['a form of numbers that there is none of', [100, 0, 0]], ['a predictor that there is none of', [0, 99, 0]], ['a sibling where there is no object', [0, predictors.sibling, 0]],
    ['a number that is too long', [0, 0, 255]], ['no number', [0, 0]], ['something behind the last column', [0, 0, 0, 0]],
  ])('%s', (_, bytes) => {
    expect(() => decodeLines(numbers(2, 1, (_codes, leads) => leads.bytes(Uint8Array.from(bytes))))).toThrow(failed)
  })

  test.each([
    ['more lines than symbols', { lines: 2, rawBytes: 4, symbols: [symbols.array, symbols.arrayEnd] }], ['an end without a beginning', { lines: 1, rawBytes: 2, symbols: [symbols.arrayEnd] }],
    ['a shape that there is none of', { lines: 1, rawBytes: 3, symbols: [symbols.shape] }], ['a raw line in an array', { lines: 1, rawBytes: 9, symbols: [symbols.array, symbols.rawLine, symbols.arrayEnd] }],
    ['containers too deep', { lines: 1, rawBytes: 4000, symbols: Array.from({ length: 1500 }, () => symbols.array) }], ['less than it says', { lines: 1, rawBytes: 9, symbols: [symbols.array, symbols.arrayEnd] }],
    ['more than it says', { lines: 1, rawBytes: 2, symbols: [symbols.array, symbols.arrayEnd] }], ['a block that is too large', { lines: 1, rawBytes: maxBlockBytes + 1, symbols: [symbols.array, symbols.arrayEnd] }],
  ])('%s', (_, { lines, rawBytes, symbols: list }) => {
    const code = codeOf({ lines, rawBytes, body: codes => { for (const symbol of list) codes.write(symbol) } })
    expect(() => decodeLines(code)).toThrow(failed)
  })

  test('a code without the model that it was made with, and any part of a code', () => {
    const raw = Buffer.from(Array.from({ length: 20 }, (_, n) => `{"t":${n},"k":"move","list":[1,2.5,"${n}"]}\n`).join(''))
    const first = encodeLines(raw)!
    const second = encodeLines(raw, first.model)!
    expect(() => decodeLines(second.code)).toThrow(failed)
    for (let end = 0; end < first.code.length; end++) expect(() => decodeLines(first.code.subarray(0, end)), `${end} bytes`).toThrow(failed)
    expect(() => decodeLines(first.code, first.model.subarray(0, 20))).toThrow(failed)
    expect(() => encodeLines(raw, first.model.subarray(0, 20))).toThrow(failed)
  })
})
