import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backOff, waitAfterFailures, type Starts } from '../../daemon/service/back-off.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const quarterHourMs = 15 * 60_000

/** The waits of a service that fails so long after each start. */
function waits(ranMs: number, times: number): number[] {
  let now = 1_000_000
  let starts: Starts | undefined
  return Array.from({ length: times }, () => {
    const next = backOff(starts, now)
    starts = next.starts
    now += next.waitMs + ranMs
    return next.waitMs / 1000
  })
}

describe('the wait before a start', () => {
  test('grows from the third failure on, to a quarter of an hour', () => {
    expect(waits(5000, 11)).toEqual([0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900])
  })

  test('begins anew once the service had run for a while', () => {
    expect(waits(11 * 60_000, 6)).toEqual([0, 0, 0, 0, 0, 0])
  })

  test('is never longer than that, whatever is noted and whatever the clock does', () => {
    fc.assert(fc.property(
      fc.record({ failures: fc.integer({ min: -5, max: Number.MAX_SAFE_INTEGER }), startedAt: fc.maxSafeInteger() }), fc.integer({ min: 0, max: 2 ** 45 }),
      (before, now) => {
        const { waitMs } = backOff(before, now)
        expect(waitMs).toBeGreaterThanOrEqual(0)
        expect(waitMs).toBeLessThanOrEqual(quarterHourMs)
      },
    ))
  })
})

describe('what is noted of a start', () => {
  const environment = (folder: string) => ({ NOTIFY_SOCKET: '/nobody', RUNTIME_DIRECTORY: folder })
  const noted = (folder: string): unknown => JSON.parse(readFileSync(join(folder, 'starts.json'), 'utf8'))

  test('is forgotten when somebody asks the service to stop', async () => {
    const folder = await temporaryFolder()
    const stop = new AbortController()
    await waitAfterFailures(environment(folder), () => 1000, stop.signal)
    await waitAfterFailures(environment(folder), () => 2000, stop.signal)
    expect(noted(folder)).toEqual({ failures: 1, startedAt: 2000 })
    stop.abort()
    expect(readdirSync(folder)).toEqual([])
  })

  test('is nothing where it is damaged or cannot be written', async () => {
    const folder = await temporaryFolder()
    const { signal } = new AbortController()
    writeFileSync(join(folder, 'starts.json'), '{"failures":')
    await waitAfterFailures(environment(folder), () => 1000, signal)
    expect(noted(folder)).toEqual({ failures: 0, startedAt: 1000 })
    await waitAfterFailures(environment(join(folder, 'missing')), () => 1000, signal)
  })

  test('does not keep a service waiting that is asked to stop meanwhile', async () => {
    const folder = await temporaryFolder()
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'starts.json'), JSON.stringify({ failures: 30, startedAt: 1000 }))
    const stop = new AbortController()
    const waited = waitAfterFailures(environment(folder), () => 2000, stop.signal)
    stop.abort()
    await waited
  })
})
