import { isAlias, isMap, isScalar, isSeq } from 'yaml'
import type { Document, LineCounter, Node } from 'yaml'

import { maskAddress } from '../src/transfer/tus-address.ts'
import { maxProblems, printable } from './problem.ts'
import type { Problem } from './problem.ts'
import { maskIdentities } from './recipient.ts'
import type { ListOption, MapOption, Option, ReadingContext, ValueOption } from './schema.ts'
import { didYouMean } from './types.ts'

/** One effective value in words, and where it comes from. */
export interface Origin {
  readonly value: string
  /** `default` or `FILE:LINE`. */
  readonly from: string
}

/** Aliases followed in one file: enough to share a few rules, too few to unfold a bomb. */
const maxAliases = 32

type Found = Node | null | undefined

/**
 * Reads the nodes of one YAML document by the options table. Every problem is collected; a value with a problem is
 * undefined in the result, so the result counts only when `problems` is empty.
 */
export class Reader {
  readonly problems: Problem[] = []
  readonly origins = new Map<string, Origin>()
  /** Offset in the text of every value that was read, by key. */
  readonly #offsets = new Map<string, number>()
  readonly #document: Document
  readonly #lines: LineCounter
  readonly #file: string
  readonly #context: ReadingContext
  #aliases = 0

  constructor(document: Document, lines: LineCounter, file: string, context: ReadingContext) {
    this.#document = document
    this.#lines = lines
    this.#file = file
    this.#context = context
  }

  /** Adds a problem at the value of `key`, or where its nearest parent begins. */
  report(key: string, found: string, allowed: string, offset = this.#offsetOf(key)): void {
    if (this.problems.length === maxProblems) return
    const { line, col } = this.#lines.linePos(offset)
    this.problems.push({
      file: this.#file,
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      key: key || 'file',
      found,
      allowed,
    })
  }

  /**
   * The value of `option` in `node`. An absent node (undefined) gives the default, and a problem where one is required.
   */
  read(option: Option, node: Found, key: string): unknown {
    const target = this.#follow(node, key)
    if (target === 'refused') return undefined
    if (target?.range) this.#offsets.set(key, node?.range?.[0] ?? target.range[0])
    switch (option.kind) {
      case 'value': return target === undefined ? this.#defaultValue(option, key) : this.#readValue(option, target, key)
      case 'list': return target === undefined ? this.#defaultList(option, key) : this.#readList(option, target, key)
      case 'map': return this.#readMap(option, target, key)
    }
  }

