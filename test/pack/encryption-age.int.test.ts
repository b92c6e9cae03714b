import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { encryptBody, openSealer } from '../../src/pack/encryption.ts'
import { openIdentities } from '../../src/pack/identities.ts'
import { readPack, sourceOf } from '../../src/pack/read-pack.ts'
import { packFileName } from '../../src/transfer/destination.ts'
import { runOnce } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { capture, makeKey, marker, newPlace, packsIn, type Key } from './encrypted-place.ts'
import { LogMaker, addSegment, lines, noise, stamp, streamOf } from './make-log.ts'

const hasAge = spawnSync('age', ['--version']).status === 0
const python = '/usr/bin/python3'
const hasPython = spawnSync(python, ['-c', 'import zstandard']).status === 0

let ours: Key
let next: Key
let stranger: Key
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  ;[ours, next, stranger] = [await makeKey(folder, 'ours'), await makeKey(folder, 'next'), await makeKey(folder, 'stranger')]
})

afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(!hasAge)('Debian’s age (package age)', () => {
  test('opens a pack with the command of docs/encryption.md, and what it encrypts to several is read', async () => {
    const place = await newPlace({ recipients: [stranger, ours] })
    capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(0)
    const [pack] = packsIn(place)
    const path = join(place.folder, 'a.pack')
    writeFileSync(path, pack!)
    const body = execFileSync('sh', ['-c', `tail -c +$((92 + $(printf %s laptop-1 | wc -c))) "${path}" | age -d -i "${ours.file}"`], { maxBuffer: 1 << 26 })
    expect(body.includes(marker)).toBe(true)
    expect(body.subarray(-4).toString()).toBe('SLM1')
    const theirs = execFileSync('age', ['-r', next.recipient, '-r', ours.recipient], { input: body, maxBuffer: 1 << 26 })
    const { name, bytes } = stamp(theirs, { seq: 1, encryption: 'age' })
    for (const { identity } of [ours, next]) {
      const read = await readPack(sourceOf(bytes), name, zstdNative, await openIdentities([['k', identity]]))
      expect(read.manifest.entries).toHaveLength(1)
    }
  })

  test('opens files of every size that we write', async () => {
    const sealer = await openSealer([ours.recipient], noise('secret', 32))
    for (const size of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
      const parts: Uint8Array[] = []
      await encryptBody(sealer, sourceOf(noise('body', size)), async (bytes) => void parts.push(Uint8Array.from(bytes)))
      const plain = execFileSync('age', ['-d', '-i', ours.file], { input: Buffer.concat(parts), maxBuffer: 1 << 26 })
      expect(Buffer.compare(plain, noise('body', size))).toBe(0)
    }
  })

  test.skipIf(!hasPython)('serves the reader in Python written from docs/format.md (python3-zstandard)', async () => {
    const [root, out] = [await temporaryFolder(), await temporaryFolder()]
    const sealer = await openSealer([ours.recipient], noise('secret', 32))
    const made = new LogMaker({ sealer })
    const pointer = streamOf('pointer')
    for (const path of ['a', 'b']) await made.pack('monday', (builder) => addSegment(builder, pointer, { path, ...made.key('monday') }, lines('a', 200_000)))
    const packs = join(root, 'laptop-17')
    mkdirSync(packs)
    for (const { name, bytes } of made.packs) writeFileSync(join(packs, packFileName(name)), bytes)
    const program = join(import.meta.dirname, 'independent_reader.py')
    const report = JSON.parse(execFileSync(python, [program, packs, out, ours.file], { encoding: 'utf8' })) as Record<string, number>
    expect(report).toMatchObject({ packs: 2, files: 2 })
    expect(report['external']).toBeGreaterThan(0)
    expect(Buffer.compare(readFileSync(join(out, 'pointer/b')), lines('a', 200_000))).toBe(0)
    expect(spawnSync(python, [program, packs, join(out, 'x')], { encoding: 'utf8' }).stderr).toContain('no identity was given')
  })
})
