import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteReader, ByteWriter, FormatError } from '../../src/pack/bytes.ts'

function encoded(value: number): Uint8Array {
  const writer = new ByteWriter()
  writer.varint(value)
  return Uint8Array.from(writer.finish())
}

const refused = (bytes: readonly number[], most?: number) =>
  expect(() => new ByteReader(Uint8Array.from(bytes)).varint('number', most)).toThrow(FormatError)

describe('varints', () => {
  const edges = Array.from({ length: 54 }, (_, bit) => [2 ** bit - 1, 2 ** bit]).flat().filter((value) => value <= Number.MAX_SAFE_INTEGER)

  test('every number up to 2^53 - 1 comes back from at most 8 bytes', () => {
    const check = (value: number) => {
      const bytes = encoded(value)
      const reader = new ByteReader(bytes)
      expect(reader.varint('number')).toBe(value)
      expect(reader.remaining).toBe(0)
      expect(bytes.length).toBe(Math.max(1, Math.ceil(value.toString(2).length / 7)))
    }
    edges.forEach(check)
    fc.assert(fc.property(fc.maxSafeNat(), check))
  })

  test('whatever is read is in its shortest form: written again it gives the same bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 10 }), (bytes) => {
      const reader = new ByteReader(bytes)
      let value
      try {
        value = reader.varint('number')
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        return
      }
      expect(encoded(value)).toEqual(bytes.slice(0, reader.offset))
    }), { numRuns: 5000 })
  })

  test('longer forms, larger numbers and cut ones are refused', () => {
    refused([0x80, 0x00])
    refused([0xff, 0x80, 0x00])
    refused([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x10]) // 2^53
    refused([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01])
    refused([0x80])
    refused([])
    refused([11], 10)
    for (const value of [-1, 0.5, 2 ** 53, NaN]) expect(() => encoded(value)).toThrow(RangeError)
  })
})

test('fields come back in the order in which they were written', () => {
  fc.assert(fc.property(fc.nat(255), fc.nat(0xffffffff), fc.maxSafeNat(), fc.uint8Array(), fc.uint8Array({ size: 'large' }), (a, b, c, d, e) => {
    const writer = new ByteWriter()
    writer.byte(a)
    writer.uint32(b)
    writer.uint64(c)
    writer.sized(d)
    writer.bytes(e)
    const bytes = writer.finish()
    expect(bytes.length).toBe(writer.length)
    const reader = new ByteReader(bytes)
    expect([reader.byte('a'), reader.uint32('b'), reader.uint64('c')]).toEqual([a, b, c])
    expect(Buffer.compare(reader.sized('d', d.length), d)).toBe(0)
    expect(Buffer.compare(reader.bytes(e.length, 'e'), e)).toBe(0)
    expect(() => reader.byte('f')).toThrow(FormatError)
    reader.end('all')
  }))
})

test('what is finished does not change with what is written later', () => {
  const writer = new ByteWriter()
  writer.byte(1)
  const first = writer.finish()
  writer.bytes(new Uint8Array(5000).fill(7))
  expect([...first]).toEqual([1])
})

test('a count that the rest cannot hold, a size above its limit and left-over bytes are refused', () => {
  const bytes = Uint8Array.of(10, 0, 0, 0)
  expect(() => new ByteReader(bytes).count('things', 1, 100)).toThrow('10 do not fit into 3 bytes')
  expect(() => new ByteReader(bytes).sized('text', 9)).toThrow('above the limit of 9')
  expect(() => new ByteReader(bytes).sized('text', 10)).toThrow('10 bytes wanted, 3 left')
  expect(() => new ByteReader(bytes).end('all')).toThrow('4 bytes too many')
  expect(() => new ByteReader(new Uint8Array(8).fill(255)).uint64('seq')).toThrow('larger than 2^53 - 1')
})
