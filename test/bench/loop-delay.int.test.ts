import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loopLine, loopProbe } from '../../bench/lib/loop-delay.ts'
import { measureOk } from '../../bench/lib/measure.ts'
import { runOnce, writeSluiceConfig } from '../../bench/lib/sluice.ts'

// Stands in for the program: loads what the probe takes for the service, then blocks the loop as long as it is told.
const program = `
const block = (ms) => { const end = performance.now() + ms; while (performance.now() < end); }
const turn = () => new Promise((resolve) => setTimeout(resolve, 20))
await import('./daemon/run-service.ts')
for (const ms of process.argv.slice(2)) { await turn(); block(Number(ms)) }
await turn()
`
const service = 'const end = performance.now() + 150; while (performance.now() < end);'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  mkdirSync(join(folder, 'daemon'))
  await writeFile(join(folder, 'daemon', 'run-service.ts'), service)
  await writeFile(join(folder, 'program.mjs'), program)
})
afterAll(async () => { await rm(folder, { recursive: true }) })

describe('the probe of the main loop', () => {
  test('tells the longest block and how many were long, and keeps loading apart', async () => {
    const probe = loopProbe(folder)
    await measureOk({ argv: [process.execPath, join(folder, 'program.mjs'), '1', '80', '230', '80'], env: probe.env })
    const { loadingMs, maxMs, over50 } = probe.read()
    expect(loadingMs).toBeGreaterThanOrEqual(149)
    expect(maxMs).toBeGreaterThanOrEqual(229)
    // A busy machine may add some; it cannot take any away.
    expect(over50).toBeGreaterThanOrEqual(3)
  })

  test('what never blocks is not told as if it did', async () => {
    const probe = loopProbe(folder)
    await measureOk({ argv: [process.execPath, join(folder, 'program.mjs'), '1', '1'], env: probe.env })
    const { loadingMs, maxMs } = probe.read()
    expect(maxMs).toBeLessThan(loadingMs)
  })

  test('reads `sluice run --once` itself', async () => {
    const [source, work] = [join(folder, 'source'), join(folder, 'work')]
    for (const each of [source, work]) mkdirSync(each)
    await writeFile(join(source, 'file'), 'content')
    const streams = [{ name: 'files', folder: '.', files: 'whole' as const }]
    const places = await writeSluiceConfig(source, work, streams, { sensors: false })
    const probe = loopProbe(work)
    await runOnce(places, probe)
    const { loadingMs, p99Ms } = probe.read()
    expect(loadingMs).toBeGreaterThan(0)
    expect(p99Ms).toBeGreaterThan(0)
  })

  test('a run that ended without telling is an error', () => {
    expect(() => loopProbe(join(folder, 'nowhere')).read()).toThrow(/ended without telling/)
  })

  test('loading is named only where it is the longest of all', () => {
    const delay = { loadingMs: 200, maxMs: 60, p99Ms: 7, over50: 1 }
    expect(loopLine('sluice', delay)).toBe('main loop of sluice: at most 60 ms, p99 7 ms, 1× over 50 ms; loading 200 ms')
    expect(loopLine('sluice', { ...delay, loadingMs: 20 })).not.toContain('loading')
  })
})
