import { once } from 'node:events'
import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { EventName } from '../../src/observe/events.ts'
import { checkLine } from '../../src/observe/log/line.ts'
import { streamOutput } from '../../src/observe/log/stream-output.ts'
import { makePlace, Sluice, type Place } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const launcher = join(import.meta.dirname, '../../cli/launch.mjs')
const canary = 'canary-4711'

/** What a defect would do, on SIGUSR2. */
const defects = {
  'an exception that nobody caught': `setImmediate(() => { throw new Error("cannot open '/home/ada/${canary}.png'") })`,
  'a promise that nobody awaited': `void Promise.reject(new TypeError('${canary}'))`,
  'something thrown that is no error': `setImmediate(() => { throw '${canary}' })`,
}

interface Line {
  readonly level: string
  readonly event: EventName
  readonly code?: string
  readonly message?: string
}

const parsed = (text: string): Line[] => text.trimEnd().split('\n').map((line) => JSON.parse(line) as Line)

const linesIn = (folder: string): string => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')).join('')

/** Runs the service, stderr in a file, until it has started; then a signal is its end. Returns stderr. */
async function runUntil(place: Place, signal: NodeJS.Signals, { defect = '', more = [] as readonly string[], journal = false } = {}) {
  const preload = join(place.folder, 'preload.mjs')
  writeFileSync(preload, `process.on('SIGUSR2', () => { ${defect} })`)
  const path = join(place.folder, 'stderr')
  const stderr = openSync(path, 'a')
  const { dev, ino } = fstatSync(stderr)
  const child = spawn(process.execPath, ['--import', preload, launcher, 'run', '--config', place.configFile, ...more], {
    stdio: ['ignore', 'pipe', stderr], env: { ...process.env, ...(journal && { JOURNAL_STREAM: `${dev}:${ino}` }) },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  closeSync(stderr)
  let stdout = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  const ended = once(child, 'close')
  const said = () => `${stdout}${readFileSync(path, 'utf8')}`
  while (!said().includes('service.started')) {
    if (child.exitCode !== null) throw new Error(said())
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 20)), ended])
  }
  child.kill(signal)
  await ended
  return { code: child.exitCode, stdout, stderr: readFileSync(path, 'utf8') }
}

describe.skipIf(process.platform === 'win32')('what ends the service is its last line (skipped on Windows, for its signals)', () => {
  test.each(Object.entries(defects))('%s, and it says nothing that could name a capture', async (_, defect) => {
    const place = await makePlace()
    const folder = join(place.folder, 'log')
    writeFileSync(place.configFile, `${readFileSync(place.configFile, 'utf8')}log: { folder: ${folder} }\n`)
    const { code, stdout, stderr } = await runUntil(place, 'SIGUSR2', { defect })
    expect([code, stdout]).toEqual([1, ''])
    for (const text of [stderr, linesIn(folder)]) {
      expect(text.trimEnd().split('\n').flatMap(checkLine)).toEqual([])
      expect(parsed(text).at(-1)).toMatchObject({ level: 'fatal', event: 'service.failed', code: 'unexpected' })
      expect(text).not.toContain(canary)
    }
  })

  test('with --json on stdout', async () => {
    const { code, stdout } = await runUntil(await makePlace(), 'SIGUSR2', { defect: defects['an exception that nobody caught'], more: ['--json'] })
    expect([code, parsed(stdout).at(-1)?.event]).toEqual([1, 'service.failed'])
  })

  test('an error of Sluice’s own, in a log that holds nothing but lines', async () => {
    const place = await makePlace()
    const first = new Sluice('run', '--config', place.configFile)
    while (!first.stderr.includes('service.started')) await new Promise((resolve) => setTimeout(resolve, 20))
    const second = new Sluice('run', '--config', place.configFile)
    expect((await second.ended).code).toBe(1)
    expect(parsed(second.stderr)).toMatchObject([{ level: 'fatal', event: 'service.failed', code: 'state-locked' }])
  })

  test('a signal, and journald reads a level in front of each line', async () => {
    const { code, stderr } = await runUntil(await makePlace(), 'SIGTERM', { journal: true })
    const lines = stderr.trimEnd().split('\n')
    expect(lines.map((line) => /^<6>\{/.test(line))).toEqual(lines.map(() => true))
    const told = lines.map((line) => line.slice(3))
    expect(told.flatMap(checkLine)).toEqual([])
    expect([code, told.map((line) => (JSON.parse(line) as Line).event).at(-1)]).toEqual([0, 'service.stopped'])
  })
})

test('a reader that does not read costs lines, not memory; a fatal one is written all the same', async () => {
  const path = join(await temporaryFolder(), 'out')
  const fd = openSync(path, 'w')
  const written: string[] = []
  const stream = { fd, writableLength: 2 << 20, write: (text: string) => written.push(text) }
  const output = streamOutput(stream, true)
  output.write('{"a":1}\n', 'info')
  output.write('{"a":2}\n', 'fatal')
  expect([output.takeLost(), written, readFileSync(path, 'utf8')]).toEqual([0, [], '\n<2>{"a":2}\n'])
  stream.writableLength = 0
  output.write('{"a":3}\n', 'debug')
  expect([output.takeLost(), output.takeLost(), written]).toEqual([1, 0, ['<7>{"a":3}\n']])
  closeSync(fd)
})
