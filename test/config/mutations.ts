import { isMap, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Node, Pair, ParsedNode } from 'yaml'

/** A text that is wrong in one place, and the line of it. */
export interface Wrong {
  readonly what: string
  readonly text: string
  readonly line: number
}

/** A piece of a text, from where to where, and what takes its place. */
interface Change {
  readonly what: string
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Every text that is made from a valid one by one change that no config may have. */
export function wrongTexts(text: string): Wrong[] {
  return changesOf(text).map(({ what, from, to, text: piece }) => ({
    what, text: text.slice(0, from) + piece + text.slice(to), line: text.slice(0, from).split('\n').length,
  }))
}

function changesOf(text: string): Change[] {
  const changes: Change[] = []
  visit(parseDocument<ParsedNode, true>(text), {
    Pair: (_, pair) => { changes.push(...changesOfPair(pair as Pair<Node, Node>)) },
    Scalar: (key, node) => {
      if (key !== 'key' && node.range) changes.push(...changesOfValue(node.range[0], node.range[1]))
    },
  })
  return changes
}

function changesOfPair({ key, value }: Pair<Node, Node | null>): Change[] {
  const range = key.range
  if (!range || !isScalar(key)) return []
  const [from, to] = range
  const name = String(key.value)
  const renamed = [`${name}zz`, `zz${name}`, `"${name} "`, `__proto__`, `${name.toUpperCase()}`].filter((other) => other !== name)
    .map((other) => ({ what: `${name} is called ${other}`, from, to, text: other }))
  const [valueFrom, valueTo] = value?.range ?? [0, 0]
  const collections = isMap(value) || isSeq(value)
    ? ['x', '7', '""', '~', 'true', isMap(value) ? '[]' : '{}'].map((other) => ({
      what: `${name} is ${other}`, from: valueFrom, to: valueTo, text: `${other}${value.flow === true ? '' : '\n'}`,
    }))
    : []
  // A single item may stand for some lists.
  return [...renamed, ...collections.filter(({ text: other }) => !isSeq(value) || /^(""|~|\{\})/.test(other))]
}

function changesOfValue(from: number, to: number): Change[] {
  return ['{ zz: 1 }', '{}', '[[]]', '""', '~', '"\\u0000"', '!!binary aGk=', '*nothing'].map((text) => ({ what: `a value is ${text}`, from, to, text }))
}
