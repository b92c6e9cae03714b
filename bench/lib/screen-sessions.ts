import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCanvas, drawPointer, drawText, fillRect, frameRect, type Canvas } from '../../cli/demo/canvas.ts'
import { drawScreen } from '../../cli/demo/screenshot.ts'
import { simulateSession } from '../../cli/demo/session.ts'
import type { Frame } from '../../src/compress/frames/frame.ts'
import { writePng } from '../../src/compress/frames/png.ts'
import { seededRandom } from './random.ts'

/** Screenshots of one person, as PNG files in order. */
export interface ScreenSession {
  readonly name: string
  readonly files: Iterable<Uint8Array>
}

const syllables = 'ba ce di fo gu ha je ki lo mu na pe ri so tu va we xi yo zu ster ling port ment ion ark eld ost'.split(' ')

function png({ width, height, pixels }: Pick<Canvas, 'width' | 'height' | 'pixels'>): Uint8Array {
  const frame: Frame = { width, height, colorType: 2, bitDepth: 8, pixels, head: new Uint8Array(), tail: new Uint8Array() }
  return writePng(frame)
}

/** The PNGs of a folder, by name. */
export function recordedSession(name: string, folder: string): ScreenSession {
  const names = readdirSync(folder).filter((file) => file.endsWith('.png')).sort()
  return { name, files: { *[Symbol.iterator]() { for (const file of names) yield readFileSync(join(folder, file)) } } }
}

/** Each measures something else: an application, long text that scrolls, the same in the dark and of another size, photographs. */
export function generatedSessions(frames: number): ScreenSession[] {
  return [
    { name: 'demo desk', files: { [Symbol.iterator]: () => desk(frames) } },
    { name: 'scrolled text', files: { [Symbol.iterator]: () => reader(frames, { width: 1280, height: 800 }, 0xffffff, 0x202124) } },
    { name: 'dark, 1366 wide', files: { [Symbol.iterator]: () => reader(frames, { width: 1366, height: 768 }, 0x14171c, 0xc9d1d9) } },
    { name: 'photographs', files: { [Symbol.iterator]: () => photographs(Math.ceil(frames / 8)) } },
  ]
}

function* desk(frames: number): Generator<Uint8Array> {
  const session = simulateSession({ seed: 7, seconds: frames * 2.5, startMs: 0 })
  for (let count = 0; count < frames; count++) yield png(drawScreen(session.appStateAt(count * 2500), `12:${String(count >> 4).padStart(2, '0')}`))
}

/** Pages of made-up words under a bar that stays, scrolled by wheel steps, with a pointer over links. */
function* reader(frames: number, size: { readonly width: number; readonly height: number }, paper: number, ink: number): Generator<Uint8Array> {
  const random = seededRandom(11)
  const below = (limit: number): number => Math.floor(random() * limit)
  const page = createCanvas(size.width - 200, size.height * 3)
  let offset = 0
  for (let count = 0; count < frames; count++) {
    if (count % 12 === 0) {
      fillRect(page, { x: 0, y: 0, width: page.width, height: page.height }, paper)
      for (let y = 20; y < page.height - 20; y += 22) {
        const words = Array.from({ length: 9 + below(4) }, () => Array.from({ length: 1 + below(4) }, () => syllables[below(syllables.length)]).join(''))
        drawText(page, { x: 24, y }, words.join(' '), { color: below(9) === 0 ? 0x3b82f6 : ink, scale: 1.5 })
      }
      offset = 0
    } else if (below(3) > 0) {
      offset = Math.max(0, Math.min(page.height - size.height, offset + (below(5) - 1) * 53))
    }
    const canvas = createCanvas(size.width, size.height)
    fillRect(canvas, { x: 0, y: 0, width: 200, height: size.height }, 0x2b4a68)
    for (let row = 0; row * 3 * size.width < canvas.pixels.length; row++) {
      canvas.pixels.set(page.pixels.subarray((row + offset) * page.width * 3, (row + offset + 1) * page.width * 3), (row * size.width + 200) * 3)
    }
    const at = { x: 220 + below(600), y: 40 + below(500) }
    frameRect(canvas, { ...at, width: 90, height: 18 }, 0x3b82f6)
    drawPointer(canvas, at)
    yield png(canvas)
  }
}

/** Smooth shapes of many sizes with the grain of a sensor. */
function* photographs(frames: number): Generator<Uint8Array> {
  const random = seededRandom(13)
  const [width, height] = [960, 640]
  for (let count = 0; count < frames; count++) {
    const waves = Array.from({ length: 24 }, (_, index) => ({
      x: (random() - 0.5) * 2 ** (index / 5) / 60, y: (random() - 0.5) * 2 ** (index / 5) / 60, phase: random() * 6, height: 60 / (1 + index), tint: [random(), random(), random()],
    }))
    const pixels = new Uint8Array(width * height * 3)
    for (let at = 0; at < width * height; at++) {
      const [x, y] = [at % width, Math.floor(at / width)]
      const color = [120, 125, 130]
      for (const wave of waves) {
        const lift = Math.sin(x * wave.x + y * wave.y + wave.phase) * wave.height
        for (let channel = 0; channel < 3; channel++) color[channel] = color[channel]! + lift * wave.tint[channel]!
      }
      const grain = (random() + random() + random() - 1.5) * 5
      for (let channel = 0; channel < 3; channel++) pixels[at * 3 + channel] = Math.max(0, Math.min(255, color[channel]! + grain))
    }
    yield png({ width, height, pixels })
  }
}
