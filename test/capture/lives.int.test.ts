import { spawn } from 'node:child_process'
import { once } from 'node:events'
import fc from 'fast-check'
import * as fs from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Bench, type Got } from './bench-folder.ts'

const names = ['a', 'b', 'c', 'sub/a', 'sub/b'] as const

type Deed =
  | { readonly do: 'append' | 'truncate' | 'rewrite' | 'replace' | 'delete'; readonly name: string }
  | { readonly do: 'rename'; readonly name: string; readonly to: string }
  | { readonly do: 'moveFolder' }

type Step = Deed | { readonly do: 'collect' } | { readonly do: 'restart' }

const name = fc.constantFrom(...names)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constantFrom('append' as const), name }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('truncate' as const, 'rewrite' as const, 'replace' as const, 'delete' as const), name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('rename' as const), name, to: name }) },
  { weight: 1, arbitrary: fc.constantFrom<Step>({ do: 'moveFolder' }, { do: 'restart' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ do: 'collect' }) },
)

/** Does what capture tools do to files; every token is written once in the whole run. */
class World {
  readonly #bench: Bench
  #sub = 'sub'
  #tokens = 0

  constructor(bench: Bench) {
    this.#bench = bench
    fs.mkdirSync(bench.at('sub'))
  }

  path(name: string): string {
    return this.#bench.at(name.replace('sub', this.#sub))
  }

  apply(step: Deed): void {
    const token = `<${++this.#tokens}${'-'.repeat((this.#tokens * 977) % 6_000)}>`
    const path = 'name' in step ? this.path(step.name) : ''
    switch (step.do) {
      case 'append': return fs.appendFileSync(path, token)
      case 'rewrite': return fs.writeFileSync(path, token)
      case 'truncate': return fs.existsSync(path) ? fs.truncateSync(path) : undefined
      case 'delete': return fs.rmSync(path, { force: true })
      case 'replace':
        fs.writeFileSync(`${this.#bench.base}-new`, token)
        return fs.renameSync(`${this.#bench.base}-new`, path)
      case 'rename': return fs.existsSync(path) ? fs.renameSync(path, this.path(step.to)) : undefined
      case 'moveFolder': {
        const to = this.#sub === 'sub' ? 'bus' : 'sub'
        fs.renameSync(this.#bench.at(this.#sub), this.#bench.at(to))
        this.#sub = to
      }
    }
  }
}

/** What a receiver knows: the bytes of each generation, in order. */
class Received {
  readonly #files = new Map<string, string>()
  readonly #tokens = new Map<string, string>()

  add(bench: Bench, { path, fileId, startOffset, bytes }: Got, repeats: boolean): void {
    const before = this.#files.get(fileId) ?? ''
    expect(startOffset).toBe(before.length)
    this.#files.set(fileId, before + bytes)
    expect(this.#files.get(fileId), path).toBe(fs.readFileSync(bench.at(path), 'latin1'))
    for (const [token] of repeats ? [] : bytes.matchAll(/<\d+/g)) {
      expect(this.#tokens.get(token), `${token} was handed out before`).toBe(undefined)
      this.#tokens.set(token, fileId)
    }
  }

  knows(content: string): boolean {
    return [...this.#files.values()].includes(content)
  }
}

async function live(steps: readonly Step[], files: 'append' | 'whole', isWatching: boolean): Promise<void> {
  await using bench = new Bench({ files })
  const [world, received] = [new World(bench), new Received()]
  if (isWatching) bench.capture.start()
  const collect = async (): Promise<void> => {
    for (const got of await (isWatching ? bench.collect() : bench.once())) received.add(bench, got, files === 'whole')
  }
  for (const step of steps) {
    if (step.do === 'collect') await collect()
    else if (step.do !== 'restart') world.apply(step)
    else if (isWatching) bench.restart()
  }
  do {
    await setImmediate()
    await collect()
    await setImmediate()
  } while (bench.capture.pending().length > 0)
  const left = names.map((each) => world.path(each)).filter((path) => fs.existsSync(path))
  for (const path of left) expect(received.knows(fs.readFileSync(path, 'latin1')), path).toBe(true)
  expect(bench.cursors.size).toBe(left.length)
}

const lives = fc.array(step, { minLength: 5, maxLength: 40 })

test('whatever happens to append files, each generation arrives once and exactly, when scanning', async () => {
  await fc.assert(fc.asyncProperty(lives, (steps) => live(steps, 'append', false)), { numRuns: 200 })
})

test('whatever happens to append files, each generation arrives once and exactly, when watching', async () => {
  await fc.assert(fc.asyncProperty(lives, (steps) => live(steps, 'append', true)), { numRuns: 200 })
})

test('whatever happens to whole files, every version taken is exact and the last one is taken', async () => {
  await fc.assert(fc.asyncProperty(lives, (steps) => live(steps, 'whole', false)), { numRuns: 40 })
})

const writer = `
  const { appendFileSync, renameSync } = require('node:fs')
  for (let line = 1; line <= 6000; line++) {
    appendFileSync('log', line + ' '.repeat(line % 300) + '\\n')
    if (line % 40 === 0) renameSync('log', 'log.' + line / 40)
    if (line % 40 === 20) { appendFileSync('log.tmp', 'x'); renameSync('log.tmp', 'tmp.' + line) }
  }
`

test('while another process appends and rotates as fast as it can, every file arrives once and exactly', async () => {
  await using bench = new Bench()
  bench.capture.start()
  const child = spawn(process.execPath, ['-e', writer], { cwd: bench.folder, stdio: 'inherit' })
  const ended = { is: false }
  const exit = once(child, 'exit').then(() => (ended.is = true))
  const files = new Map<string, string>()
  const collect = async (): Promise<void> => {
    for (const { fileId, startOffset, bytes } of await bench.collect()) {
      expect(startOffset).toBe(files.get(fileId)?.length ?? 0)
      files.set(fileId, (files.get(fileId) ?? '') + bytes)
    }
  }
  while (!ended.is) {
    await collect()
    await setImmediate()
  }
  await exit
  do {
    await setImmediate()
    await collect()
    await setImmediate()
  } while (bench.capture.pending().length > 0)
  const onDisk = fs.readdirSync(bench.folder).map((each) => fs.readFileSync(bench.at(each), 'latin1'))
  expect([...files.values()].sort()).toEqual(onDisk.sort())
  expect([...new Set(bench.told())]).toEqual(['capture.renamed'])
})
