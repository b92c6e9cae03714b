/**
 * Encryption of packs that hold frames and columns. A marker stands in pixels, in the text of PNGs and in JSON, where the
 * caches of frames and of lineages would hold it as it is; without recipients they do.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { codecIds } from '../../src/compress/codec.ts'
import { frameBytes } from '../../src/compress/frames/canonical.ts'
import type { FrameShape } from '../../src/compress/frames/frame.ts'
import { readPng } from '../../src/compress/frames/png.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { findCursors } from '../../src/journal/find-cursors.ts'
import { openSealer } from '../../src/pack/encryption.ts'
import { openIdentities } from '../../src/pack/identities.ts'
import { readLog } from '../../src/pack/read-log.ts'
import { readPack, sourceOf } from '../../src/pack/read-pack.ts'
import { sha256, toHex } from '../../src/pack/sha256.ts'
import { changePixels, chunkOf, drawPixels, makePng } from '../compress/frames/make-png.ts'
import { makePlace, runOnce, sluice, type Place } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { configure, isEncrypted, leaks, makeKey, marker, nameOf, packsIn } from './encrypted-place.ts'
import { addPicture, device, LogMaker, noise, streamOf } from './make-log.ts'
import { Random } from './mutate.ts'

const shape: FrameShape = { width: 320, height: 200, colorType: 6, bitDepth: 8 }

/** Pictures of a screen, each made of the last one, with the marker in their pixels and in their text. */
function pictures(count: number): Buffer[] {
  const random = new Random(5)
  let pixels = drawPixels(random, shape)
  return Array.from({ length: count }, (_, at) => {
    pixels = changePixels(random, shape, pixels)
    pixels.set(Buffer.from(marker), 4 * shape.width * 20)
    pixels.set([at], 4 * shape.width * 30) // a change at least
    return makePng(shape, pixels, () => random.below(5), [chunkOf('tEXt', Buffer.from(`Title\0${marker}`))])
  })
}

function typed(from: number, count: number): Buffer {
  const events = Array.from({ length: count }, (_, at) => ({ at: (from + at) * 40, key: `k${(from + at) % 50}`, text: at % 7 === 0 ? marker : 'so' }))
  return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''))
}

/** Captures a picture and a piece of the log for each pack, with a run of the service after each. */
async function work(place: Place, shots: readonly Buffer[], from: number): Promise<Buffer> {
  for (const [index, png] of shots.entries()) {
    writeFileSync(join(place.shots, `${from + index}.png`), png)
    writeFileSync(join(place.log, 'keys.jsonl'), typed((from + index) * 2000, 2000), { flag: 'a' })
    expect((await runOnce(place)).code).toBe(0)
  }
  return readFileSync(join(place.log, 'keys.jsonl'))
}

async function pixelsOf(file: Uint8Array): Promise<Buffer> {
  return await sharp(file).raw().toBuffer()
}

test('screenshots as frames and JSON lines as columns are encrypted, checked and rebuilt, and no cache of them is left', async () => {
  const place = await makePlace({ more: '# more', shots: 'fidelity: pixels' })
  const key = await makeKey(place.folder, 'key')
  const shots = pictures(5)
  await configure(place, {})
  await work(place, shots.slice(0, 1), 0)
  expect(leaks(join(place.state, 'lineages')).map((path) => path.split('/').at(-1)).sort()).toEqual(['log.lineage', 'shots.frames'])

  await configure(place, { recipients: [key] })
  const log = await work(place, shots.slice(1), 1)
  // A picture that is there already, in a file with other bytes.
  writeFileSync(join(place.shots, 'again.png'), makePng(shape, readPng(shots[4]!)!.pixels, () => 0, [chunkOf('tEXt', Buffer.from(`Title\0${marker}`))]))
  expect((await runOnce(place)).code).toBe(0)
  expect(leaks(place.state)).toEqual([])
  expect(readdirSync(place.state).includes('lineages') ? readdirSync(join(place.state, 'lineages')) : []).toEqual([])

  const unlock = await openIdentities([['key', key.identity]])
  const encrypted = packsIn(place).filter(isEncrypted)
  expect(encrypted.every((pack) => !pack.includes(marker))).toBe(true)
  const manifests = await Promise.all(encrypted.map(async (pack) => (await readPack(sourceOf(pack), nameOf(pack), zstdNative, unlock)).manifest))
  const blocks = manifests.flatMap((manifest) => manifest.blocks)
  const frames = blocks.filter(({ codec }) => codec === codecIds.frame)
  expect(frames).toHaveLength(4)
  expect(blocks.some(({ codec }) => codec === codecIds.lines)).toBe(true)
  const names = frames.flatMap(({ chunks }) => chunks.map(({ hash }) => toHex(hash)))
  for (const png of shots) expect(names).not.toContain(toHex(sha256(frameBytes(readPng(png)!))))

  const verified = await sluice('verify', place.packs, '--identity', key.file)
  expect([verified.code, verified.stderr]).toEqual([0, ''])
  const out = await temporaryFolder()
  const pull = async () => JSON.parse((await sluice('pull', place.packs, out, '--json', '--identity', key.file)).stdout) as { files: number; present: number }
  expect(await pull()).toMatchObject({ files: 7, present: 0 })
  expect(await pull()).toMatchObject({ files: 7, present: 7 })
  expect(Buffer.compare(readFileSync(join(out, 'log/keys.jsonl')), log)).toBe(0)
  for (const [name, png] of [...shots.entries(), ['again', shots[4]!] as const]) {
    const restored = readFileSync(join(out, `shots/${name}.png`))
    expect(Buffer.compare(await pixelsOf(restored), await pixelsOf(png)), `${name}`).toBe(0)
    expect(restored.includes(marker)).toBe(true)
  }
})

test('frames of one run stand in encrypted packs too, and a picture on the disk is known by its keyed name', async () => {
  const folder = await temporaryFolder()
  const { identity, recipient } = await makeKey(folder, 'key')
  const log = new LogMaker({ sealer: await openSealer([recipient], noise('secret', 32)) })
  const stream = { ...streamOf('screens', 'whole', { fidelity: 'pixels' }), folder: join(folder, 'screens') }
  const files = pictures(3)
  for (const [at, file] of files.entries()) await log.pack('monday', (builder) => addPicture(builder, stream, `${at}.png`, file))
  const content = await readLog({
    destination: log.destination, device, zstd: zstdNative, content: true, unlock: await openIdentities([['key', identity]]),
  })
  expect([content.problems, content.closed]).toEqual([[], []])
  expect(content.versions.newestFirst().map(({ isFrame }) => isFrame)).toEqual([true, true, true])
  await mkdir(stream.folder)
  for (const [at, file] of files.entries()) await writeFile(join(stream.folder, `${at}.png`), at === 1 ? files[0]! : file)
  const cursors = findCursors([stream], content.versions.newestFirst())
  expect([...cursors.keys()].map(({ path }) => Buffer.from(path).toString()).sort()).toEqual(['0.png', '2.png'])
})
