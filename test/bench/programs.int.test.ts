import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { measureFiles } from '../../bench/files.ts'
import { measureIdle } from '../../bench/idle.ts'
import { measureMemory } from '../../bench/memory.ts'
import { measureLight } from '../../bench/light.ts'
import { captureLoad, playLoad, prepareFolder, writeLoad } from '../../bench/lib/capture-load.ts'
import { measureLimits } from '../../bench/lib/limits.ts'
import { measureOk } from '../../bench/lib/measure.ts'
import { generateMixedFiles } from '../../bench/lib/mixed-files.ts'
import { countingSyncs, countSyncs, whyNoSyncCount } from '../../bench/lib/sync-count.ts'
import { syncthing } from '../../bench/lib/syncthing.ts'
import { compareTrees } from '../../bench/lib/trees.ts'

const isLinux = process.platform === 'linux'
const hasSyncthing = await syncthing.version() !== undefined
const whyNoSyncs = whyNoSyncCount()

let folder: string
beforeAll(() => { folder = mkdtempSync(join(tmpdir(), 'sluice-')) })
afterAll(() => { rmSync(folder, { recursive: true }) })

describe.skipIf(!isLinux)('benchmark programs in small (Linux only)', () => {
  test('many files: everybody who is here gives them back, and keeps them once', { timeout: 120_000 }, async () => {
    const { rows, bytes } = await measureFiles({ files: 60, folders: 3, rounds: 1, only: undefined, keep: false })
    expect(rows.map(({ unchanged }) => unchanged.length)).toEqual(rows.map(() => 1))
    expect(rows[0]?.name).toBe('sluice')
    expect(rows[0]?.verified).toMatch(/^sluice pull equals the source byte for byte/)
    for (const { first, storedBytes } of rows) {
      expect(first.cpuSeconds).toBeGreaterThan(0)
      expect(storedBytes).toBeLessThan(bytes * 1.5)
    }
  })

  test('memory: a row for each volume and each number of files', { timeout: 120_000 }, async () => {
    const rows = await measureMemory({ volumes: [1 << 20], files: [20], restSeconds: 1, keep: false })
    expect(rows.map(({ name }) => name)).toEqual(['volume', 'file count'])
    expect(rows[0]?.bytes).toBe(1 << 20)
    expect(rows[1]?.files).toBe(20)
    for (const { restingRssBytes } of rows) expect(restingRssBytes).toBeGreaterThan(20 << 20)
  })

  test('light load: what is written meanwhile is sent, and the instruments tell', { timeout: 180_000 }, async () => {
    const options = { seconds: 6, corpus: undefined, sealSeconds: 2, only: 'sluice', keep: false }
    const { rows, loaded } = await measureLight(options)
    expect(rows.map(({ name }) => name)).toEqual(['sluice, light load', 'sluice, idle'])
    expect(loaded).toMatchObject({ screens: 2, events: 300 })
    expect(loaded?.verified).toMatch(/screens pixel for pixel/)
    expect(loaded?.sentBytes).toBeGreaterThan(1000)
    expect(loaded?.loopDelay.maxMs).toBeGreaterThan(0)
    if (whyNoSyncs === undefined) expect(loaded?.syncs).toBeGreaterThan(0)
    const [busy, idle] = rows
    expect(busy?.cpuSecondsPerHour).toBeGreaterThan(idle?.cpuSecondsPerHour ?? Infinity)
  })

  test.skipIf(!hasSyncthing)('idle: the service and its peer watch the same files', { timeout: 180_000 }, async () => {
    const options = { seconds: 1, files: 40, sensors: false, only: 'sluice,syncthing', keep: false }
    const { used, awake, loopDelay } = await measureIdle(options)
    expect(used.map(({ name }) => name)).toEqual(['sluice run', 'syncthing'])
    expect(awake).toBe(true)
    expect(loopDelay?.loadingMs).toBeGreaterThan(0)
    for (const { rssBytes } of used) expect(rssBytes).toBeGreaterThan(10 << 20)
  })
})

describe('what benchmarks are made of', () => {
  test('a load played in real time leaves the same files as one written at once', async () => {
    const load = captureLoad(5, undefined)
    const [atOnce, ...played] = ['at-once', 'first', 'second'].map((name) => join(folder, name))
    writeLoad(load, atOnce ?? '')
    for (const each of played) prepareFolder(each)
    await playLoad(load, played)
    for (const each of played) expect((await compareTrees(atOnce ?? '', each)).content).toEqual([])
    expect(load.events).toHaveLength(250)
    for (const line of load.events) expect(() => { JSON.parse(line) }).not.toThrow()
  })

  test.skipIf(!isLinux)('the limit of all kernels together is below each of them', { timeout: 120_000 }, async () => {
    const mixed = await generateMixedFiles(join(folder, 'mixed'), 4 << 20)
    const { kernels, togetherBytesPerSecond } = await measureLimits(mixed, 3)
    const names = ['SHA-256, 1 thread', 'gear, 1 thread', 'zstd 3, 1 thread', 'zstd 3, 2 threads']
    expect(kernels.map(({ name }) => name)).toEqual(names)
    const single = kernels.slice(0, 3).map(({ cpuSeconds }) => (4 << 20) / cpuSeconds)
    expect(togetherBytesPerSecond).toBeLessThan(2 * Math.min(...single))
    expect(togetherBytesPerSecond).toBeCloseTo(2 / single.reduce((sum, rate) => sum + 1 / rate, 0), 0)
  })

  test.skipIf(whyNoSyncs)(`disk syncs are counted one by one${whyNoSyncs ? ` (${whyNoSyncs})` : ''}`, async () => {
    const log = join(folder, 'syncs.log')
    const script = `const { openSync, fsyncSync, fdatasyncSync } = require('node:fs')
      const file = openSync('${join(folder, 'synced')}', 'w')
      for (let i = 0; i < 3; i++) fsyncSync(file); fdatasyncSync(file)`
    await measureOk({ argv: countingSyncs([process.execPath, '-e', script], log) })
    expect(countSyncs(log)).toBe(4)
    expect(countSyncs(join(folder, 'nowhere'))).toBe(0)
  })
})
