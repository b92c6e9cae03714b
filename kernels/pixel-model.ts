/**
 * The model of `fidelity: pixels` (docs/format.md, *Frames*): codes pixels one by one, each given those left of it and
 * above. Screens are text and lines, so most pixels are what followed the same neighbours before: that is asked first, for
 * six neighbours, then four, then two; then whether the pixel is one of its neighbours. What is left is a colour that is
 * new at this place. The same calls with a decoder give the pixels back.
 *
 * Memory: tables at fixed places, then three memories of contexts, the plane of pixels, and the code to decode; what is
 * encoded goes out through `take` in pieces.
 */
import { adaptiveBit, beginCode, codeEnd, mixedBit } from './bit-coder'

export { beginDecoding, finish, fixed, init, isAtEnd, outAt } from './bit-coder'

// Adaptive probabilities: 16 bits that are 0 when even, and above them how many decisions were seen.
const adaptive: usize = codeEnd
const flat: usize = adaptive
const bySix: usize = flat + 4 * 64
const byFour: usize = bySix + 4 * 256
const byTwo: usize = byFour + 4 * 256
const byNeighbour: usize = byTwo + 4 * 256
const known: usize = byNeighbour + 4 * 32
const residuals: usize = known + 4 * 64
const byFrequency: usize = residuals + 4 * 1536
const byEdge: usize = byFrequency + 4 * 256
const byPrediction: usize = byEdge + 4 * 65536
// The last colour with a lead byte: to the right of another (pairs), and anywhere (leads); then how often in a row.
const pairs: usize = byPrediction + 4 * 65536
const leads: usize = pairs + 4 * 65536
const pairTrusts: usize = leads + 4 * 256
const leadTrusts: usize = pairTrusts + 65536
const adaptiveEnd: usize = leadTrusts + 256
const weights: usize = adaptiveEnd // i32 × 3 × 256
/** Where the memories begin, 8 bytes an entry. */
const memories: usize = (weights + 4 * 3 * 256 + 63) & ~63

/** Trust above this makes no difference to the probability that a guess is right. */
const mostTrust: u32 = 31
/** A flat run longer than this is as sure to go on as it will ever be. */
const longestRun: u32 = 31

let six: usize = 0
let four: usize = 0
let two: usize = 0
let memoryShift: u32 = 0
let plane: usize = 0

let flatRun: u32 = 0
let refusals: u32 = 0
/** What the pixel at hand was asked to be and is not: eight at most, before the tables. */
const refused: usize = 64

// Where the bytes of a pixel stand in its number; first the one that says most about the others.
let lead: u32 = 0
let others: i32 = 0
let shiftA: u32 = 0
let shiftB: u32 = 0
let shiftC: u32 = 0

/** Bytes of memory for a plane of `pixels`, memories of 2^bits contexts, and code of `codeBytes`; 0 bits for no model. */
export function sizeFor(pixels: i32, bits: i32, codeBytes: i32): usize {
  return memories + (bits > 0 ? 24 << bits : 0) + 4 * pixels + codeBytes
}

/**
 * Begins a picture. `bits`: as for `sizeFor`, whose bytes are there. Returns where the plane begins; the code to decode
 * begins behind it.
 */
export function begin(pixels: i32, bits: i32, bytesPerColumn: i32, codeBytes: i32): usize {
  memory.fill(adaptive, 0, adaptiveEnd - adaptive)
  for (let at = weights; at < weights + 4 * 3 * 256; at += 4) store<i32>(at, 26214) // 0.4 each
  const size: usize = bits > 0 ? 8 << bits : 0
  memory.fill(memories, 0, 3 * size)
  six = memories
  four = six + size
  two = four + size
  memoryShift = 32 - bits
  plane = two + size
  lead = bytesPerColumn >= 3 ? 8 : 0
  others = bytesPerColumn - 1
  shiftA = bytesPerColumn >= 3 ? 0 : 8
  shiftB = 16
  shiftC = 24
  flatRun = 0
  beginCode(plane + 4 * pixels, codeBytes)
  return plane
}

/** Codes the pixels from index `from` to `to` of the plane, within one row of `columns`; a decoder writes them. */
export function span(columns: u32, from: u32, to: u32): void {
  const column = from % columns
  const isFirstRow = from < columns
  const rowEnd = from - column + columns
  const row = 4 * columns
  let at = plane + 4 * from
  let west = column > 0 ? load<u32>(at - 4) : 0
  let westWest = column > 1 ? load<u32>(at - 8) : west
  let north = isFirstRow ? 0 : load<u32>(at - row)
  let northWest = isFirstRow || column == 0 ? north : load<u32>(at - row - 4)
  for (let index = from; index < to; index++, at += 4) {
    const northEast = isFirstRow || index + 1 == rowEnd ? north : load<u32>(at - row + 4)
    const northNorth = index < 2 * columns ? north : load<u32>(at - 2 * row)
    const pixel = codePixel(load<u32>(at), west, north, northWest, northEast, westWest, northNorth)
    store<u32>(at, pixel)
    westWest = west
    west = pixel
    northWest = north
    north = northEast
  }
}

