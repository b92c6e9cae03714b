import { appendFileSync, chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCorpus, replay } from '../../bench/lib/corpus.ts'
import { generateSession } from '../../bench/lib/generated-session.ts'
import { generateMixedFiles, generateSingleFile } from '../../bench/lib/mixed-files.ts'
import { bytesBelow, compareTrees, filesBelow } from '../../bench/lib/trees.ts'

let folder: string
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'sluice-')) })
afterAll(async () => { await rm(folder, { recursive: true }) })

describe('the replay of a session', () => {
  test('after the last slice every file is what was recorded, and each slice only adds', async () => {
    const recorded = join(folder, 'recorded')
    generateSession(recorded)
    const corpus = openCorpus(recorded)
    const played = join(folder, 'played')
    const sizes: number[] = []
    for (const slice of replay(corpus, played, 7)) {
      expect(slice).toBe(sizes.length + 1)
      sizes.push(await bytesBelow(played))
    }
    expect(sizes).toHaveLength(7)
    expect(sizes).toEqual([...sizes].sort((a, b) => a - b))
    expect(new Set(sizes).size).toBe(7)
    expect(sizes.at(-1)).toBe(corpus.rawBytes)
    expect((await compareTrees(recorded, played)).content).toEqual(['missing: timeline.jsonl'])
  })

  test('a stream is whole when nothing in it is appended to', () => {
    const kinds = Object.fromEntries(openCorpus(join(folder, 'recorded')).streams.map(({ name, files }) => [name, files]))
    expect(kinds).toEqual({ dom: 'append', pointer: 'append', screens: 'whole' })
  })

  test('a folder without a timeline is refused', () => {
    expect(() => openCorpus(join(folder, 'nowhere'))).toThrow(/timeline\.jsonl is missing/)
  })
})

describe('comparing folders', () => {
  test('names what is missing, unexpected, of other content or of another mode', async () => {
    const [a, b] = [join(folder, 'a'), join(folder, 'b')]
    for (const root of [a, b]) {
      mkdirSync(join(root, 'deep'), { recursive: true })
      for (const name of ['same', 'deep/other']) writeFileSync(join(root, name), 'content')
    }
    writeFileSync(join(a, 'only-a'), '')
    writeFileSync(join(b, 'only-b'), '')
    appendFileSync(join(b, 'deep/other'), '!')
    chmodSync(join(b, 'same'), 0o600)
    const { content, metadata } = await compareTrees(a, b)
    expect(content).toEqual(['missing: only-a', 'unexpected: only-b', 'differs: deep/other'])
    expect(metadata).toContain('mode: same')
  })
})

describe.skipIf(process.platform !== 'linux')('generated files (cuts pieces from /usr/lib, Linux only)', () => {
  const sizeBytes = 20 << 20

  test('the shares hold and the same seed gives the same files', async () => {
    const [first, second, other] = [join(folder, 'first'), join(folder, 'second'), join(folder, 'other')]
    const mixed = await generateMixedFiles(first, sizeBytes, 5)
    await generateMixedFiles(second, sizeBytes, 5)
    await generateMixedFiles(other, sizeBytes, 6)
    expect(await bytesBelow(first)).toBe(sizeBytes)
    for (const [kind, share] of [['text', 0.4], ['random', 0.3], ['binary', 0.2], ['copies', 0.1]] as const) {
      expect(mixed.bytesOf[kind] / sizeBytes).toBeCloseTo(share, 5)
    }
    expect((await compareTrees(first, second)).content).toEqual([])
    expect((await compareTrees(first, other)).content).not.toEqual([])
    expect((await filesBelow(first)).length).toBe(mixed.files.length)
  })

  test('a single file has exactly the size asked for', async () => {
    const single = join(folder, 'single')
    mkdirSync(single)
    generateSingleFile(join(single, 'file'), (3 << 20) + 17)
    expect(await bytesBelow(single)).toBe((3 << 20) + 17)
  })
})
