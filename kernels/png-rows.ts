/**
 * The way from the filtered rows of a PNG to a picture as the codec works on it: filters undone (PNG specification, 9.2), pixels
 * as numbers, and a hash of each unit of 64 columns, row by row while each is at hand.
 */

/** Bytes are written so far before what is read: what is written beyond a pixel must not reach what is not read yet. */
const lead: usize = 16
/** Reading and writing go this far beyond a row. */
const slack: usize = 64
const unitColumns: i32 = 64
/** Columns of four units, which are hashed at once. */
const fourUnits: i32 = 4 * unitColumns

let columns: i32 = 0
let plane: usize = 0
let hashes: usize = 0

// @ts-ignore: decorator
@inline
function aligned(at: usize): usize {
  return (at + 15) & ~15
}

/** Where rows without filters will stand, without gaps. */
export function bytesAt(): usize {
  return aligned(__heap_base)
}

/** Where the filtered rows are to stand, a filter byte before each. */
export function filteredAt(): usize {
  return bytesAt() + lead
}

/** Numbers, a row of them after the other. */
export function planeAt(): usize {
  return plane
}

/** A hash for each unit, row by row. */
export function hashesAt(): usize {
  return hashes
}

/**
 * Says what comes: rows of `rowBytes`, with numbers made of `bytesPerColumn` each, or none where that is 0. Returns the bytes
 * of memory that it takes.
 */
export function begin(rowBytes: i32, height: i32, bytesPerColumn: i32): usize {
  columns = bytesPerColumn > 0 ? rowBytes / bytesPerColumn : 0
  plane = aligned(filteredAt() + <usize>(rowBytes + 1) * height + slack)
  hashes = aligned(plane + <usize>(4 * columns) * height + slack)
  return hashes + <usize>(4 * ((columns + unitColumns - 1) / unitColumns)) * height
}

/** Goes through the rows; false when one names a filter that does not exist. `distance`: bytes of a pixel. */
export function run(rowBytes: i32, height: i32, distance: i32, bytesPerColumn: i32): bool {
  let from = filteredAt()
  let to = bytesAt()
  let numbers = plane
  let hash = hashes
  for (let row = 0; row < height; row++) {
    const type = load<u8>(from++)
    if (type == 0) memory.copy(to, from, rowBytes)
    else if (type == 1) sub(from, to, rowBytes, distance)
    else if (type == 2) up(from, to, rowBytes, row == 0)
    else if (type == 3) average(from, to, rowBytes, distance, row == 0)
    else if (type != 4) return false
    else if (row == 0) sub(from, to, rowBytes, distance)
    else paeth(from, to, rowBytes, distance)
    if (bytesPerColumn > 0) {
      unpack(to, numbers, bytesPerColumn)
      hash = hashRow(numbers, hash)
      numbers += 4 * columns
    }
    from += rowBytes
    to += rowBytes
  }
  return true
}

function sub(from: usize, to: usize, bytes: i32, distance: i32): void {
  let left = i8x16.splat(0)
  // A pixel at a time; what is written beyond it, the next one writes again.
  for (let at = 0; at < bytes; at += distance) {
    left = i8x16.add(left, v128.load64_zero(from + at))
    v128.store_lane<u64>(to + at, left, 0)
  }
}

function up(from: usize, to: usize, bytes: i32, isFirst: bool): void {
  if (isFirst) return memory.copy(to, from, bytes)
  const above = to - bytes
  let at = 0
  // What lies above must not be overwritten while it is read.
  for (; at + 16 <= bytes; at += 16) v128.store(to + at, i8x16.add(v128.load(from + at), v128.load(above + at)))
  for (; at < bytes; at++) store<u8>(to + at, load<u8>(from + at) + load<u8>(above + at))
}

function average(from: usize, to: usize, bytes: i32, distance: i32, isFirst: bool): void {
  for (let at = 0; at < bytes; at++) {
    const left: u32 = at < distance ? 0 : load<u8>(to + at - distance)
    const above: u32 = isFirst ? 0 : load<u8>(to + at - bytes)
    store<u8>(to + at, load<u8>(from + at) + ((left + above) >> 1))
  }
}

