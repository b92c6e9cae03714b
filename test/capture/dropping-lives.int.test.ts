import fc from 'fast-check'
import * as fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { DroppingPause } from '../../src/capture/drop-store.ts'
import { fileClockStepMs } from '../../src/capture/facts.ts'
import { polled } from '../../src/capture/pace.ts'
import { Bench, type Got } from './bench-folder.ts'

type Step =
  | { readonly do: 'append' | 'truncate' | 'rewrite' | 'delete' | 'rotate'; readonly name: string }
  | { readonly do: 'collect' | 'begin' | 'end' | 'restart' | 'stop' | 'start' }

const name = fc.constantFrom('a', 'b', 'c')
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 9, arbitrary: fc.record({ do: fc.constantFrom('append' as const), name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('rotate' as const, 'truncate' as const, 'rewrite' as const, 'delete' as const), name }) },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'collect' }) },
  { weight: 3, arbitrary: fc.constantFrom<Step>({ do: 'begin' }, { do: 'end' }, { do: 'end' }) },
  { weight: 2, arbitrary: fc.constantFrom<Step>({ do: 'restart' }, { do: 'stop' }, { do: 'start' }, { do: 'start' }) },
)

interface Token {
  readonly text: string
  readonly isSecret: boolean
  /** It must arrive: nothing has put it in doubt. */
  isOwed: boolean
}

/** A capture tool, a worker who pauses, and a service that is sometimes down; every token is written once. */
class World {
  readonly bench = new Bench()
  readonly #files = new Map<string, Token[]>()
  readonly #all: Token[] = []
  #rotations = 0
  #since: number | undefined
  #isUp = true
  #missed: DroppingPause[] = []
  readonly #ends = new Map<string, number>()
  readonly #arrived = new Map<string, number>()

  constructor() {
    this.bench.capture.start()
  }

