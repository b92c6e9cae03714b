import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type CaptureClock, type CaptureWrite, runCaptureTool } from '../../../cli/demo/capture-tool.ts'
import { simulateSession } from '../../../cli/demo/session.ts'

const startMs = Date.UTC(2026, 10, 23, 9)

/** Time that passes only while the tool sleeps. */
function fakeClock(): CaptureClock & { readonly sleptMs: number } {
  let sleptMs = 0
  return {
    now: () => startMs + sleptMs,
    sleep: async (ms) => {
      sleptMs += ms
    },
    get sleptMs() {
      return sleptMs
    },
  }
}

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function filesIn(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1)).sort()
}

async function recordsOf(path: string): Promise<unknown[]> {
  const text = await readFile(join(folder, path), 'utf8')
  expect(text.endsWith('\n')).toBe(true)
  return text.slice(0, -1).split('\n').map((line) => JSON.parse(line) as unknown)
}

describe('the capture tool', () => {
  test('writes the whole session as JSON lines, rotated half-way, in as long as the session takes', async () => {
    const clock = fakeClock()
    await runCaptureTool({ folder, seconds: 12, seed: 5, clock })
    expect(clock.sleptMs).toBe(12_000)
    const { events } = simulateSession({ seed: 5, seconds: 12, startMs })
    const firstFiles = { pointer: 'pointer-000', keys: 'keys-000', menus: 'menus-000', workflow: 'workflow-000-closed' }
    const files = await filesIn()
    for (const [stream, first] of Object.entries(firstFiles)) {
      for (const half of [0, 1]) {
        const path = `${stream}/${half === 0 ? first : `${stream}-001`}.jsonl`
        const expected = events.filter((event) => event.stream === stream && (event.atMs < 6000 ? 0 : 1) === half)
        if (expected.length === 0) expect(files).not.toContain(path)
        else expect(await recordsOf(path)).toEqual(expected.map((event) => event.record))
      }
    }
    expect(files).toContain('workflow/workflow-001.jsonl')
    expect(files).not.toContain('workflow/workflow-000.jsonl')
  })

  test('takes screenshots of which unchanged ones are the same bytes', async () => {
    await runCaptureTool({ folder, seconds: 6, clock: fakeClock() })
    const screens = (await filesIn()).filter((path) => path.startsWith('screens/'))
    expect(screens).toEqual([0, 1, 2, 3, 4].map((number) => `screens/screen-00${number}.png`))
    const contents = await Promise.all(screens.map((path) => readFile(join(folder, path), 'base64')))
    expect(new Set(contents).size).toBeGreaterThan(1)
    expect(new Set(contents).size).toBeLessThan(contents.length)
  })

  test('reports every byte and file it writes', async () => {
    const writes: CaptureWrite[] = []
    const totals = await runCaptureTool({ folder, seconds: 8, clock: fakeClock(), onWrite: (write) => writes.push(write) })
    const files = await filesIn()
    const sizes = await Promise.all(files.map(async (path) => (await stat(join(folder, path))).size))
    const onDisk = sizes.reduce((sum, size) => sum + size, 0)
    expect(writes.reduce((sum, write) => sum + write.bytes, 0)).toBe(onDisk)
    expect(Object.values(totals).reduce((sum, { bytes }) => sum + bytes, 0)).toBe(onDisk)
    expect(writes.filter((write) => write.isNew)).toHaveLength(files.length)
    expect(Object.values(totals).reduce((sum, total) => sum + total.files, 0)).toBe(files.length)
  })

  test('plays faster at a higher speed, with the same records', async () => {
    const clock = fakeClock()
    await runCaptureTool({ folder, seconds: 4, speed: 20, clock })
    expect(clock.sleptMs).toBe(200)
    const { events } = simulateSession({ seed: 1, seconds: 4, startMs })
    const pointer = events.filter(({ stream }) => stream === 'pointer').map(({ record }) => record)
    const paths = (await filesIn()).filter((path) => path.startsWith('pointer/'))
    const written = await Promise.all(paths.map(recordsOf))
    expect(written.flat()).toEqual(pointer)
  })

  test.each([1, 2, 9, 20, 33, 34, 35, 36])('stops when aborted at write %d and leaves only whole files', async (stopAt) => {
    const stop = new AbortController()
    const writes: CaptureWrite[] = []
    await runCaptureTool({
      folder, seconds: 30, clock: fakeClock(), signal: stop.signal,
      onWrite: (write) => {
        writes.push(write)
        if (writes.length === stopAt) stop.abort()
      },
    })
    expect(writes).toHaveLength(stopAt)
    for (const path of await filesIn()) {
      expect(path).not.toMatch(/\/\./)
      if (path.endsWith('.jsonl')) await recordsOf(path)
      else expect((await readFile(join(folder, path))).subarray(-8).toString('latin1')).toContain('IEND')
    }
  })

  test('wakes from its sleep when aborted', async () => {
    const stop = new AbortController()
    const running = runCaptureTool({
      folder, seconds: 30, speed: 0.0001, signal: stop.signal, onWrite: () => setImmediate(() => stop.abort()),
    })
    const totals = await running
    expect(totals.screens.files).toBe(1)
  })
})
