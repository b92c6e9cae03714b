import { decode } from 'fast-png'
import { describe, expect, test } from 'vitest'
import {
  type Canvas, createCanvas, drawPointer, drawText, fillRect, fitText, frameRect, type Rect, textWidth, wrapText,
} from '../../../cli/demo/canvas.ts'
import { openingState } from '../../../cli/demo/desk.ts'
import { glyphOf, lineRows } from '../../../cli/demo/font.ts'
import { menuItem, statusBar } from '../../../cli/demo/layout.ts'
import { drawScreen, encodeScreen } from '../../../cli/demo/screenshot.ts'

const printable = Array.from({ length: 95 }, (_, index) => String.fromCharCode(32 + index))

function pixel(canvas: Canvas, x: number, y: number): number {
  const at = (y * canvas.width + x) * 3
  const [red = 0, green = 0, blue = 0] = canvas.pixels.subarray(at, at + 3)
  return (red << 16) | (green << 8) | blue
}

/** Reads black text of a whole scale back by comparing every glyph, widest first, at every place. */
function readBack(canvas: Canvas, scale: number): string {
  const widestFirst = printable.map((character) => ({ character, glyph: glyphOf(character) }))
    .filter(({ glyph }) => glyph.ink.flat().some(Boolean))
    .sort((a, b) => b.glyph.columns - a.glyph.columns)
  let text = ''
  let x = 0
  while (x < canvas.width) {
    const hit = widestFirst.find(({ glyph }) => glyph.ink.every((line, row) => {
      const isInk = (column: number) => x + column * scale < canvas.width && pixel(canvas, x + column * scale, row * scale) === 0
      return line.every((inked, column) => isInk(column) === inked) && !isInk(glyph.columns)
    }))
    text += hit?.character ?? ' '
    x += ((hit?.glyph ?? glyphOf(' ')).columns + 1) * scale
  }
  return text.trimEnd()
}

function written(text: string, scale: number): Canvas {
  const style = { color: 0x000000, scale }
  const canvas = createCanvas(textWidth(text, style), lineRows * scale)
  fillRect(canvas, { x: 0, y: 0, width: canvas.width, height: canvas.height }, 0xffffff)
  drawText(canvas, { x: 0, y: 0 }, text, style)
  return canvas
}

function same(a: Canvas, b: Canvas, rect: Rect): boolean {
  for (let y = rect.y; y < rect.y + rect.height; y++) {
    for (let x = rect.x; x < rect.x + rect.width; x++) if (pixel(a, x, y) !== pixel(b, x, y)) return false
  }
  return true
}

describe('the font', () => {
  test('has a different glyph for every printable character', () => {
    const drawn = new Set(printable.map((character) => JSON.stringify(glyphOf(character).ink)))
    expect(drawn.size).toBe(95)
    expect(drawn.has(JSON.stringify(glyphOf('\u00e9').ink))).toBe(false)
  })

  test('stands on its line and hangs below it', () => {
    const canvas = written('Sage', 1)
    const art = Array.from({ length: lineRows }, (_, y) =>
      Array.from({ length: canvas.width }, (_, x) => (pixel(canvas, x, y) === 0 ? '#' : ' ')).join('').trimEnd())
    expect(art).toEqual([
      ' ####',
      '#',
      '#      ###   ####  ###',
      ' ###      # #   # #   #',
      '    #  #### #   # #####',
      '    # #   # #   # #',
      '####   ####  ####  ###',
      '                #',
      '             ###',
    ])
  })

  test.each([1, 2, 3])('drawn at scale %d is read back character by character', (scale) => {
    for (const text of [printable.filter((character) => character !== ' ').join(''), 'Dear Livia, order 20418 goes to you; ok?']) {
      expect(readBack(written(text, scale), scale)).toBe(text)
    }
  })
})

describe('the canvas', () => {
  test('leaves out what lies beside it', () => {
    const canvas = createCanvas(20, 10)
    fillRect(canvas, { x: -5, y: -5, width: 10, height: 10 }, 0x112233)
    frameRect(canvas, { x: 15, y: 5, width: 40, height: 40 }, 0x445566)
    drawPointer(canvas, { x: 18, y: 8 })
    drawText(canvas, { x: 17, y: -3 }, 'W', { color: 0xffffff, scale: 1.5 })
    expect(pixel(canvas, 4, 4)).toBe(0x112233)
    expect(pixel(canvas, 5, 4)).toBe(0)
    expect(pixel(canvas, 15, 9)).toBe(0x445566)
    expect(canvas.pixels.length).toBe(600)
  })

  test('shortens and wraps text to the width there is', () => {
    const style = { color: 0, scale: 1.5 }
    const text = 'Your delivery goes to the yard behind the house'
    expect(fitText(text, 1000, style)).toBe(text)
    expect(fitText(text, 120, style)).toMatch(/^Your .*\.\.\.$/)
    expect(textWidth(fitText(text, 120, style), style)).toBeLessThanOrEqual(120)
    const lines = wrapText(text, 120, style)
    expect(lines.join(' ')).toBe(text)
    expect(lines.length).toBeGreaterThan(2)
    for (const line of lines) expect(textWidth(line, style)).toBeLessThanOrEqual(120)
  })
})

describe('a screenshot', () => {
  const screen = drawScreen(openingState, 'Mon 09:41')

  test('is a PNG of 1280 by 800 that decodes to the drawn pixels', () => {
    const png = encodeScreen(screen)
    expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
    const { width, height, channels, depth, data } = decode(png, { checkCrc: true })
    expect({ width, height, channels, depth }).toEqual({ width: 1280, height: 800, channels: 3, depth: 8 })
    expect(Buffer.compare(Buffer.from(data as Uint8Array), screen.pixels)).toBe(0)
  })

  test('of the same state is the same bytes', () => {
    const again = encodeScreen(drawScreen(structuredClone(openingState), 'Mon 09:41'))
    expect(Buffer.compare(again, encodeScreen(screen))).toBe(0)
  })

  test('changes only in the status bar when a minute passes', () => {
    const later = drawScreen(openingState, 'Mon 09:42')
    expect(same(later, screen, { x: 0, y: 0, width: 1280, height: statusBar.y })).toBe(true)
    expect(same(later, screen, statusBar)).toBe(false)
  })

  test('shows the item under the pointer of an open menu as chosen', () => {
    const item = menuItem('File', 2)
    const pointer = { x: item.x + 60, y: item.y + 8 }
    const over = drawScreen({ ...openingState, open: { menu: 'File' }, pointer }, 'Mon 09:41')
    const beside = drawScreen({ ...openingState, open: { menu: 'File' } }, 'Mon 09:41')
    expect(pixel(over, item.x + 2, item.y + 2)).not.toBe(pixel(beside, item.x + 2, item.y + 2))
  })
})
