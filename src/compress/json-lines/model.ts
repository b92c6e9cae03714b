import type { ByteReader, ByteWriter } from '../../pack/bytes.ts'
import { maxFields, maxInteger, maxMembers, maxNames, maxShapes } from './limits.ts'
import { Names } from './names.ts'
import type { TextReader } from './text-reader.ts'

/** What a member or an array element is. `node`: an object or an array. */
export const kinds = { literal: 0, number: 1, string: 2, node: 3 } as const

/** Field of whatever stands in no object; its key is the empty one. */
export const rootField = 0

const fieldTag = 0

const mostZigzag = 2 * maxInteger

/** Names of a field's strings have this tag. */
export function stringTag(field: number): number {
  return field + 1
}

/** Ends a name, a string or a raw line where they are listed. No line has it inside. */
export const newline = 0x0a

/** 0, 1, 2, 3, 4 … for 0, -1, 1, -2, 2 … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value
}

export function unzigzag(code: number): number {
  return code % 2 === 0 ? code / 2 : -(code + 1) / 2
}

/**
 * What both sides know before a value: fields (keys), shapes (the keys of an object in order, each with the kind of
 * its value), strings by field, and last numbers. Values have **slots**: the members of all shapes are numbered
 * through, and behind them, once no more are learned, come four for the elements of each kind in each field's arrays.
 */
export class Model {
  readonly names: Names
  /** `field << 2 | kind` of each member, shape after shape. */
  readonly members: number[] = []
  /** Where each shape's members begin, and as last item where the next shape's will. */
  readonly shapeStarts: number[] = [0]
  /** Last number of a member, of a field's elements, and of a field wherever it was. */
  readonly #memberLasts: number[] = []
  readonly #elementLasts: number[] = []
  readonly fieldLasts: number[] = []
  readonly #shapesByHash = new Map<number, number[]>()

  constructor(pool: Uint8Array) {
    this.names = new Names(pool)
    this.names.learn(fieldTag, 0, 0)
  }

  get shapes(): number {
    return this.shapeStarts.length - 1
  }

  get fields(): number {
    return this.names.of(fieldTag).length
  }

  /** Names entry of a field's key. */
  fieldName(field: number): number {
    return this.names.of(fieldTag)[field] ?? 0
  }

  /** The field with the key `pool[start, end)`; -1 when it is new and there is no room. */
  field(start: number, end: number): number {
    if (this.fields < maxFields) return this.names.learn(fieldTag, start, end)
    return this.names.find(fieldTag, start, end)
  }

  /** The highest: where raw lines are. */
  get rawSlot(): number {
    return this.members.length + this.fields * 4
  }

  elementSlot(field: number, kind: number): number {
    return this.members.length + field * 4 + kind
  }

  fieldOf(slot: number): number {
    return (this.members[slot] ?? slot - this.members.length) >> 2
  }

  kindOf(slot: number): number {
    return (this.members[slot] ?? slot - this.members.length) & 3
  }

  last(slot: number): number {
    return (slot < this.members.length ? this.#memberLasts[slot] : this.#elementLasts[this.fieldOf(slot)]) ?? 0
  }

  setLast(slot: number, value: number): void {
    if (slot < this.members.length) this.#memberLasts[slot] = value
    else this.#elementLasts[this.fieldOf(slot)] = value
  }

  /** The shape with these members; -1 when it is new and there is no room. */
  shape(codes: ArrayLike<number>, from: number, to: number): number {
    let hash = to - from
    for (let at = from; at < to; at++) hash = Math.imul(hash ^ (codes[at] ?? 0), 0x9e3779b1) + (hash >>> 13) | 0
    const known = this.#shapesByHash.get(hash)
    const found = known?.find(shape => this.#hasMembers(shape, codes, from, to))
    if (found !== undefined) return found
    if (this.shapes === maxShapes || this.members.length + to - from > maxMembers) return -1
    for (let at = from; at < to; at++) this.members.push(codes[at] ?? 0)
    const shape = this.shapeStarts.push(this.members.length) - 2
    if (known) known.push(shape)
    else this.#shapesByHash.set(hash, [shape])
    return shape
  }

  #hasMembers(shape: number, codes: ArrayLike<number>, from: number, to: number): boolean {
    const start = this.shapeStarts[shape] ?? 0
    if ((this.shapeStarts[shape + 1] ?? 0) - start !== to - from) return false
    for (let at = from; at < to; at++) if (this.members[start + at - from] !== codes[at]) return false
    return true
  }

  /** Fields from number `fields` on into `text`, shapes from number `shapes` on into `main`. */
  writeDefinitions(main: ByteWriter, text: ByteWriter, fields: number, shapes: number): void {
    main.varint(this.fields - fields)
    for (let field = fields; field < this.fields; field++) this.#writeName(text, this.fieldName(field))
    main.varint(this.shapes - shapes)
    for (let shape = shapes; shape < this.shapes; shape++) {
      const [start, end] = [this.shapeStarts[shape] ?? 0, this.shapeStarts[shape + 1] ?? 0]
      main.varint(end - start)
      for (let at = start; at < end; at++) main.varint(this.members[at] ?? 0)
    }
  }

  /** Adds what `writeDefinitions` wrote. `text` must lie in the pool. Throws `FormatError`. */
  readDefinitions(main: ByteReader, text: TextReader): void {
    for (let left = main.varint('new fields', maxFields - this.fields); left > 0; left--) {
      const start = text.at
      const before = this.fields
      if (this.names.learn(fieldTag, start, text.next()) !== before) main.fail('a field that is no new one')
    }
    for (let left = main.varint('new shapes', maxShapes - this.shapes); left > 0; left--) {
      const count = main.varint('members', maxMembers - this.members.length)
      const codes = Array.from({ length: count }, () => main.varint('member', this.fields * 4 - 1))
      const before = this.shapes
      if (this.shape(codes, 0, count) !== before) main.fail('a shape that is no new one')
    }
  }

  /** Everything that the next block of the chain needs; at most about 1 MiB. */
  write(main: ByteWriter, text: ByteWriter): void {
    this.writeDefinitions(main, text, 1, 0)
    for (let field = 0; field < this.fields; field++) {
      const entries = this.names.of(stringTag(field))
      main.varint(entries.length)
      for (const entry of entries) this.#writeName(text, entry)
      main.varint(zigzag(this.fieldLasts[field] ?? 0))
      main.varint(zigzag(this.#elementLasts[field] ?? 0))
    }
    for (let slot = 0; slot < this.members.length; slot++) main.varint(zigzag(this.#memberLasts[slot] ?? 0))
  }

  /** Fills an empty model with what `write` wrote. Throws `FormatError`. */
  read(main: ByteReader, text: TextReader): void {
    this.readDefinitions(main, text)
    for (let field = 0; field < this.fields; field++) {
      for (let left = main.varint('strings', maxNames); left > 0; left--) {
        this.names.learn(stringTag(field), text.at, text.next())
      }
      this.fieldLasts[field] = unzigzag(main.varint('last number', mostZigzag))
      this.#elementLasts[field] = unzigzag(main.varint('last number', mostZigzag))
    }
    for (let slot = 0; slot < this.members.length; slot++) {
      this.#memberLasts[slot] = unzigzag(main.varint('last number', mostZigzag))
    }
  }

  #writeName(text: ByteWriter, entry: number): void {
    const { pool, starts, ends } = this.names
    text.bytes(pool.subarray(starts[entry], ends[entry]))
    text.byte(newline)
  }
}
