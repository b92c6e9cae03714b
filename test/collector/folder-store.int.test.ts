import { randomBytes } from 'node:crypto'
import { chown, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { describeCollectorStore, put } from '../suites/collector-store.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { chainOf, contentOf } from '../transfer/packs.ts'

describeCollectorStore('a folder', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const root = join(folder, 'packs')
  const reopen = () => openFolderStore(root, realDisk, Date.now)
  const written = folderDestination(pathToFileURL(root).href, realDisk)
  return {
    store: await reopen(),
    reopen,
    list: (device) => written.list(device),
    content: (name) => contentOf(written, name),
    claim: ({ name: { device, seq }, bytes }) => writeFile(join(root, `.collector/claims/${device}-${seq}`), bytes),
    claims: () => realDisk.list(join(root, '.collector/claims')),
    remove: () => rm(folder, { recursive: true }),
  }
})

test('a folder whose parent is missing is refused in words', async () => {
  const opened = openFolderStore('/nowhere/at/all', realDisk, Date.now)
  await expect(opened).rejects.toMatchObject({ code: 'state-unusable', message: expect.stringContaining('mounted') as string })
})

describe('a long log', () => {
  /** A store whose clock is ahead by as much as is said, and how often it has listed the log of a device. */
  const counted = async () => {
    const root = await temporaryFolder()
    let ahead = 0
    let lists = 0
    const disk = { ...realDisk, list: (path: string) => {
      if (path === join(root, 'laptop-1')) lists++
      return realDisk.list(path)
    } }
    const store = await openFolderStore(root, disk, () => Date.now() + ahead)
    const listsOf = async (work: () => Promise<unknown>): Promise<number> => {
      const before = lists
      await work()
      return lists - before
    }
    return { root, store, other: await openFolderStore(root, realDisk, Date.now), listsOf, later: () => { ahead += 10_000 } }
  }
  const packs = chainOf([1, 2, 3, 4].map(() => randomBytes(1000)))
  const [first, second, third, fourth] = packs

  test('that has not changed for a while is listed once, whoever asks', async () => {
    const { store, other, listsOf, later } = await counted()
    for (const pack of [first, second]) if (pack) await put(other, pack)
    later()
    expect(await listsOf(() => Promise.all(Array.from({ length: 50 }, () => store.head('laptop-1'))))).toBe(1)
    expect(await store.head('laptop-1')).toEqual(second?.name)
    expect(await listsOf(() => store.usage('laptop-1'))).toBe(1) // the sizes of all packs, once
    const bytes = packs.slice(0, 3).reduce((sum, pack) => sum + pack.sizeBytes, 0)
    expect(await listsOf(async () => { if (third) await put(store, third) })).toBe(0)
    later()
    expect(await listsOf(async () => {
      for (let at = 0; at < 10; at++) expect(await store.usage('laptop-1')).toMatchObject({ packs: 3, bytes })
      expect(await store.head('laptop-1')).toEqual(third?.name)
    })).toBe(1)
  })

  test('shows at once what another collector adds, even where somebody sets the time of the folder back', async () => {
    const { root, store, other, listsOf, later } = await counted()
    if (!first || !second || !third || !fourth) throw new Error('four packs')
    await put(other, first)
    later()
    expect(await store.head('laptop-1')).toEqual(first.name)
    await put(other, second)
    expect(await store.head('laptop-1')).toEqual(second.name)
    const folder = join(root, 'laptop-1')
    expect(await listsOf(() => store.head('laptop-1'))).toBe(0) // its clock is ahead: the folder seems to be at rest
    const long = 1_700_000_000
    await utimes(folder, long, long)
    expect(await store.head('laptop-1')).toEqual(second.name)
    await put(other, third)
    await utimes(folder, long, long)
    expect(await store.head('laptop-1')).toEqual(third.name)
    await put(other, fourth)
    expect(await store.usage('laptop-1')).toMatchObject({ packs: 4 })
  })

  test('that changed just now is listed by one after the other, and for all who wait together', async () => {
    const { store, other, listsOf } = await counted()
    if (first) await put(other, first)
    expect(await listsOf(async () => {
      const heads = await Promise.all(Array.from({ length: 50 }, () => store.head('laptop-1')))
      expect(new Set(heads.map((head) => head?.hash))).toEqual(new Set([first?.name.hash]))
    })).toBe(2)
    expect(await listsOf(() => store.head('laptop-1'))).toBe(1)
  })
})

test('the folder of a record goes with the last record in it, and comes again with the next', async () => {
  const root = await temporaryFolder()
  const { records } = await openFolderStore(root, realDisk, Date.now)
  for (const name of ['token.json', 'use-1']) await records.create(`tokens/x/${name}`, '{}')
  await records.remove('tokens/x/use-1')
  expect(await records.list('tokens/')).toEqual(['tokens/x/token.json'])
  await records.remove('tokens/x/token.json')
  expect(await readdir(join(root, '.collector/records/tokens'))).toEqual([])
  await Promise.all(Array.from({ length: 20 }, async (_, at) => {
    for (let round = 0; round < 10; round++) {
      expect(await records.create(`tokens/x/${at}`, '{}')).toBe(true)
      await records.remove(`tokens/x/${at}`)
    }
  }))
  expect(await records.list('tokens/')).toEqual([])
})

test.skipIf(process.getuid?.() !== 0)('what root makes belongs to the owner of the folder (needs root)', async () => {
  const [uid, gid] = [65534, 65533]
  const root = await temporaryFolder()
  await chown(root, uid, gid)
  const { records } = await openFolderStore(root, realDisk, Date.now)
  await records.create('tokens/x/token.json', '{}')
  await records.replace('devices/laptop-1.json', '{}')
  const made = await readdir(root, { recursive: true })
  expect(made).toContain('.collector/records/tokens/x/token.json')
  for (const name of made) expect(await stat(join(root, name)), name).toMatchObject({ uid, gid })
})
