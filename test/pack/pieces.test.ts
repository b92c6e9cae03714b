import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { cut } from '../../src/pack/cut.ts'
import { FileCutter } from '../../src/pack/pieces.ts'
import { sha256 } from '../../src/pack/sha256.ts'
import { inline } from '../../src/workers/workers.ts'
import { noise } from './make-log.ts'

const whole = noise('pieces', 9 << 20)

/** Buffers as a file gives them: into the cutter's own memory, or into one that is used again at once. */
async function* buffersOf(bytes: Uint8Array, sizes: readonly number[], room: (() => Uint8Array) | undefined): AsyncGenerator<Uint8Array> {
  const own = new Uint8Array(bytes.length)
  for (let at = 0, next = 0; at < bytes.length; next++) {
    const to = room?.() ?? own
    const length = Math.min(sizes[next % sizes.length] ?? 1, bytes.length - at, to.length)
    to.set(bytes.subarray(at, at + length))
    at += length
    yield to.subarray(0, length)
    if (!room) own.fill(0xee)
  }
}

async function piecesOf(cutter: FileCutter, bytes: Uint8Array, sizes: readonly number[], usesRoom: boolean) {
  const chunks: { bytes: Buffer; name: string }[] = []
  let state = chunkerStart
  for await (const next of cutter.pieces(buffersOf(bytes, sizes, usesRoom ? cutter.room : undefined), state, undefined)) {
    const piece = await next.piece
    for (const chunk of piece.chunks) chunks.push({ bytes: Buffer.from(chunk.bytes), name: Buffer.from(chunk.name).toString('hex') })
    state = piece.state
    piece.lease.release()
  }
  return { chunks, state }
}

describe('pieces of a file', () => {
  test('are the chunks of the whole, named by their content, whatever buffers they come in', async () => {
    const cutter = new FileCutter(inline)
    await fc.assert(fc.asyncProperty(
      fc.nat(whole.length), fc.array(fc.integer({ min: 1000, max: 5 << 20 }), { minLength: 1, maxLength: 4 }), fc.boolean(),
      async (length, sizes, usesRoom) => {
        const bytes = whole.subarray(0, length)
        const { chunks, state } = await piecesOf(cutter, bytes, sizes, usesRoom)
        expect(Buffer.concat(chunks.map((chunk) => chunk.bytes)).equals(bytes)).toBe(true)
        expect(chunks.every((chunk) => sha256(chunk.bytes).toString('hex') === chunk.name)).toBe(true)
        const expected = cut({ bytes, seen: 0, state: chunkerStart, chunkKey: undefined })
        expect(chunks.map((chunk) => chunk.bytes.length).slice(0, expected.lengths.length)).toEqual(expected.lengths)
        expect(chunks.length - expected.lengths.length).toBeLessThanOrEqual(1)
        expect(state).toEqual(expected.state)
      },
    ), { numRuns: 30 })
  })

  test('end with the error of whoever reads the file, after what came before it', async () => {
    const cutter = new FileCutter(inline)
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield whole.subarray(0, 1 << 20)
      throw new Error('the disk is gone')
    }
    await expect((async () => { for await (const piece of cutter.pieces(failing(), chunkerStart, undefined)) expect(piece).toBeDefined() })())
      .rejects.toThrow('the disk is gone')
    expect((await piecesOf(cutter, whole.subarray(0, 3 << 20), [1 << 20], true)).chunks.length).toBeGreaterThan(10)
  })
})
