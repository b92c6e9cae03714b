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

/** One file of those that make a config together, later ones over earlier ones. */
export interface Source {
  readonly file: string
  readonly document: Document
  readonly lines: LineCounter
  readonly context: ReadingContext
  /** A file of IT's: it may hold keys that no other may. */
  readonly isPolicy: boolean
}

/** What stands in one file for a key. */
interface Layer {
  readonly source: Source
  readonly node: Node | null
  /** Where it stands, in characters. */
  readonly offset: number
  /** The key as this file has it: lists of several files are numbered through. */
  readonly key: string
}

/** Aliases followed in one file: enough to share a few rules, too few to unfold a bomb. */
const maxAliases = 32

/**
 * Reads the nodes of YAML documents by the options table: a value that several files give is the last one's, and each of them
 * is checked. Every problem is collected; a value with a problem is undefined in the result, so the result counts only when
 * `problems` is empty.
 */
export class Reader {
  readonly problems: Problem[] = []
  readonly origins = new Map<string, Origin>()
  /** Every value by its key, as it was read. */
  readonly values = new Map<string, unknown>()
  /** Where every key stands that was read. */
  #places = new Map<string, Layer>()
  readonly #aliases = new Map<Source, number>()
  readonly #sources: readonly [Source, ...Source[]]
  /** Nothing is required and there are no defaults: for a policy by itself. */
  readonly #isPartial: boolean
  /** What is being read counts for nothing but its problems, since another file has the last word. */
  #isOverridden = false

  constructor(sources: readonly [Source, ...Source[]], isPartial = false) {
    this.#sources = sources
    this.#isPartial = isPartial
  }

