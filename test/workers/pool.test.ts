import { randomBytes } from 'node:crypto'
import { zstdDecompressSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { indexed } from '../../src/compress/frames/codec.ts'
import { isWhole, pictureOf } from '../../src/compress/frames/picture.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { cut } from '../../src/pack/cut.ts'
import { memoryOf } from '../../src/workers/jobs.ts'
import { WorkerPool } from '../../src/workers/pool.ts'
import { sharedCopy, Slabs } from '../../src/workers/shared-memory.ts'
import { inline } from '../../src/workers/workers.ts'
import { zstdOn } from '../../src/workers/zstd.ts'
import { describeCodec } from '../suites/codec.ts'

function poolOf(threads: number): WorkerPool {
  const pool = new WorkerPool({ threads, restMs: 60_000 })
  onTestFinished(() => pool[Symbol.asyncDispose]())
  return pool
}

const cutInput = (bytes: Uint8Array) => ({ bytes, seen: 0, state: chunkerStart, chunkKey: undefined })

describe('a pool of threads', () => {
  test('does each job as it is done inline, whatever the order in which they end', async () => {
    const pool = poolOf(2)
    const pieces = Array.from({ length: 40 }, (_, index) => randomBytes(1 + index * 20_000))
    const answers = await Promise.all(pieces.map((bytes) => pool.run('cut', cutInput(sharedCopy(bytes)))))
    for (const [index, bytes] of pieces.entries()) {
      const { lengths, names, state } = cut(cutInput(bytes))
      expect(answers[index]!.lengths).toEqual(lengths)
      expect(Buffer.compare(answers[index]!.names, names)).toBe(0)
      expect(answers[index]!.state).toEqual(state)
    }
  })

  test('says what a job of it refused, and goes on', async () => {
    const pool = poolOf(1)
    const raw = Buffer.from('some bytes, some bytes')
    await expect(pool.run('zstd', { raw, level: 99 })).rejects.toMatchObject({ code: 'codec-failed', message: expect.stringContaining('99') as string })
    expect(zstdDecompressSync(await pool.run('zstd', { raw, level: 1 }))).toEqual(raw)
  })

  test('what a thread did not finish is done on the calling one', async () => {
    const pool = poolOf(2)
    const raw = randomBytes(1 << 20)
    const under = Array.from({ length: 12 }, () => pool.run('zstd', { raw, level: 19 }))
    await pool[Symbol.asyncDispose]()
    for (const stored of await Promise.all(under)) expect(zstdDecompressSync(stored).equals(raw)).toBe(true)
  })

  test('memory that is handed over comes back with the answer, and is gone with its thread', async () => {
    const pool = poolOf(1)
    const current = indexed(pictureOf({ width: 64, height: 4, colorType: 0, bitDepth: 8, head: new Uint8Array(), tail: new Uint8Array(), pixels: randomBytes(256) }))
    const pixels = [...current.picture.pixels]
    const coded = pool.run('frame', { current, references: [], effort: 'quick' }, memoryOf(current))
    expect(isWhole(current.picture)).toBe(false)
    const back = (await coded).current
    expect([...back.picture.pixels]).toEqual(pixels)
    const lost = pool.run('frame', { current: back, references: [], effort: 'quick' }, memoryOf(back))
    await pool[Symbol.asyncDispose]()
    await expect(lost).rejects.toMatchObject({ code: 'codec-failed' })
    expect(isWhole(back.picture)).toBe(false)
  })

  test('a job that is no job ends its thread, and the error is told', async () => {
    const pool = poolOf(1)
    await expect(pool.run('cut', undefined as never)).rejects.toThrow(TypeError)
    expect((await pool.run('cut', cutInput(new Uint8Array(10)))).lengths).toEqual([])
  })
})

test('threads that rest are ended, and started again for the next job', async () => {
  const pool = new WorkerPool({ threads: 1, restMs: 1 })
  for (let time = 0; time < 3; time++) {
    expect((await pool.run('cut', cutInput(new Uint8Array(10)))).lengths).toEqual([])
    while (pool.running > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
})

test('memory that nobody uses is handed out again', () => {
  const slabs = new Slabs(100, 1)
  const [first, second] = [slabs.take(), slabs.take()]
  slabs.give(first)
  slabs.give(second)
  expect(slabs.take()).toBe(first)
  expect(slabs.take()).not.toBe(second)
})

describeCodec({ ...zstdOn(inline), name: 'zstd (as a job)' }, [])