/** All bytes of a pixel at once, as numbers of 16 bits. */
function paeth(from: usize, to: usize, bytes: i32, distance: i32): void {
  const above = to - bytes
  const low = i16x8.splat(0xff)
  let a = i16x8.splat(0)
  let c = i16x8.splat(0)
  for (let at = 0; at < bytes; at += distance) {
    const b = v128.load_ext<u8>(above + at)
    const fromC = i16x8.sub(b, c)
    const fromB = i16x8.sub(a, c)
    const toA = i16x8.abs(fromC)
    const toB = i16x8.abs(fromB)
    const toC = i16x8.abs(i16x8.add(fromC, fromB))
    const bOrC = v128.bitselect(b, c, i16x8.le_s(toB, toC))
    const predicted = v128.bitselect(a, bOrC, v128.and(i16x8.le_s(toA, toB), i16x8.le_s(toA, toC)))
    a = v128.and(i16x8.add(predicted, v128.load_ext<u8>(from + at)), low)
    v128.store_lane<u64>(to + at, i8x16.narrow_i16x8_u(a, a), 0)
    c = b
  }
}

/** The numbers of a row: their bytes, lowest first. */
function unpack(from: usize, to: usize, bytesPerColumn: i32): void {
  const end = to + 4 * columns
  if (bytesPerColumn == 4) return memory.copy(to, from, 4 * columns)
  if (bytesPerColumn == 3) {
    const places = i8x16(0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1)
    for (; to < end; to += 16, from += 12) v128.store(to, i8x16.swizzle(v128.load(from), places))
  } else if (bytesPerColumn == 2) {
    for (; to < end; to += 16, from += 8) v128.store(to, v128.load_ext<u16>(from))
  } else {
    for (; to < end; to += 4, from++) store<u32>(to, load<u8>(from))
  }
}

/** Returns where the hashes of the next row begin. */
function hashRow(from: usize, to: usize): usize {
  let column = 0
  for (; column + fourUnits <= columns; column += fourUnits, from += 4 * fourUnits, to += 16) hashFour(from, to)
  for (; column < columns; column += unitColumns, from += 4 * unitColumns, to += 4) store<u32>(to, hashOf(from, min(unitColumns, columns - column)))
  return to
}

/** As `hashOf` each of four units: their two chains side by side. */
function hashFour(from: usize, to: usize): void {
  const factors = i32x4(0x9e3779b1, 0x85ebca6b, 0x9e3779b1, 0x85ebca6b)
  const unitBytes: usize = 4 * unitColumns
  let a = i32x4(1, 2, 1, 2)
  let b = a
  for (const end = from + unitBytes; from < end; from += 8) {
    const ofA = v128.load64_lane(from + unitBytes, v128.load64_zero(from), 1)
    const ofB = v128.load64_lane(from + 3 * unitBytes, v128.load64_zero(from + 2 * unitBytes), 1)
    a = i32x4.mul(v128.xor(v128.xor(a, i32x4.shr_u(a, 15)), ofA), factors)
    b = i32x4.mul(v128.xor(v128.xor(b, i32x4.shr_u(b, 15)), ofB), factors)
  }
  store<u32>(to, joined(i32x4.extract_lane(a, 0), i32x4.extract_lane(a, 1)))
  store<u32>(to, joined(i32x4.extract_lane(a, 2), i32x4.extract_lane(a, 3)), 4)
  store<u32>(to, joined(i32x4.extract_lane(b, 0), i32x4.extract_lane(b, 1)), 8)
  store<u32>(to, joined(i32x4.extract_lane(b, 2), i32x4.extract_lane(b, 3)), 12)
}

function hashOf(from: usize, count: i32): u32 {
  let even: u32 = 1
  let odd: u32 = 2
  for (let left = count; left > 1; left -= 2, from += 8) {
    even = (even ^ (even >>> 15) ^ load<u32>(from)) * 0x9e3779b1
    odd = (odd ^ (odd >>> 15) ^ load<u32>(from, 4)) * 0x85ebca6b
  }
  if ((count & 1) != 0) odd ^= load<u32>(from)
  return joined(even, odd)
}

function joined(even: u32, odd: u32): u32 {
  const hash = (even ^ (even >>> 16) ^ ((odd ^ (odd >>> 16)) * 0x2c1b3c6d)) * 0x297a2d39
  return hash ^ (hash >>> 15)
}
