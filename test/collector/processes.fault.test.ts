/**
 * Claim: whatever collectors on one folder are doing, and whenever one is killed, a device's log has no gap and no fork, every
 * pack that was answered with 204 is in it whole, and what was sent of the one that was not goes on.
 *
 * Method: real processes. Two collectors are sent rival packs for the same place of a log at once, again and again. Then a
 * collector is killed (SIGKILL) at random moments while packs are sent to it, and started again on the same folder.
 * In another test, a commit is left at each of the points where a collector may die, and another one comes upon it.
 *
 * Not modelled: power failures (a kill leaves what was written), file systems without hard links, several machines.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { link, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Accounts } from '../../src/collector/accounts.ts'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { checkPack } from '../../src/collector/pack-check.ts'
import { mayFollow } from '../../src/collector/placement.ts'
import type { CollectorStore } from '../../src/collector/store.ts'
import { uploadId } from '../../src/collector/upload-id.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { packFileName } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { contentOf, packOf, type TestPack } from '../transfer/packs.ts'
import { creation } from './bench.ts'
import { startProgram, type Program } from './program.ts'

const listen = ['--listen', '127.0.0.1:0']
const logAt = (folder: string) => folderDestination(pathToFileURL(folder).href, realDisk)

async function program(folder: string): Promise<Program> {
  const started = await startProgram('--folder', folder, ...listen)
  onTestFinished(() => void started.child.kill('SIGKILL'))
  return started
}

async function enrolled(folder: string, device = 'laptop-1'): Promise<string> {
  const { records } = await openFolderStore(folder, realDisk, Date.now)
  const accounts = new Accounts(records, Date.now, 0)
  const token = await accounts.makeToken({ device, uses: 1, expiresAt: Date.now() + 60_000 })
  return (await accounts.enrol(device, token)).credential
}

/** Creates an upload and sends all that is missing, telling what was given before each piece; the status of the last answer. */
async function send(url: string, credential: string, pack: TestPack, giving: (bytes: number) => void = () => {}): Promise<number> {
  const headers = { 'authorization': `Bearer ${credential}`, 'tus-resumable': '1.0.0' }
  const { headers: creating = {} } = creation(pack)
  const created = await fetch(url, { method: 'POST', headers: { ...headers, ...creating } })
  const offset = Number(created.headers.get('upload-offset'))
  if (created.status !== 201 || offset === pack.sizeBytes) return created.status
  const patch = { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset) }
  const body = ReadableStream.from((function *() {
    for (let at = offset; at < pack.sizeBytes; at += 65_536) {
      giving(at)
      yield pack.bytes.subarray(at, at + 65_536)
    }
  })())
  const init = { method: 'PATCH', headers: { ...headers, ...patch }, body, duplex: 'half' } as const
  return (await fetch(new URL(`uploads/${uploadId(pack.name)}`, url), init)).status
}

describe('two collectors on one folder', () => {
  test('sent rival packs at once take one of them, every time', async () => {
    const folder = await temporaryFolder()
    const [one, two] = [await program(folder), await program(folder)]
    const credential = await enrolled(folder)
    let head: TestPack | undefined
    for (let seq = 1; seq <= 15; seq++) {
      const rivals = [1, 2, 3, 4].map(() => packOf(seq, randomBytes(20_000), 'laptop-1', head))
      const statuses = await Promise.all(rivals.map((pack, at) => send(at % 2 ? one.url : two.url, credential, pack)))
      expect(statuses.filter((status) => status === 204), `seq ${seq}: ${statuses.join()}`).toHaveLength(1)
      expect(statuses.filter((status) => status === 409 || status === 404), `seq ${seq}: ${statuses.join()}`).toHaveLength(3)
      head = rivals[statuses.indexOf(204)]
      const log = await logAt(folder).list('laptop-1')
      expect([log.length, log.at(-1)]).toEqual([seq, head?.name])
    }
    expect(await readdir(join(folder, '.collector/claims'))).toEqual([])
    expect(await readdir(join(folder, '.collector/work'))).toEqual([])
    expect([await one.end('SIGTERM'), await two.end('SIGTERM')]).toEqual([0, 0])
  })
})

