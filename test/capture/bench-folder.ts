import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { Capture, type TakesOptions } from '../../src/capture/collect.ts'
import type { Stream } from '../../src/capture/stream.ts'
import type { FileTake } from '../../src/capture/take.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { Drops } from '../../src/journal/drops.ts'
import { memoryDrops } from './memory-drops.ts'
import { MemoryCursors } from './memory-cursors.ts'

export interface Got {
  readonly path: string
  readonly fileId: string
  readonly startOffset: number
  readonly bytes: string
}

/** `path@offset:bytes` of each. */
export const text = (got: readonly Got[]): string[] => got.map(({ path, startOffset, bytes }) => `${path}@${startOffset}:${bytes}`)
export const sorted = (got: readonly Got[]): string[] => text(got).sort()

/** A stream over a real folder, with a caller that packs all it gets at once. */
export class Bench implements AsyncDisposable {
  readonly base = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-')))
  readonly folder: string
  readonly cursors = new MemoryCursors()
  readonly drops: Drops = memoryDrops()
  readonly events: SluiceEvent[] = []
  readonly #stream: Stream
  capture: Capture
  /** Added to the clock that capture sees. */
  skewMs = 0
  #ids = 0
  #onPending: (() => void) | undefined
  /** Called when a look may find something. */
  onNews: () => void = () => undefined

  constructor(stream: Partial<Stream> = {}, folder?: string) {
    this.folder = folder ?? this.base
    this.#stream = {
      name: 'test', folder: this.folder, include: ['**'], purpose: 'test', files: 'append', fidelity: 'bytes',
      quietMs: 60_000, onSent: 'keep', priority: 'normal', optional: false, ...stream,
    }
    this.capture = this.#newCapture()
  }

  #newCapture(): Capture {
    return new Capture({
      streams: [this.#stream],
      cursors: this.cursors,
      drops: this.drops,
      emit: (event) => this.events.push(event),
      now: () => Date.now() + this.skewMs,
      randomBytes: (length) => {
        const ids = Buffer.alloc(length)
        for (let at = 0; at < length; at += 8) ids.writeUInt32BE(++this.#ids, at)
        return ids
      },
      onPending: () => {
        this.onNews()
        this.#onPending?.()
      },
    })
  }

  /** As after the service was stopped and started again. */
  restart(): void {
    this.capture.stop()
    this.capture = this.#newCapture()
    this.capture.start()
  }

  at(name: string): string {
    return join(this.folder, name)
  }

  /** What the events of `kind` said, and forgets all events. */
  told(): string[] {
    return this.events.splice(0).map((event) => event.event)
  }

  async collect(options: Partial<TakesOptions> = {}): Promise<Got[]> {
    const got: Got[] = []
    for await (const take of this.capture.takes({ asItStands: false, ...options })) {
      const result = await this.pack(take)
      if (result) got.push(result)
    }
    for (const cursor of this.capture.gone()) this.cursors.drop(cursor)
    return got
  }

  /** Collects everything as `run --once` does. */
  once(): Promise<Got[]> {
    return this.collect({ asItStands: true })
  }

  /** Waits for the watcher until `isEnough` of all that was collected since. */
  async until(isEnough: (got: readonly Got[]) => boolean): Promise<Got[]> {
    const got: Got[] = []
    for (;;) {
      const news = new Promise<void>((resolve) => (this.#onPending = resolve))
      got.push(...(await this.collect()))
      if (isEnough(got)) return got
      const waitMs = Math.min(...this.capture.pending().map(({ readyAt }) => readyAt - Date.now() - this.skewMs))
      await (waitMs < 1_000 ? setTimeout(Math.max(0, waitMs)) : news)
    }
  }

  async pack(take: FileTake): Promise<Got | undefined> {
    const parts: Buffer[] = []
    for await (const bytes of take.read()) parts.push(Buffer.from(bytes))
    if (!(await take.unchanged())) return undefined
    const bytes = Buffer.concat(parts)
    const { stream, path, fileId, base, chunker, facts } = take
    const offset = take.startOffset + bytes.length
    const complete = stream.files === 'whole'
    this.cursors.put({ stream: stream.name, path, fileId, base, offset, complete, fingerprint: take.fingerprint(), chunker, facts })
    const name = Buffer.from(path).toString('latin1')
    return { path: name, fileId: Buffer.from(fileId).toString('hex'), startOffset: take.startOffset, bytes: bytes.toString('latin1') }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.capture.stop()
    rmSync(this.base, { recursive: true, force: true })
  }
}
