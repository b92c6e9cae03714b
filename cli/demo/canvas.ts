import { type Glyph, glyphOf, lineRows } from './font.ts'

/** `0xRRGGBB` */
export type Color = number

export interface Point {
  readonly x: number
  readonly y: number
}

/** Pixels from the top left corner. */
export interface Rect extends Point {
  readonly width: number
  readonly height: number
}

/** Eight-bit RGB, rows from the top, no padding. */
export interface Canvas {
  readonly width: number
  readonly height: number
  readonly pixels: Uint8Array
}

export interface TextStyle {
  readonly color: Color
  /** Screen pixels per font pixel; fractions are smoothed. */
  readonly scale: number
  readonly bold?: boolean
}

export function createCanvas(width: number, height: number): Canvas {
  return { width, height, pixels: new Uint8Array(width * height * 3) }
}

/** Whether `point` lies on `rect`. */
export function inside(rect: Rect, point: Point): boolean {
  return point.x >= rect.x && point.x < rect.x + rect.width && point.y >= rect.y && point.y < rect.y + rect.height
}

function blend(canvas: Canvas, x: number, y: number, color: Color, coverage: number): void {
  if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return
  const at = (y * canvas.width + x) * 3
  for (let channel = 0; channel < 3; channel++) {
    const under = canvas.pixels[at + channel] ?? 0
    const over = (color >> (16 - 8 * channel)) & 0xff
    canvas.pixels[at + channel] = Math.round(under + (over - under) * coverage)
  }
}

/** Fills what of `rect` lies on the canvas. */
export function fillRect(canvas: Canvas, rect: Rect, color: Color): void {
  const left = Math.max(0, rect.x)
  const right = Math.min(canvas.width, rect.x + rect.width)
  const top = Math.max(0, rect.y)
  const bottom = Math.min(canvas.height, rect.y + rect.height)
  if (left >= right || top >= bottom) return
  for (let x = left; x < right; x++) blend(canvas, x, top, color, 1)
  const first = (top * canvas.width + left) * 3
  const length = (right - left) * 3
  for (let y = top + 1; y < bottom; y++) {
    canvas.pixels.copyWithin((y * canvas.width + left) * 3, first, first + length)
  }
}

/** Fills `rect` with rows that run from one colour to another. */
export function fillGradient(canvas: Canvas, rect: Rect, from: Color, to: Color): void {
  for (let row = 0; row < rect.height; row++) {
    const line = { ...rect, y: rect.y + row, height: 1 }
    fillRect(canvas, line, mix(from, to, row / Math.max(1, rect.height - 1)))
  }
}

function mix(from: Color, to: Color, part: number): Color {
  let color = 0
  for (const shift of [16, 8, 0]) {
    const a = (from >> shift) & 0xff
    const b = (to >> shift) & 0xff
    color |= Math.round(a + (b - a) * part) << shift
  }
  return color
}

/** A border one pixel wide, just inside `rect`. */
export function frameRect(canvas: Canvas, rect: Rect, color: Color): void {
  const { x, y, width, height } = rect
  fillRect(canvas, { x, y, width, height: 1 }, color)
  fillRect(canvas, { x, y: y + height - 1, width, height: 1 }, color)
  fillRect(canvas, { x, y, width: 1, height }, color)
  fillRect(canvas, { x: x + width - 1, y, width: 1, height }, color)
}

/** A glyph at a scale: how much of each screen pixel its ink covers, 0 to 1. */
interface Mask {
  readonly width: number
  readonly height: number
  readonly coverage: Float32Array
}

/** Part of the span `[from, from + 1)` that lies in `[low, high)`. */
function overlap(from: number, low: number, high: number): number {
  return Math.max(0, Math.min(from + 1, high) - Math.max(from, low))
}

function scaleGlyph(glyph: Glyph, scale: number): Mask {
  const width = Math.ceil(glyph.columns * scale)
  const height = Math.ceil(lineRows * scale)
  const coverage = new Float32Array(width * height)
  glyph.ink.forEach((line, row) => line.forEach((inked, column) => {
    if (!inked) return
    for (let y = Math.floor(row * scale); y < (row + 1) * scale; y++) {
      for (let x = Math.floor(column * scale); x < (column + 1) * scale; x++) {
        const part = overlap(x, column * scale, (column + 1) * scale) * overlap(y, row * scale, (row + 1) * scale)
        coverage[y * width + x] = (coverage[y * width + x] ?? 0) + part
      }
    }
  }))
  return { width, height, coverage }
}

const masks = new Map<string, Mask>()

function maskOf(character: string, scale: number): Mask {
  const key = `${scale}${character}`
  const known = masks.get(key)
  if (known) return known
  const made = scaleGlyph(glyphOf(character), scale)
  masks.set(key, made)
  return made
}

function advance(character: string, style: TextStyle): number {
  return Math.round((glyphOf(character).columns + 1) * style.scale) + (style.bold ? 1 : 0)
}

/** Pixels from the start of `text` to where the next character would begin. */
export function textWidth(text: string, style: TextStyle): number {
  let width = 0
  for (const character of text) width += advance(character, style)
  return width
}

/** Draws one line of text whose top left corner is at `at`; returns the x where the next character would begin. */
export function drawText(canvas: Canvas, at: Point, text: string, style: TextStyle): number {
  let x = at.x
  for (const character of text) {
    const mask = maskOf(character, style.scale)
    for (let index = 0; index < mask.coverage.length; index++) {
      const coverage = mask.coverage[index] ?? 0
      if (coverage === 0) continue
      const column = x + (index % mask.width)
      const row = at.y + Math.floor(index / mask.width)
      blend(canvas, column, row, style.color, coverage)
      if (style.bold) blend(canvas, column + 1, row, style.color, coverage)
    }
    x += advance(character, style)
  }
  return x
}

/** `text`, or its beginning and an ellipsis when it is wider than `widthPixels`. */
export function fitText(text: string, widthPixels: number, style: TextStyle): string {
  if (textWidth(text, style) <= widthPixels) return text
  let kept = text
  while (kept.length > 0 && textWidth(`${kept}...`, style) > widthPixels) kept = kept.slice(0, -1)
  return `${kept.trimEnd()}...`
}

/** `text` broken between words so that no line is wider than `widthPixels`; a longer word has a line of its own. */
export function wrapText(text: string, widthPixels: number, style: TextStyle): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && textWidth(longer, style) > widthPixels) {
      lines.push(line)
      line = word
    } else {
      line = longer
    }
  }
  return [...lines, line]
}

/** The arrow, its tip at the top left: `o` outline, `x` fill. */
const pointerRows = [
  'o', 'oo', 'oxo', 'oxxo', 'oxxxo', 'oxxxxo', 'oxxxxxo', 'oxxxxxxo', 'oxxxxxxxo', 'oxxxxxxxxo', 'oxxxxxxxxxo',
  'oxxxxxxoooooo', 'oxxxoxxo', 'oxxo oxxo', 'oxo  oxxo', 'oo    oxxo', 'o     oxxo', '       oo',
]

/** Draws the mouse arrow with its tip at `tip`. */
export function drawPointer(canvas: Canvas, tip: Point): void {
  pointerRows.forEach((row, y) => Array.from(row).forEach((mark, x) => {
    if (mark !== ' ') blend(canvas, tip.x + x, tip.y + y, mark === 'o' ? 0x000000 : 0xffffff, 1)
  }))
}
