import type { Random } from '../../pack/mutate.ts'

const plainKeys = ['t', 'ts', 'id', 'x', 'y', 'kind', 'text', 'url', 'level', 'msg', 'data', 'user', 'a', 'b', 'c', '']
const oddKeys = ['a"b', 'a\\b', 'käse', '\u2028', 'a b', 'constructor', '__proto__', 'toString', 'length'].map(key => JSON.stringify(key).slice(1, -1))
const words = ['move', 'click', 'GET /index.html', '', 'ok', 'päper', '*****', '\\u0041', '\\/', '\\"', 'a\\nb', '\u{1F600}', '2026-11-23', '12']
const oddNumbers = [
  '-0', '0', '-1', '1e5', '1E+5', '-1.50', '1.0', '0.1', '-0.0', '-0.5', '0123', '1.', '1.2.3', '1-2', '9007199254740993', '123456789012345', '1234567890123456',
  '-999999999999999', '999999999999999.9', '12345678901234567890123', '0.000000000000001', '1706.7999999999302', '100', '3.140', '1e400', '5e-324',
]
const broken = [
  '', ' ', '{', '}', '[]', '{}', '[', ']', '"', '"\\', 'null', 'nul', 'true', '-', '+1', '01', '{"a"}', '{"a":}', '{"a":1,}', '[1,]', '{"a" :1}', '[ 1]', '\t{}',
  '{"a":1}}', '{"a":1} ', '{"a":1}\r', '{"a":1,"a":2}', '{"a":NaN}', '{a:1}', '[1 ,2]', '{"a":tru}', '#', '\u0000', '{"":{"":[[{"":[{}]}]]}}',
]

/** Values that one place of an event keeps taking, as text. */
type Column = () => string

function number(random: Random): Column {
  let value = random.pick([0, 5, 1_795_426_807_318, 1_795_426_807_318_123, -40, 999_999_999_999_990])
  const digits = random.pick([0, 0, 1, 2, 6])
  const isFixed = random.below(3) === 0
  const step = random.pick([1, 3, 100, 70_000])
  return () => {
    value += random.below(step * 2) - (random.below(3) === 0 ? step : 0)
    if (random.below(60) === 0) return random.pick(oddNumbers)
    return isFixed ? (value / 10 ** digits).toFixed(digits) : String(value / 10 ** digits)
  }
}

function text(random: Random): Column {
  const few = Array.from({ length: 1 + random.below(6) }, () => random.pick(words))
  const isFew = random.below(3) > 0
  return () => isFew ? `"${random.pick(few)}"` : `"${random.pick(words)}${random.below(1e6)}"`
}

function time(random: Random): Column {
  let at = 1_795_426_807_318 - random.below(1e9) * 1000
  const form = random.below(5)
  return () => {
    at += random.below(3000)
    const iso = new Date(at).toISOString()
    return `"${[iso, iso.replace('Z', '+00:00'), iso.slice(0, 19), iso.replace('T', ' ').replace('Z', '123'), iso.replace('Z', '+02:00')][form]}"`
  }
}

function value(random: Random, depth: number): Column {
  const kind = random.below(depth > 3 ? 7 : 10)
  if (kind < 3) return number(random)
  if (kind < 5) return text(random)
  if (kind === 5) return time(random)
  if (kind === 6) return () => random.pick(['true', 'false', 'null', '1', '"x"'])
  if (kind < 9) return object(random, depth + 1)
  const item = value(random, depth + 1)
  return () => `[${Array.from({ length: random.below(5) }, item).join(',')}]`
}

function object(random: Random, depth: number): Column {
  const members = Array.from({ length: random.below(6) }, () => {
    const key = random.below(12) === 0 ? random.pick(oddKeys) : random.pick(plainKeys)
    return [key, value(random, depth), random.below(4) === 0] as const
  })
  return () => {
    const shown = members.filter(([, , isOptional]) => !isOptional || random.below(2) === 0)
    return `{${shown.map(([key, next]) => `"${key}":${next()}`).join(',')}}`
  }
}

/** Lines of a few kinds of events, as a program writes them, with odd ones among them. */
export function generateLines(random: Random, count: number): Buffer {
  const events = Array.from({ length: 1 + random.below(4) }, () => object(random, 0))
  const isSpaced = random.below(4) === 0
  const eol = random.below(5) === 0 ? '\r\n' : '\n'
  const oddity = random.pick([4, 30, 1000])
  const lines = Array.from({ length: count }, () => {
    const odd = random.below(oddity)
    if (odd === 0) return Buffer.from(`${random.pick(broken)}${eol}`)
    if (odd === 1) return Buffer.concat([random.bytes(random.below(40)), Buffer.from(eol)])
    if (odd === 2) return Buffer.from(`${value(random, 2)()}${random.pick(['\n', '\r\n', '\n\n'])}`)
    if (odd === 3 && random.below(20) === 0) return Buffer.from(nested(random.pick([10, 255, 256, 511, 512, 513, 3000]), random) + eol)
    const line = random.pick(events)()
    return Buffer.from((isSpaced !== (odd === 3) ? line.replaceAll(',"', ', "').replaceAll('":', '": ') : line) + eol)
  })
  return Buffer.concat(lines)
}

function nested(depth: number, random: Random): string {
  const isArray = random.below(2) === 0
  return `${(isArray ? '[' : '{"a":').repeat(depth)}1${(isArray ? ']' : '}').repeat(depth)}`
}

/** The bytes in pieces, cut anywhere, now and then with one left out. */
export function cutAnywhere(random: Random, bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = []
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + random.below(bytes.length))
    if (random.below(8) > 0) pieces.push(bytes.subarray(at, end))
    at = end
  }
  return pieces
}