describe('a collector that is killed', () => {
  test('at any moment leaves a log that goes on where it was', async () => {
    const folder = await temporaryFolder()
    const credential = await enrolled(folder)
    let running = await program(folder)
    let head: TestPack | undefined
    let kills = 0
    for (let seq = 1; seq <= 6; seq++) {
      const pack = packOf(seq, randomBytes(8 << 20), 'laptop-1', head)
      // Once while it takes the bytes, at least; then whatever it does at that time.
      let lastByte = randomInt(1, pack.sizeBytes - 65_536)
      for (let status = 0; status !== 204 && status !== 201;) {
        const timer = setTimeout(() => running.child.kill('SIGKILL'), randomInt(10, 500))
        status = await send(running.url, credential, pack, (bytes) => {
          if (bytes < lastByte) return
          lastByte = Infinity
          running.child.kill('SIGKILL')
        }).catch(() => 0)
        clearTimeout(timer)
        if (running.child.killed) {
          kills++
          running = await program(folder)
        }
      }
      expect((await contentOf(logAt(folder), pack.name)).equals(pack.bytes)).toBe(true)
      head = pack
    }
    const log = await logAt(folder).list('laptop-1')
    expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 6 }, (_, at) => at + 1))
    expect(kills).toBeGreaterThanOrEqual(6)
  }, 180_000)
})

describe('a claim that was left behind', () => {
  const commit = async (store: CollectorStore, pack: TestPack): Promise<void> => {
    const incoming = await store.begin(pack.name, pack.sizeBytes)
    await store.append(incoming, 0, (async function *() { yield pack.bytes })())
    const check = checkPack(pack.name)
    await store.commit(incoming, check, (head) => { mayFollow(pack.name, check.header, head) })
  }
  /** What a collector leaves that dies between claiming a place and putting the pack into the log. */
  const claim = async (folder: string, pack: TestPack): Promise<void> => {
    const copy = join(folder, '.collector/work', pack.name.hash)
    await writeFile(copy, pack.bytes)
    await link(copy, join(folder, `.collector/claims/laptop-1-${pack.name.seq}`))
  }
  const opened = async () => {
    const folder = await temporaryFolder()
    return { folder, store: await openFolderStore(folder, realDisk, Date.now) }
  }

  test('is finished for its owner, who sends the pack again', async () => {
    const { folder, store } = await opened()
    const pack = packOf(1, randomBytes(1000))
    await claim(folder, pack)
    await commit(store, pack)
    expect(await logAt(folder).list('laptop-1')).toEqual([pack.name])
    expect(await readdir(join(folder, '.collector/claims'))).toEqual([])
  })

  test('is finished before a rival is refused', async () => {
    const { folder, store } = await opened()
    const [owner, rival] = [packOf(1, randomBytes(1000)), packOf(1, randomBytes(1000))]
    await claim(folder, owner)
    await expect(commit(store, rival)).rejects.toMatchObject({ code: 'log-forked', head: { seq: 1, hash: owner.name.hash } })
    expect(await logAt(folder).list('laptop-1')).toEqual([owner.name])
    expect(await readdir(join(folder, '.collector/claims'))).toEqual([])
  })

  test('by a pack that is in the log is swept, one that does not fit the log stays', async () => {
    const { folder, store } = await opened()
    const [first, second] = [packOf(1, randomBytes(1000)), packOf(2, randomBytes(1000))]
    await commit(store, first)
    await claim(folder, first)
    await claim(folder, second)
    await store.sweep()
    expect(await readdir(join(folder, '.collector/claims'))).toEqual(['laptop-1-2'])
    expect(await readdir(join(folder, 'laptop-1'))).toEqual([packFileName(first.name)])
  })

  test('of another predecessor is not finished, and not in the way', async () => {
    const { folder, store } = await opened()
    const first = packOf(1, randomBytes(1000))
    await commit(store, first)
    await claim(folder, packOf(2, randomBytes(1000), 'laptop-1', packOf(1, randomBytes(9))))
    const second = packOf(2, randomBytes(1000), 'laptop-1', first)
    await commit(store, second)
    expect(await logAt(folder).list('laptop-1')).toEqual([first.name, second.name])
  })

  test('a pack whose bytes change behind the back of the check is kept as it was checked', async () => {
    const { folder, store } = await opened()
    const pack = packOf(1, randomBytes(300_000))
    const incoming = await store.begin(pack.name, pack.sizeBytes)
    await store.append(incoming, 0, (async function *() { yield pack.bytes })())
    const check = checkPack(pack.name)
    const late = (): Promise<unknown> => store.append(incoming, 0, (async function *() { yield randomBytes(200_000) })()).catch(() => undefined)
    await store.commit(incoming, { pass: async function *(bytes) {
      yield *check.pass(bytes)
      await late()
    }, get header() { return check.header } }, () => undefined)
    await late()
    expect((await contentOf(logAt(folder), pack.name)).equals(pack.bytes)).toBe(true)
  })
})