  async apply(step: Step): Promise<void> {
    switch (step.do) {
      case 'append': return this.#write(step.name, 'a')
      case 'rewrite': {
        // Not in a pause before anything was read: only a look between could tell it from appending.
        if (this.#since !== undefined) return
        this.#doubt(this.#files.get(step.name) ?? [])
        return this.#write(step.name, 'w')
      }
      case 'truncate': {
        if (!this.#files.has(step.name) || (this.#since !== undefined && !this.#isUp)) return
        this.#doubt(this.#files.get(step.name) ?? [])
        fs.truncateSync(this.bench.at(step.name))
        return polled()
      }
      case 'delete':
        this.#doubt(this.#files.get(step.name) ?? [])
        this.#files.delete(step.name)
        return fs.rmSync(this.bench.at(step.name), { force: true })
      case 'rotate': {
        const tokens = this.#files.get(step.name)
        if (!tokens) return
        const to = `${step.name}.${++this.#rotations}`
        fs.renameSync(this.bench.at(step.name), this.bench.at(to))
        this.#files.delete(step.name)
        this.#files.set(to, tokens)
        return
      }
      case 'collect': return this.#collect()
      case 'begin': return this.#begin()
      case 'end': return this.#end()
      case 'restart': return this.#isUp ? this.#start() : undefined
      case 'stop':
        this.#isUp = false
        return this.bench.capture.stop()
      case 'start': return this.#isUp ? undefined : this.#start()
    }
  }

  #write(name: string, flag: string): void {
    const isSecret = this.#since !== undefined
    const text = `<${this.#all.length}${isSecret ? '!' : ''}${'-'.repeat((this.#all.length * 977) % 3_000)}>`
    const tokens = this.#files.get(name) ?? []
    this.#files.set(name, tokens)
    const token = { text, isSecret, isOwed: !isSecret && !(this.#files.get(name) as Token[] & { hostile?: true }).hostile }
    this.#all.push(token)
    tokens.push(token)
    fs.writeFileSync(this.bench.at(name), text, { flag })
  }

  /** Cut short or deleted: what the file held need not arrive, nor what is written to it later. */
  #doubt(tokens: Token[]): void {
    for (const token of tokens) token.isOwed = false
    Object.assign(tokens, { hostile: true })
  }

  async #begin(): Promise<void> {
    if (this.#since !== undefined) return
    await setTimeout(fileClockStepMs + 5)
    this.#since = Date.now()
    if (this.#isUp) await this.bench.capture.drawLine({ since: this.#since })
    else this.#unsure()
  }

  /** What is unread in files that change before the service is back is in doubt; to keep it simple, in all files. */
  #unsure(): void {
    for (const token of this.#all) token.isOwed = false
  }

  async #end(): Promise<void> {
    if (this.#since === undefined) return
    const pause = { since: this.#since, until: Date.now() }
    this.#since = undefined
    if (this.#isUp) await this.bench.capture.dropBetween(pause)
    else this.#missed.push(pause)
    // A file that is born now must not seem to be born in the pause.
    await setTimeout(fileClockStepMs + 5)
  }

  /** As the service starts: first what it missed, then the pause that holds. */
  async #start(): Promise<void> {
    this.#isUp = true
    this.bench.restart()
    if (this.#missed.length > 0) this.#unsure()
    for (const pause of this.#missed.splice(0)) await this.bench.capture.dropBetween(pause)
    if (this.#since !== undefined) await this.bench.capture.drawLine({ since: this.#since })
  }

  async #collect(): Promise<void> {
    if (!this.#isUp) return
    const got = await this.bench.collect()
    if (this.#since !== undefined) expect(got).toEqual([])
    for (const each of got) this.#receive(each)
  }

  #receive({ fileId, startOffset, bytes }: Got): void {
    expect(startOffset).toBe(this.#ends.get(fileId) ?? 0)
    this.#ends.set(fileId, startOffset + bytes.length)
    expect(bytes, 'a byte of a pause was handed out').not.toContain('!')
    for (const [token] of bytes.matchAll(/<\d+-*>/g)) this.#arrived.set(token, (this.#arrived.get(token) ?? 0) + 1)
  }

  async finish(): Promise<void> {
    if (!this.#isUp) await this.#start()
    await this.#end()
    do {
      await polled()
      await this.#collect()
      await polled()
    } while (this.bench.capture.pending().length > 0)
    expect([...this.#arrived.values()].every((times) => times === 1), 'a token was handed out twice').toBe(true)
    const lost = this.#all.filter(({ text, isOwed }) => isOwed && !this.#arrived.has(text)).map(({ text }) => text.slice(0, 8))
    expect(lost).toEqual([])
  }
}

async function live(steps: readonly Step[]): Promise<void> {
  const world = new World()
  try {
    for (const step of steps) await world.apply(step)
    await world.finish()
  } finally {
    await world.bench[Symbol.asyncDispose]()
  }
}

test('whatever happens around dropping pauses, none of their bytes is handed out, and all others are, once', async () => {
  const steps = fc.array(step, { minLength: 8, maxLength: 30 })
  await fc.assert(fc.asyncProperty(steps, live), { numRuns: 150, examples: [
    [[{ do: 'append', name: 'a' }, { do: 'begin' }, { do: 'append', name: 'a' }, { do: 'end' }, { do: 'append', name: 'a' }, { do: 'collect' }]],
    // What was seen shorter grows again while nobody looks.
    [[{ do: 'append', name: 'a' }, { do: 'begin' }, { do: 'truncate', name: 'a' }, { do: 'append', name: 'b' }, { do: 'stop' }, { do: 'append', name: 'a' }]],
    // The new file may be given the old one's inode.
    [[{ do: 'append', name: 'a' }, { do: 'begin' }, { do: 'delete', name: 'a' }, { do: 'append', name: 'b' }, { do: 'append', name: 'b' }]],
  ] })
})
