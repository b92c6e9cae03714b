import { appendFileSync, closeSync, ftruncateSync, openSync, renameSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { writePng } from '../../src/compress/frames/png.ts'

/** One version as a reader of the device log finds it. `path` has one character per byte. */
export interface Captured {
  readonly stream: string
  readonly path: string
  readonly bytes: Buffer
  readonly complete: boolean
}

/**
 * One life of a capture file: what was written into it from its birth, or a truncation, to the next truncation.
 *
 * `all`: every byte must have been captured, once. `cut`: it was truncated, and what nobody had read is gone: a beginning of
 * it may have been captured, once. `growing`: a `whole` file that was written slowly; states of it on the way may have been
 * taken for versions, each once, and the last state must have been.
 */
export interface Generation {
  readonly stream: 'log' | 'shots'
  path: string
  bytes: Buffer
  must: 'all' | 'cut' | 'growing'
}

/** Writes capture files as tools do, and remembers every byte. Each call is over when it returns. */
export class Writer {
  readonly generations: Generation[] = []
  readonly #folders: { readonly log: string; readonly shots: string; readonly staging: string }
  readonly #random: () => number
  readonly #current = new Map<string, Generation>()
  #slow: { readonly file: number; readonly generation: Generation; left: number } | undefined
  #shared: Buffer
  readonly #screen = { width: 200, height: 150, pixels: Buffer.alloc(200 * 150 * 3, 255) }
  #count = 0

  constructor(folders: { readonly log: string; readonly shots: string; readonly staging: string }, random: () => number) {
    this.#folders = folders
    this.#random = random
    this.#shared = this.#noise(100_000)
  }

  #noise(bytes: number): Buffer {
    const noise = Buffer.alloc(bytes)
    for (let at = 0; at < bytes; at++) noise[at] = this.#random() * 256
    return noise
  }

  #size(most: number): number {
    return 1 + Math.floor(this.#random() ** 3 * most)
  }

  /** Begins a generation; the first bytes of each are its own. */
  #begin(stream: 'log' | 'shots', path: string, must: Generation['must'], bytes: number): Generation {
    const head = Buffer.from(`#${String(++this.#count).padStart(8, '0')} `)
    const generation = { stream, path, must, bytes: Buffer.concat([head, this.#noise(bytes)]) }
    this.generations.push(generation)
    return generation
  }

  append(name: string, bytes = this.#size(30_000)): void {
    const path = join(this.#folders.log, name)
    const known = this.#current.get(name)
    if (!known) {
      const generation = this.#begin('log', name, 'all', bytes)
      this.#current.set(name, generation)
      writeFileSync(path, generation.bytes)
      return
    }
    const more = this.#noise(bytes)
    known.bytes = Buffer.concat([known.bytes, more])
    appendFileSync(path, more)
  }

  /** As logrotate does: the old file gets another name, the next write begins a new one. */
  rotate(name: string): void {
    const known = this.#current.get(name)
    if (!known) return
    const rotated = `${name}.${++this.#count}`
    renameSync(join(this.#folders.log, name), join(this.#folders.log, rotated))
    known.path = rotated
    this.#current.delete(name)
  }

  /** As `copytruncate` does: the same file begins anew. */
  truncate(name: string): void {
    const known = this.#current.get(name)
    if (!known) return this.append(name)
    known.must = 'cut'
    const generation = this.#begin('log', name, 'all', this.#size(10_000))
    this.#current.set(name, generation)
    const file = openSync(join(this.#folders.log, name), 'r+')
    ftruncateSync(file)
    writeSync(file, generation.bytes)
    closeSync(file)
  }

  /** A whole file, moved into place; every other one repeats content of earlier ones. */
  place(name = `${++this.#count}.bin`, bytes = this.#size(80_000)): void {
    const generation = this.#begin('shots', name, 'all', bytes)
    if (this.#random() < 0.5) generation.bytes = Buffer.concat([generation.bytes, this.#shared.subarray(this.#size(30_000))])
    const staged = join(this.#folders.staging, name)
    writeFileSync(staged, generation.bytes)
    renameSync(staged, join(this.#folders.shots, name))
  }

  /** The next screenshot, moved into place: half of it as in the last one. Written as it is restored, so that bytes can be compared. */
  screen(name = `${++this.#count}.png`): void {
    const { width, height, pixels } = this.#screen
    this.#screen.pixels.set(this.#noise(300), Math.floor(this.#random() * (pixels.length - 300)))
    this.#screen.pixels.fill(this.#random() * 256, 0, width * 3 * Math.floor(this.#random() * height))
    pixels.writeUInt32BE(++this.#count, 0)
    const nothing = new Uint8Array()
    const bytes = Buffer.from(writePng({ width, height, colorType: 2, bitDepth: 8, pixels, head: nothing, tail: nothing }))
    this.generations.push({ stream: 'shots', path: name, must: 'all', bytes })
    const staged = join(this.#folders.staging, name)
    writeFileSync(staged, bytes)
    renameSync(staged, join(this.#folders.shots, name))
  }

  /** Begins a whole file, or writes on at the one begun, which stays open until it is done. */
  writeSlowly(): void {
    if (!this.#slow) {
      const name = `slow-${++this.#count}.bin`
      const generation = this.#begin('shots', name, 'growing', this.#size(20_000))
      const file = openSync(join(this.#folders.shots, name), 'w')
      writeSync(file, generation.bytes)
      this.#slow = { file, generation, left: 6 }
      return
    }
    const slow = this.#slow
    const more = this.#noise(this.#size(20_000))
    slow.generation.bytes = Buffer.concat([slow.generation.bytes, more])
    writeSync(slow.file, more)
    if (--slow.left === 0) this.finish()
  }

  /** Closes what is still open. */
  finish(): void {
    if (this.#slow) closeSync(this.#slow.file)
    this.#slow = undefined
  }

  /** One write of any kind. */
  step(): void {
    const choice = this.#random()
    const name = `${'abc'[Math.floor(this.#random() * 3)]}.log`
    if (choice < 0.5) this.append(name)
    else if (choice < 0.56) this.rotate(name)
    else if (choice < 0.62) this.truncate('t.log')
    else if (choice < 0.68) this.append('t.log')
    else if (choice < 0.78) this.place()
    else if (choice < 0.88) this.screen()
    else this.writeSlowly()
  }
}

/** Everything in which a device log differs from what was written: what is lost, changed, or there twice. */
export function differences(written: readonly Generation[], captured: readonly Captured[]): string[] {
  const found: string[] = []
  const left = new Set(captured.filter((version) => version.complete))
  for (const generation of written) {
    const mine = [...left].filter(({ stream, bytes }) => stream === generation.stream && generation.bytes.subarray(0, bytes.length).equals(bytes))
      .filter(({ bytes }) => bytes.length > 0 || generation.must === 'growing')
    for (const version of mine) left.delete(version)
    const say = (what: string): void => void found.push(`${generation.stream}/${generation.path} (${generation.must}, ${generation.bytes.length} bytes): ${what}`)
    const sizes = mine.map((version) => version.bytes.length).sort((a, b) => a - b)
    const whole = mine.filter((version) => version.bytes.length === generation.bytes.length)
    if (new Set(sizes).size < sizes.length) say(`captured twice: ${sizes.join(', ')}`)
    if (generation.must !== 'cut' && whole.length === 0) say(`lost; there are ${sizes.join(', ')}`)
    if (generation.must !== 'growing' && mine.length > 1) say(`there are ${sizes.join(', ')}`)
    if (generation.must !== 'cut' && whole.some((version) => version.path !== generation.path)) say(`is there as ${whole[0]?.path}`)
  }
  for (const { stream, path, bytes } of left) found.push(`${stream}/${path}: ${bytes.length} bytes that nobody wrote so`)
  return found
}