  #readValue(option: ValueOption, node: Node | null, key: string): unknown {
    const isBoolean = isScalar(node) && typeof node.value === 'boolean'
    const text = isBoolean && option.type.takesBooleans ? String(node.value) : scalarText(node)
    const value = text === undefined ? undefined : option.type.parse(text, this.#context)
    if (text === undefined || value === undefined) {
      const hint = text === undefined ? undefined : option.type.hint?.(text)
      this.report(
        key,
        `found ${inWords(node)}`,
        `${hint === undefined ? '' : `${hint} `}allowed: ${option.type.allowed}`,
      )
      return undefined
    }
    this.origins.set(key, { value: option.type.show?.(value) ?? text, from: this.#placeOf(key) })
    return value
  }

  #defaultValue(option: ValueOption, key: string): unknown {
    if (option.optional) return undefined
    if (option.default === undefined) return this.#missing(key, option.type.allowed)
    const text = typeof option.default === 'string' ? option.default : option.default.text(this.#context)
    const value = option.type.parse(text, this.#context)
    if (value === undefined) {
      this.report(
        key,
        `the machine’s own value "${printable(text, 60)}" cannot be used`,
        `set it; allowed: ${option.type.allowed}`,
      )
    } else this.origins.set(key, { value: option.type.show?.(value) ?? text, from: 'default' })
    return value
  }

  #readList(option: ListOption, node: Node | null, key: string): unknown {
    if (option.single && isScalar(node) && node.value !== null) return [this.read(option.item, node, key)]
    if (!isSeq<Node | null>(node)) {
      this.report(key, `found ${inWords(node)}`, `allowed: a list${option.single ? ', or a single item' : ''}`)
      return undefined
    }
    if (node.items.length > option.max || (node.items.length === 0 && option.default !== 'none')) {
      this.report(key, `found ${node.items.length} items`, `allowed: 1 to ${option.max}`)
      return undefined
    }
    if (node.items.length === 0) this.origins.set(key, { value: 'none', from: this.#placeOf(key) })
    return node.items.map((item, index) => this.read(option.item, item, `${key}[${index}]`))
  }

  #defaultList(option: ListOption, key: string): unknown {
    if (option.optional) return undefined
    if (option.default === undefined) return this.#missing(key, `a list of 1 to ${option.max}`)
    if (option.default === 'none') {
      this.origins.set(key, { value: 'none', from: 'default' })
      return []
    }
    const { item } = option.default
    this.origins.set(key, { value: item, from: 'default' })
    return [option.item.kind === 'value' ? option.item.type.parse(item, this.#context) : undefined]
  }

  #readMap(option: MapOption, node: Found, key: string): unknown {
    if (node === undefined && option.optional) return undefined
    const entries = this.#entries(option, node, key)
    if (entries === undefined) return undefined
    const result: Record<string, unknown> = {}
    for (const [field, fieldOption] of Object.entries(option.fields)) {
      const value = this.read(fieldOption, entries.get(field), joinKey(key, field))
      if (value !== undefined) result[fieldOption.as ?? field] = value
    }
    return result
  }

  /** The known keys of a map with their nodes; everything else in it is reported. */
  #entries(option: MapOption, node: Found, key: string): Map<string, Node | null> | undefined {
    if (node === undefined) return new Map()
    const known = Object.keys(option.fields)
    if (!isMap<Node | null, Node | null>(node)) {
      this.report(key, `found ${inWords(node)}`, `allowed: a map of ${known.join(', ')}`)
      return undefined
    }
    const entries = new Map<string, Node | null>()
    const seen = new Set<string>()
    for (const pair of node.items) {
      const name = scalarText(pair.key)
      const at = pair.key?.range?.[0] ?? node.range?.[0]
      const path = joinKey(key, name === undefined ? '?' : printable(maskIdentities(name), 60))
      if (name !== undefined && seen.has(name)) this.report(path, 'found the same key twice', 'allowed: once', at)
      else if (name !== undefined && known.includes(name)) entries.set(name, this.#atKey(pair.value, path, at))
      else if (name !== undefined && option.later?.includes(name)) {
        this.report(path, 'not in this version', `allowed: ${known.join(', ')}`, at)
      } else this.report(path, 'found an unknown key', `${hintFor(name, known)}allowed: ${known.join(', ')}`, at)
      if (name !== undefined) seen.add(name)
    }
    return entries
  }

  /** Remembers where a key stands, for values that have no place of their own. */
  #atKey(node: Node | null | undefined, key: string, offset: number | undefined): Node | null {
    if (offset !== undefined) this.#offsets.set(key, offset)
    return node ?? null
  }

  #follow(node: Found, key: string): Found | 'refused' {
    if (!isAlias(node)) return node
    this.#aliases++
    const target = this.#aliases > maxAliases ? undefined : node.resolve(this.#document)
    if (target) return isAlias(target) ? this.#follow(target, key) : target
    this.report(
      key,
      this.#aliases > maxAliases ? `found more than ${maxAliases} aliases` : 'found an alias of nothing',
      'write the value out',
      node.range?.[0],
    )
    return 'refused'
  }

  #missing(key: string, allowed: string): undefined {
    this.report(key, 'missing', `allowed: ${allowed}`)
    return undefined
  }

  #offsetOf(key: string): number {
    for (let path = key; path !== ''; path = parentKey(path)) {
      const offset = this.#offsets.get(path)
      if (offset !== undefined) return offset
    }
    return this.#offsets.get('') ?? 0
  }

  #placeOf(key: string): string {
    return `${this.#file}:${this.#lines.linePos(this.#offsetOf(key)).line}`
  }
}

function hintFor(name: string | undefined, known: readonly string[]): string {
  const hint = name === undefined ? undefined : didYouMean(name, known)
  return hint === undefined ? '' : `${hint} `
}

/** The text of a string or number as it was written; undefined for everything else. */
function scalarText(node: unknown): string | undefined {
  if (!isScalar(node)) return undefined
  if (typeof node.value === 'string') return node.value
  return typeof node.value === 'number' ? node.source : undefined
}

function inWords(node: Node | null): string {
  if (isMap(node)) return 'a map'
  if (isSeq(node)) return 'a list'
  if (!isScalar(node) || node.value === null) return 'nothing'
  return `"${printable(maskIdentities(maskAddress(scalarText(node) ?? JSON.stringify(node.value))), 60)}"`
}

function joinKey(parent: string, field: string): string {
  return parent === '' ? field : `${parent}.${field}`
}

/** `streams[0].name` → `streams[0]` → `streams` → `` */
function parentKey(key: string): string {
  return key.replace(/(\.[^.[]*|\[\d+\]|^[^.[]*)$/, '')
}
