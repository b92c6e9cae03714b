import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codecIds } from '../../src/compress/codec.ts'
import { chunkerStart } from '../../src/pack/chunker.ts'
import { maxChainBytes, maxLineageDepth, mayContinue } from '../../src/pack/lineage.ts'
import type { ReadPack } from '../../src/pack/read-pack.ts'
import { generateLines } from '../compress/json-lines/generate.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { Desk } from './desk.ts'
import { fakeTake, lines, noise, streamOf } from './make-log.ts'
import { Random } from './mutate.ts'

const log = streamOf('log')

/** Packs a log that grows by pieces, one pack each. */
async function grow(at: Desk, bytes: Buffer, pieces: number, from = 0, to = pieces): Promise<void> {
  for (let piece = from; piece < to; piece++) {
    const { offset, chunker } = at.journal.byPath('log', Buffer.from('log')) ?? { offset: 0, chunker: chunkerStart }
    const end = Math.floor(((piece + 1) * bytes.length) / pieces)
    await at.pack([fakeTake(log, 'log', bytes.subarray(offset, end), { startOffset: offset, chunker })])
  }
}

const codecsOf = (packs: readonly ReadPack[]) => packs.flatMap(({ manifest }) => manifest.blocks.map(({ codec }) => codec))

describe('packing JSON lines', () => {
  test('cut anywhere, every byte comes back, in fewer than without columns', async () => {
    const bytes = lines('grown', 400_000)
    const at = new Desk(await temporaryFolder(), { level: 6 })
    await grow(at, bytes, 7)
    const { packs, files, problems } = await at.send()
    expect(problems).toEqual([])
    expect(Buffer.compare(files.get('log/log')!, bytes)).toBe(0)
    expect(codecsOf(packs)).toEqual(Array(7).fill(codecIds.lines))
    expect(packs.map(({ manifest }) => manifest.blocks[0]!.referenceDistance)).toEqual([0, 1, 1, 1, 1, 1, 1])
    const plain = new Desk(await temporaryFolder(), { level: 6 })
    // A NUL byte early in each block: no JSON, but for this as compressible.
    for (let piece = 0; piece < 7; piece++) {
      const part = Buffer.concat([Buffer.of(0), bytes.subarray((piece * bytes.length) / 7, ((piece + 1) * bytes.length) / 7)])
      await plain.pack([fakeTake(log, String(piece), part)])
    }
    const { packs: others } = await plain.send()
    expect(codecsOf(others)).toEqual(Array(7).fill(codecIds.zstd))
    const stored = (of: readonly ReadPack[]) => of.flatMap(({ manifest }) => manifest.blocks).reduce((sum, { storedBytes }) => sum + storedBytes, 0)
    expect(stored(packs)).toBeLessThan(stored(others) * 0.8)
  })

  test('of any kind, and what is none in between, come back byte for byte', async () => {
    const at = new Desk(await temporaryFolder())
    const files = new Map<string, Buffer>()
    for (let seed = 0; seed < 40; seed++) {
      const bytes = seed % 5 === 4 ? noise(String(seed), 3000) : Buffer.from(generateLines(new Random(seed), 1 + (seed % 90)))
      files.set(`log/${seed}`, bytes)
      await at.pack([fakeTake(log, String(seed), bytes)])
    }
    const { packs, files: restored, problems } = await at.send()
    expect(problems).toEqual([])
    for (const [name, bytes] of files) expect(Buffer.compare(restored.get(name)!, bytes), name).toBe(0)
    expect(new Set(codecsOf(packs))).toEqual(new Set([codecIds.raw, codecIds.zstd, codecIds.lines]))
  })

  test('after a restart the chain goes on where it was, and begins anew when what was kept of it is damaged', async () => {
    const bytes = lines('restarted', 300_000)
    const first = new Desk(await temporaryFolder())
    await grow(first, bytes, 6, 0, 2)
    await first.lineages.save()
    const second = new Desk(first.folder)
    await grow(second, bytes, 6, 2, 4)
    await writeFile(join(first.folder, 'lineages', 'log.lineage'), 'damaged')
    const third = new Desk(first.folder)
    await grow(third, bytes, 6, 4)
    const { packs, files, problems } = await third.send()
    expect(problems).toEqual([])
    expect(packs.map(({ manifest }) => manifest.blocks[0]!.referenceDistance)).toEqual([0, 1, 1, 1, 0, 1])
    expect(codecsOf(packs)).toEqual(Array(6).fill(codecIds.lines))
    expect(Buffer.compare(files.get('log/log')!, bytes)).toBe(0)
  })

  test('a chain ends by its blocks or by their bytes, whichever comes first', () => {
    expect(mayContinue({ depth: maxLineageDepth - 1, chainBytes: 1000 }, 1000)).toBe(true)
    expect(mayContinue({ depth: maxLineageDepth, chainBytes: 1000 }, 1000)).toBe(false)
    expect(mayContinue({ depth: 3, chainBytes: maxChainBytes - 1000 }, 1000)).toBe(true)
    expect(mayContinue({ depth: 3, chainBytes: maxChainBytes - 1000 }, 1001)).toBe(false)
  })
})