/**
 * Shows the memories a run of a picture that both sides have. What is beside a row's ends does not matter here: both
 * sides see the same.
 */
export function learn(columns: u32, from: u32, to: u32): void {
  const row = 4 * columns
  for (let index = max(from, 2 * columns + 2); index < to; index++) {
    const at = plane + 4 * index
    const pixel = load<u32>(at)
    const west = load<u32>(at - 4)
    const north = load<u32>(at - row)
    const northWest = load<u32>(at - row - 4)
    const northEast = load<u32>(at - row + 4)
    if (west == pixel && north == pixel && northWest == pixel && northEast == pixel) continue
    const sumTwo = sumOfTwo(west, north)
    const sumFour = sumTwo + sumOfNextTwo(northWest, northEast)
    const sumSix = sumFour + sumOfLastTwo(load<u32>(at - 8), load<u32>(at - 2 * row))
    learnAll(hashOf(sumSix), hashOf(sumFour), hashOf(sumTwo), pixel)
  }
}

function codePixel(pixel: u32, west: u32, north: u32, northWest: u32, northEast: u32, westWest: u32, northNorth: u32): u32 {
  refusals = 0
  if (west == north && north == northWest && north == northEast && west == westWest) {
    if (flatRun < longestRun) flatRun++
    if (isPixel(flat + 4 * (flatRun * 2 + <u32>(northNorth == north)), west, pixel)) return west
  }
  flatRun = 0
  const sumTwo = sumOfTwo(west, north)
  const sumFour = sumTwo + sumOfNextTwo(northWest, northEast)
  const hashSix = hashOf(sumFour + sumOfLastTwo(westWest, northNorth))
  if (remembers(six, bySix, hashSix, west, north, pixel)) {
    const guess = load<u32>(slotOf(six, hashSix))
    learnIn(six, hashSix, guess)
    return guess
  }
  const hashFour = hashOf(sumFour)
  if (remembers(four, byFour, hashFour, west, north, pixel)) {
    const guess = load<u32>(slotOf(four, hashFour))
    learnIn(six, hashSix, guess)
    learnIn(four, hashFour, guess)
    return guess
  }
  const hashTwo = hashOf(sumTwo)
  let result: u32
  if (remembers(two, byTwo, hashTwo, west, north, pixel)) result = load<u32>(slotOf(two, hashTwo))
  else if (isPixel(byNeighbour + 4 * refusals, north, pixel)) result = north
  else if (isPixel(byNeighbour + 4 * (8 + refusals), west, pixel)) result = west
  else if (isPixel(byNeighbour + 4 * (16 + refusals), northEast, pixel)) result = northEast
  else if (isPixel(byNeighbour + 4 * (24 + refusals), northWest, pixel)) result = northWest
  else result = codeColor(pixel, west, north, northWest)
  learnAll(hashSix, hashFour, hashTwo, result)
  return result
}

/** Only as far down as it is news: what six neighbours foretell is not asked of four. */
function learnAll(hashSix: u32, hashFour: u32, hashTwo: u32, pixel: u32): void {
  if (learnIn(six, hashSix, pixel)) return
  if (learnIn(four, hashFour, pixel)) return
  learnIn(two, hashTwo, pixel)
}

// A memory: for each context (a hash) the pixel that followed it, and 24 bits of the hash ‖ how far that is to be trusted.

// @ts-ignore: decorator
@inline
function slotOf(contexts: usize, hash: u32): usize {
  return contexts + 8 * (hash >>> memoryShift)
}

/** Whether that was the guess already. Contexts that share a slot take it from each other once its trust is used up. */
function learnIn(contexts: usize, hash: u32, pixel: u32): bool {
  const slot = slotOf(contexts, hash)
  const entry = load<u32>(slot, 4)
  const trust = entry & 0xff
  if (trust > 0 && ((entry ^ (hash << 8)) & 0xffffff00) == 0 && load<u32>(slot) == pixel) {
    if (trust < 255) store<u32>(slot, entry + 1, 4)
    return true
  }
  if (trust > 1) {
    store<u32>(slot, entry - trust + (trust >> 1), 4)
  } else {
    store<u32>(slot, pixel)
    store<u32>(slot, (hash << 8) | 1, 4)
  }
  return false
}

/** Whether the memory has a guess for this context that was not refused, and the pixel is it. */
function remembers(contexts: usize, table: usize, hash: u32, west: u32, north: u32, pixel: u32): bool {
  const slot = slotOf(contexts, hash)
  const entry = load<u32>(slot, 4)
  const trust = entry & 0xff
  if (trust == 0 || ((entry ^ (hash << 8)) & 0xffffff00) != 0) return false
  const guess = load<u32>(slot)
  const like = (<u32>(guess == west) << 1) + <u32>(guess == north)
  const context = min(trust, mostTrust) * 8 + (<u32>(refusals > 0) << 2) + like
  return isPixel(table + 4 * context, guess, pixel)
}