  /** The value of `option` in all files. A policy may be empty, or all comments. */
  readAll(option: MapOption): unknown {
    const layers = this.#sources.map((source) => {
      const { contents } = source.document
      return { source, node: contents, offset: contents?.range?.[0] ?? 0, key: '' }
    })
    return this.#read(option, layers.filter(({ source, node }) => !source.isPolicy || (isScalar(node) ? node.value : node) !== null), '')
  }

  /** Adds a problem at the value of `key`, or where its nearest parent begins. */
  report(key: string, found: string, allowed: string): void {
    for (let path = key; ; path = parentKey(path)) {
      const place = this.#places.get(path)
      if (place) return this.#refuse({ ...place, key: place.key + key.slice(path.length) }, found, allowed)
      if (path === '') return this.#refuse({ source: this.#sources[0], offset: 0, key }, found, allowed)
    }
  }

  /** The file that says what `key` is; undefined where none does. */
  fileOf(key: string): string | undefined {
    return this.#places.get(key)?.source.file
  }

  #refuse({ source, offset, key }: Omit<Layer, 'node'>, found: string, allowed: string): void {
    if (this.problems.length === maxProblems) return
    const { line, col } = source.lines.linePos(offset)
    this.problems.push({
      file: source.file, line: Math.max(line, 1), column: Math.max(col, 1), key: key || 'file', found, allowed,
    })
  }

  /** The value of `option` in these layers, the last of which counts most. None give the default, and a problem where one is required. */
  #read(option: Option, written: readonly Layer[], key: string): unknown {
    const layers = written.map((layer) => this.#follow(layer)).filter((layer) => layer !== undefined)
    if (written.length > 0 && layers.length === 0) return undefined
    switch (option.kind) {
      case 'value': return this.#lastOf(layers, key, (layer) => this.#readValue(option, layer, key)) ?? (layers.length > 0 ? undefined : this.#defaultValue(option, key))
      case 'list': return layers.length > 0 ? this.#readLists(option, layers, key) : this.#defaultList(option, key)
      case 'map': return this.#readMap(option, layers, key)
    }
  }

  /** What the last layer says; what those before it say is checked as well. */
  #lastOf(layers: readonly Layer[], key: string, read: (layer: Layer) => unknown): unknown {
    const last = layers.at(-1)
    for (const layer of layers.slice(0, -1)) this.#readOverridden(layer, key, read)
    if (last) this.#places.set(key, last)
    return last && read(last)
  }

  #readOverridden(layer: Layer, key: string, read: (layer: Layer) => unknown): void {
    const [places, isOverridden] = [this.#places, this.#isOverridden]
    this.#places = new Map(places).set(key, layer)
    this.#isOverridden = true
    read(layer)
    this.#places = places
    this.#isOverridden = isOverridden
  }

  #readValue(option: ValueOption, layer: Layer, key: string): unknown {
    const { node, source } = layer
    const isBoolean = isScalar(node) && typeof node.value === 'boolean'
    const text = isBoolean && option.type.takesBooleans ? String(node.value) : scalarText(node)
    const value = text === undefined ? undefined : option.type.parse(text, source.context)
    if (text === undefined || value === undefined) {
      const hint = text === undefined ? undefined : option.type.hint?.(text)
      this.#refuse(layer, `found ${inWords(node)}`, `${hint === undefined ? '' : `${hint} `}allowed: ${option.type.allowed}`)
      return undefined
    }
    this.#note(key, value, option.type.show?.(value) ?? text, this.#lineOf(layer))
    return value
  }

  #defaultValue(option: ValueOption, key: string): unknown {
    if (option.optional || this.#isPartial) return undefined
    if (option.default === undefined) return this.#missing(key, option.type.allowed)
    const { context } = this.#sources[0]
    const text = typeof option.default === 'string' ? option.default : option.default.text(context)
    const value = option.type.parse(text, context)
    if (value === undefined) {
      this.report(
        key,
        `the machine’s own value "${printable(text, 60)}" cannot be used`,
        `set it; allowed: ${option.type.allowed}`,
      )
    } else this.#note(key, value, option.type.show?.(value) ?? text, 'default')
    return value
  }

  #readLists(option: ListOption, layers: readonly Layer[], key: string): unknown {
    if (option.merge === undefined) {
      return this.#lastOf(layers, key, (layer) => this.#readItems(option, this.#itemsOf(option, layer)?.map((item) => [item]), layers, key))
    }
    if (layers[0]) this.#places.set(key, layers[0])
    const lists = layers.map((layer) => this.#itemsOf(option, layer))
    const items = lists.flatMap((list) => list?.map((item) => this.#follow(item)))
    if (!items.every((item) => item !== undefined)) return undefined
    return this.#readItems(option, merged(option, items), layers, key)
  }

  /** Each item in all the files that have it. */
  #readItems(option: ListOption, items: readonly (readonly Layer[])[] | undefined, layers: readonly Layer[], key: string): unknown {
    const last = layers.at(-1)
    if (items === undefined || !last) return undefined
    if (items.length > option.max) {
      this.#refuse(last, `found ${items.length} items, with those of other files`, `allowed: 1 to ${option.max} in all`)
      return undefined
    }
    if (items.length === 0) this.#note(key, [], 'none', this.#lineOf(last))
    // A single item that stands for a list has the list’s key.
    return items.map((item, index) => this.#read(option.item, item, item[0]?.key === last.key ? key : `${key}[${index}]`))
  }

  /** The items of one file's list. */
  #itemsOf(option: ListOption, layer: Layer): Layer[] | undefined {
    const { node } = layer
    if (option.single && isScalar(node) && node.value !== null) return [layer]
    if (!isSeq<Node | null>(node)) {
      this.#refuse(layer, `found ${inWords(node)}`, `allowed: a list${option.single ? ', or a single item' : ''}`)
      return undefined
    }
    if (node.items.length > option.max || (node.items.length === 0 && option.default !== 'none')) {
      this.#refuse(layer, `found ${node.items.length} items`, `allowed: 1 to ${option.max}`)
      return undefined
    }
    return node.items.map((item, index) => ({
      source: layer.source, node: item, offset: item?.range?.[0] ?? layer.offset, key: `${layer.key}[${index}]`,
    }))
  }

  #defaultList(option: ListOption, key: string): unknown {
    if (option.optional || this.#isPartial) return undefined
    if (option.default === undefined) return this.#missing(key, `a list of 1 to ${option.max}`)
    if (option.default === 'none') {
      this.#note(key, [], 'none', 'default')
      return []
    }
    const { item } = option.default
    this.#note(key, item, item, 'default')
    return [option.item.kind === 'value' ? option.item.type.parse(item, this.#sources[0].context) : undefined]
  }

  #readMap(option: MapOption, layers: readonly Layer[], key: string): unknown {
    if (layers.length === 0 && (option.optional || this.#isPartial)) return undefined
    const all = layers.map((layer) => this.#entries(option, layer))
    if (all.includes(undefined)) return undefined
    if (layers[0]) this.#places.set(key, layers[0])
    const result: Record<string, unknown> = {}
    for (const [field, fieldOption] of Object.entries(option.fields)) {
      const value = this.#read(fieldOption, all.flatMap((entries) => entries?.get(field) ?? []), joinKey(key, field))
      if (value !== undefined) result[fieldOption.as ?? field] = value
    }
    return result
  }

  /** The known keys of one file's map with what stands there; everything else in it is reported. */
  #entries(option: MapOption, layer: Layer): Map<string, Layer> | undefined {
    const { node, source } = layer
    const known = Object.keys(option.fields).filter((field) => source.isPolicy || !option.fields[field]?.policyOnly)
    if (!isMap<Node | null, Node | null>(node)) {
      this.#refuse(layer, `found ${inWords(node)}`, `allowed: a map of ${known.join(', ')}`)
      return undefined
    }
    const entries = new Map<string, Layer>()
    const seen = new Set<string>()
    for (const pair of node.items) {
      const name = scalarText(pair.key)
      const offset = pair.key?.range?.[0] ?? node.range?.[0] ?? layer.offset
      const key = joinKey(layer.key, name === undefined ? '?' : printable(maskIdentities(name), 60))
      const at = { source, offset, key }
      if (name !== undefined && seen.has(name)) this.#refuse(at, 'found the same key twice', 'allowed: once')
      else if (name !== undefined && known.includes(name)) {
        entries.set(name, { source, node: pair.value ?? null, offset: pair.value?.range?.[0] ?? offset, key })
      } else this.#refuseKey(option, at, name, known)
      if (name !== undefined) seen.add(name)
    }
    return entries
  }

  #refuseKey(option: MapOption, at: Omit<Layer, 'node'>, name: string | undefined, known: readonly string[]): void {
    const allowed = `allowed: ${known.join(', ')}`
    if (name !== undefined && option.later?.includes(name)) this.#refuse(at, 'not in this version', allowed)
    else if (name !== undefined && Object.hasOwn(option.fields, name)) this.#refuse(at, 'found a key of policies', `allowed here: ${known.join(', ')}`)
    else this.#refuse(at, 'found an unknown key', `${hintFor(name, known)}${allowed}`)
  }

  #follow(layer: Layer): Layer | undefined {
    const { node, source } = layer
    if (!isAlias(node)) return layer
    const aliases = (this.#aliases.get(source) ?? 0) + 1
    this.#aliases.set(source, aliases)
    const target = aliases > maxAliases ? undefined : node.resolve(source.document)
    if (target) return this.#follow({ ...layer, node: target })
    this.#refuse(
      { ...layer, offset: node.range?.[0] ?? layer.offset },
      aliases > maxAliases ? `found more than ${maxAliases} aliases` : 'found an alias of nothing',
      'write the value out',
    )
    return undefined
  }

  #missing(key: string, allowed: string): undefined {
    this.report(key, 'missing', `allowed: ${allowed}`)
    return undefined
  }

  #note(key: string, value: unknown, text: string, from: string): void {
    if (this.#isOverridden) return
    this.values.set(key, value)
    this.origins.set(key, { value: text, from })
  }

  #lineOf({ source, offset }: Layer): string {
    return `${source.file}:${source.lines.linePos(offset).line}`
  }
}

/** The items of all files, those that are one together. An item that has no name is one of its own. */
function merged({ merge }: ListOption, items: readonly Layer[]): readonly (readonly Layer[])[] {
  if (typeof merge !== 'object') return items.map((item) => [item])
  const groups: { readonly name: string | undefined; readonly layers: Layer[] }[] = []
  for (const item of items) {
    const { node } = item
    const name = isMap<Node, Node>(node) ? scalarText(node.items.find((pair) => scalarText(pair.key) === merge.by)?.value) : undefined
    const group = name === undefined ? undefined : groups.find((each) => each.name === name && each.layers.at(-1)?.source !== item.source)
    if (group) group.layers.push(item)
    else groups.push({ name, layers: [item] })
  }
  return groups.map(({ layers }) => layers)
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
