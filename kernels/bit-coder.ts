/**
 * Binary arithmetic coding with adaptive probabilities: the coder of a decision takes the probability that it is 1, in
 * 65536ths. Integers only, so that every machine computes the same.
 */

/** Hands over the first bytes of `out`. */
@external('host', 'take')
declare function take(bytes: i32): void
/** The code to decode ended before the picture did: does not return. */
@external('host', 'cutShort')
declare function cutShort(): void

// Tables of constants.
const squashes: usize = 1024 // u16 × 4096
const stretches: usize = squashes + 2 * 4096 // i16 × 4096
const steps: usize = stretches + 2 * 4096 // i32 × 61
/** Encoded bytes that were not taken yet. */
const out: usize = steps + 4 * 64
const outBytes: i32 = 16384

/** Where memory is free of what this file keeps there. */
export const codeEnd: usize = out + outBytes

/** After so many decisions a probability follows new ones no more slowly: screens change as one scans them. */
const slowest: u32 = 60
/** No decision is ever sure: what was thought impossible costs 11 bits. */
const leastProbability: i32 = 32
const mostProbability: i32 = 65536 - leastProbability
/** How far a decoder reads ahead of what it has decoded. */
const lookAhead: usize = 4

let isDecoding = false
let low: u32 = 0
let high: u32 = 0xffffffff
let value: u32 = 0
let written: i32 = 0
let next: usize = 0
let end: usize = 0

/** 4096 / (1 + e^(−x / 256)) for x from −2048 in steps of 128: what a sum of opinions means as a probability. */
const squashPoints = memory.data<u16>([
  1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976, 4022, 4051, 4069,
  4079, 4086, 4090, 4092, 4094, 4095,
])

/** Where `out` begins. */
export function outAt(): usize {
  return out
}

/** Fills the tables of constants; once. */
export function init(): void {
  for (let index: u32 = 0; index < 4096; index++) {
    const at = squashPoints + 2 * (index >> 7)
    const part = index & 127
    store<u16>(squashes + 2 * index, ((<u32>load<u16>(at) * (128 - part) + <u32>load<u16>(at, 2) * part + 64) >> 7))
  }
  // The inverse: for each probability in 4096ths the least x that means at least it.
  let x: i32 = 0
  for (let probability: i32 = 0; probability < 4096; probability++) {
    while (x < 4096 && <i32>load<u16>(squashes + 2 * x) < probability) x++
    store<i16>(stretches + 2 * probability, x < 4096 ? x - 2048 : 2047)
  }
  for (let seen: i32 = 0; seen <= <i32>slowest; seen++) store<i32>(steps + 4 * seen, 327680 / (10 * seen + 16))
}

/** Begins a code. To decode one, it is told where that stands; then comes `beginDecoding`. */
export function beginCode(from: usize, bytes: usize): void {
  low = 0
  high = 0xffffffff
  written = 0
  isDecoding = false
  next = from
  end = from + bytes
}

/** From here on decodes. Throws as `cutShort`. */
export function beginDecoding(): void {
  isDecoding = true
  value = 0
  for (let count = 0; count < 4; count++) value = (value << 8) | read()
}

/** Hands over what is left of the code: as few bytes as tell `low` from `high`, for a decoder takes missing ones for zeros. */
export function finish(): void {
  if (low > 0) write((low >>> 24) + 1)
  take(written)
  written = 0
}

/** Whether every byte was needed. */
export function isAtEnd(): bool {
  return next >= end + lookAhead - 1
}

/** Codes one decision with a probability in 65536ths that it is 1. The encoder takes `bit`, the decoder ignores it; both return it. */
export function fixed(probability: u32, bit: u32): u32 {
  const middle = low + <u32>((<u64>(high - low) * probability) >> 16)
  if (isDecoding) bit = value <= middle ? 1 : 0
  if (bit != 0) high = middle
  else low = middle + 1
  while (((low ^ high) & 0xff000000) == 0) {
    if (isDecoding) value = (value << 8) | read()
    else write(high >>> 24)
    low <<= 8
    high = (high << 8) | 0xff
  }
  return bit
}

function read(): u32 {
  if (next < end) return load<u8>(next++)
  if (next++ >= end + lookAhead) cutShort()
  return 0
}

function write(byte: u32): void {
  store<u8>(out + written, byte)
  if (++written < outBytes) return
  take(written)
  written = 0
}

// @ts-ignore: decorator
@inline
function probabilityOf(at: usize): u32 {
  return <u32>load<u16>(at) ^ 0x8000
}

// @ts-ignore: decorator
@inline
function adapt(at: usize, bit: u32): void {
  const entry = load<u32>(at)
  const old: i32 = (entry & 0xffff) ^ 0x8000
  const seen = entry >>> 16
  const step = load<i32>(steps + 4 * seen)
  const next: i32 = bit != 0 ? old + (((65535 - old) * step) >> 15) : old - ((old * step) >> 15)
  const bounded: i32 = max(leastProbability, min(mostProbability, next))
  store<u32>(at, (bounded ^ 0x8000) | ((seen + <u32>(seen < slowest)) << 16))
}

// @ts-ignore: decorator
@inline
export function adaptiveBit(at: usize, bit: u32): u32 {
  const coded = fixed(probabilityOf(at), bit)
  adapt(at, coded)
  return coded
}

/** Mixes three opinions into one, and learns by three weights which of them to believe. */
// @ts-ignore: decorator
@inline
export function mixedBit(weight: usize, a: usize, b: usize, c: usize, wanted: u32): u32 {
  const ofA: i32 = load<i16>(stretches + 2 * (probabilityOf(a) >> 4))
  const ofB: i32 = load<i16>(stretches + 2 * (probabilityOf(b) >> 4))
  const ofC: i32 = load<i16>(stretches + 2 * (probabilityOf(c) >> 4))
  const weightA = load<i32>(weight)
  const weightB = load<i32>(weight, 4)
  const weightC = load<i32>(weight, 8)
  const sum = <i32>((<i64>weightA * ofA + <i64>weightB * ofB + <i64>weightC * ofC) / 65536)
  const probability: i32 = load<u16>(squashes + 2 * (max(-2048, min(2047, sum)) + 2048))
  const bit = fixed(probability << 4, wanted)
  const error = ((<i32>bit << 12) - probability) * 6
  store<i32>(weight, weightA + ((ofA * error + 0x8000) >> 16))
  store<i32>(weight, weightB + ((ofB * error + 0x8000) >> 16), 4)
  store<i32>(weight, weightC + ((ofC * error + 0x8000) >> 16), 8)
  adapt(a, bit)
  adapt(b, bit)
  adapt(c, bit)
  return bit
}

