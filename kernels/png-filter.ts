/** Undoes the filters of a PNG's rows (PNG specification, 9.2), from one place in memory to another. */

/** Reading and writing go this far beyond a row: both places have so much room behind them. */
const slack: usize = 16

/** Bytes of memory that rows of `rowBytes` take, filtered and not. */
export function sizeFor(rowBytes: i32, height: i32): usize {
  return __heap_base + <usize>(rowBytes + 1) * height + slack + <usize>rowBytes * height + slack
}

/** Where the filtered rows begin, a filter byte before each. */
export function filteredAt(): usize {
  return __heap_base
}

/** Returns where the rows without filters begin, or 0 when a row names a filter that does not exist. `distance`: bytes of a pixel. */
export function unfilter(rowBytes: i32, height: i32, distance: i32): usize {
  const start = __heap_base + <usize>(rowBytes + 1) * height + slack
  let from = __heap_base
  let to = start
  for (let row = 0; row < height; row++) {
    const type = load<u8>(from++)
    if (type == 0) memory.copy(to, from, rowBytes)
    else if (type == 1) sub(from, to, rowBytes, distance)
    else if (type == 2) up(from, to, rowBytes, row == 0)
    else if (type == 3) average(from, to, rowBytes, distance, row == 0)
    else if (type != 4) return 0
    else if (row == 0) sub(from, to, rowBytes, distance)
    else paeth(from, to, rowBytes, distance)
    from += rowBytes
    to += rowBytes
  }
  return start
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