/** Codes whether the pixel is `guess`, unless that was refused already. */
function isPixel(probability: usize, guess: u32, pixel: u32): bool {
  for (let index: u32 = 0; index < refusals; index++) if (load<u32>(refused + 4 * index) == guess) return false
  if (adaptiveBit(probability, <u32>(pixel == guess)) != 0) return true
  store<u32>(refused + 4 * refusals++, guess)
  return false
}

/** A colour that nothing at its place foretold: the lead byte with three opinions, mixed; the others as they were with it last, or by difference. */
function codeColor(pixel: u32, west: u32, north: u32, northWest: u32): u32 {
  const w = (west >>> lead) & 0xff
  const byte = codeLead((pixel >>> lead) & 0xff, w, (north >>> lead) & 0xff, (northWest >>> lead) & 0xff)
  if (others == 0) return byte
  const pair = (w << 8) | byte
  let result: u32
  if (isRecent(pairs, pairTrusts, pair, known, pixel)) result = load<u32>(pairs + 4 * pair)
  else if (isRecent(leads, leadTrusts, byte, known + 4 * 32, pixel)) result = load<u32>(leads + 4 * byte)
  else result = codeOthers(pixel, west, byte, (byte - w) & 0xff)
  learnRecent(pairs, pairTrusts, pair, result)
  learnRecent(leads, leadTrusts, byte, result)
  return result
}

function codeLead(wanted: u32, w: u32, n: u32, nw: u32): u32 {
  const edge = byEdge + 4 * 256 * ((w >> 4) * 16 + (n >> 4))
  const prediction = byPrediction + 4 * 256 * gradient(w, n, nw)
  let node: u32 = 1
  for (let bit: i32 = 7; bit >= 0; bit--) {
    const at = 4 * node
    node = node * 2 + mixedBit(weights + 12 * node, edge + at, prediction + at, byFrequency + at, (wanted >> bit) & 1)
  }
  return node & 0xff
}

function isRecent(pixels: usize, trusts: usize, at: u32, table: usize, pixel: u32): bool {
  const trust: u32 = load<u8>(trusts + at)
  if (trust == 0) return false
  return adaptiveBit(table + 4 * min(trust, 31), <u32>(pixel == load<u32>(pixels + 4 * at))) != 0
}

function learnRecent(pixels: usize, trusts: usize, at: u32, pixel: u32): void {
  const trust: u32 = load<u8>(trusts + at)
  if (trust > 0 && load<u32>(pixels + 4 * at) == pixel) {
    if (trust < 255) store<u8>(trusts + at, trust + 1)
  } else if (trust > 1) {
    store<u8>(trusts + at, trust >> 1)
  } else {
    store<u32>(pixels + 4 * at, pixel)
    store<u8>(trusts + at, 1)
  }
}

/** Greys and their like: what the lead byte changed by, the others mostly do, too. */
function codeOthers(pixel: u32, west: u32, byte: u32, change: u32): u32 {
  let result = byte << lead
  let isLike: u32 = 0
  for (let index: i32 = 0; index < others; index++) {
    const shift = index == 0 ? shiftA : index == 1 ? shiftB : shiftC
    const expected = (((west >>> shift) & 0xff) + change) & 0xff
    const wanted = (((pixel >>> shift) & 0xff) - expected) & 0xff
    const base = residuals + 4 * 256 * (index * 2 + isLike)
    let node: u32 = 1
    for (let bit: i32 = 7; bit >= 0; bit--) node = node * 2 + adaptiveBit(base + 4 * node, (wanted >> bit) & 1)
    isLike = <u32>(node == 256)
    result |= ((node + expected) & 0xff) << shift
  }
  return result
}

/** The median edge predictor of LOCO-I (Weinberger, Seroussi, Sapiro 2000): the lesser, the greater, or the plane through all three. */
function gradient(west: i32, north: i32, northWest: i32): i32 {
  const least = min(west, north)
  const most = max(west, north)
  return northWest >= most ? least : northWest <= least ? most : west + north - northWest
}

// Sums modulo 2^32: each neighbour times an odd number of its own. Shared, so that six cost hardly more than two.

// @ts-ignore: decorator
@inline
function sumOfTwo(west: u32, north: u32): u32 {
  return west * 0x9e3779b1 + north * 0x85ebca6b
}

// @ts-ignore: decorator
@inline
function sumOfNextTwo(northWest: u32, northEast: u32): u32 {
  return northWest * 0xc2b2ae35 + northEast * 0x27d4eb2f
}

// @ts-ignore: decorator
@inline
function sumOfLastTwo(westWest: u32, northNorth: u32): u32 {
  return westWest * 0x165667b1 + northNorth * 0x2c1b3c6d
}

/** A sum so mixed that its high bits tell contexts apart. */
// @ts-ignore: decorator
@inline
function hashOf(sum: u32): u32 {
  const hash = (sum ^ (sum >>> 15)) * 0x2c1b3c6d
  return hash ^ (hash >>> 13)
}
