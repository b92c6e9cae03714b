import { appendFileSync, cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { runService } from '../../daemon/run-service.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { parsePackFileName, type PackName } from '../../src/transfer/destination.ts'
import { CrashError, faultDisk } from '../fault-disk.ts'
import { destinationOf, freely, nextPack, bytesThere, ledgerBytes, makePlace, openParts, packAll, readStored, runOnce, sendAll, type Parts, type Place } from './harness.ts'
import { differences, Writer } from './written.ts'

interface World {
  readonly place: Place
  readonly writer: Writer
}

async function makeWorld(): Promise<World> {
  const place = await makePlace({ shots: 'fidelity: pixels' })
  const staging = join(place.folder, 'staging')
  mkdirSync(staging)
  mkdirSync(place.state)
  const writer = new Writer({ ...place, staging }, seededRandom(11))
  for (const name of ['a.log', 'b.log']) writer.append(name, 150_000)
  for (const name of ['one.bin', 'two.bin', 'three.bin']) writer.place(name, 90_000)
  for (const name of ['one.png', 'two.png', 'three.png']) writer.screen(name)
  return { place, writer }
}

/** Sends one pack wholly and the first slice of the next. */
async function sendOneAndAHalf(parts: Parts): Promise<void> {
  await sendAll(parts, 1)
  const stop = new AbortController()
  const pack = nextPack(parts)
  if (!pack) throw new Error('nothing to send')
  expect(await parts.sender.send(pack, { ...freely(stop.signal), onSent: () => stop.abort() })).toBe(false)
  expect(parts.journal.stamped()?.id).toBe(pack.id)
}

const progress = {
  'all packs in the spool': async () => undefined,
  'one pack sent and one half sent': sendOneAndAHalf,
  'everything sent': (parts: Parts) => sendAll(parts),
} satisfies Record<string, (parts: Parts) => Promise<unknown>>

/** What happened to the journal. It was closed by a kill: its log is still there. */
const damages = {
  'deleted': (path: string) => rmSync(path),
  'deleted with its log': (path: string) => ['', '-wal', '-shm'].forEach((suffix) => rmSync(path + suffix, { force: true })),
  'truncated': (path: string) => {
    rmSync(`${path}-wal`, { force: true })
    truncateSync(path, 5000)
  },
  'emptied': (path: string) => {
    for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
    truncateSync(path, 0)
  },
  'overwritten in the middle': (path: string) => {
    rmSync(`${path}-wal`, { force: true })
    const bytes = readFileSync(path)
    bytes.fill(0xa5, 4096, bytes.length - 100)
    writeFileSync(path, bytes)
  },
} satisfies Record<string, (path: string) => void>

/** Puts the journal's files where they were before it was closed, as a kill leaves them. */
function keepAsKilled(path: string): () => void {
  const kept = `${path}.kept`
  mkdirSync(kept)
  const files = ['', '-wal', '-shm'].filter((suffix) => existsSync(path + suffix))
  for (const suffix of files) cpSync(path + suffix, join(kept, `j${suffix}`))
  return () => {
    for (const suffix of files) cpSync(join(kept, `j${suffix}`), path + suffix)
    rmSync(kept, { recursive: true })
  }
}

async function packed({ place }: World, how: (parts: Parts) => Promise<unknown>): Promise<void> {
  const parts = await openParts(place)
  await packAll(parts)
  // What follows stands in the log alone: where the log outlives the journal, it fits no other.
  parts.journal.db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  await how(parts)
  const restore = keepAsKilled(journalPath(place.state))
  parts.journal[Symbol.dispose]()
  restore()
}

/** Runs on to the end in a new process, and compares. */
async function finish({ place, writer }: World): Promise<{ readonly events: SluiceEvent[]; readonly stored: Awaited<ReturnType<typeof readStored>> }> {
  const events: SluiceEvent[] = []
  const parts = await openParts(place, { emit: (event) => events.push(event) })
  await packAll(parts)
  await sendAll(parts)
  expect(parts.journal.unsent()).toEqual([])
  parts.journal[Symbol.dispose]()
  const stored = await readStored(parts.destination)
  expect(stored.problems).toEqual([])
  expect(stored.repeated).toEqual([])
  expect(differences(writer.generations, stored.captured)).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
  return { events, stored }
}

describe.each(Object.entries(damages))('a journal that was %s', (_, damage) => {
  test.each(Object.entries(progress))('with %s is rebuilt and says so; nothing is lost, nothing is there twice', async (what, how) => {
    const world = await makeWorld()
    await packed(world, how)
    damage(journalPath(world.place.state))
    world.writer.append('a.log', 40_000)
    const { events } = await finish(world)
    const rebuilt = events.find((event) => event.event === 'journal.rebuilt')
    expect(rebuilt).toMatchObject({ files: 8, packsFromDestination: expect.any(Number) as number })
    if (what === 'everything sent') expect(rebuilt).toMatchObject({ packsFromSpool: 0 })
    else expect((rebuilt as { packsFromSpool: number }).packsFromSpool).toBeGreaterThan(1)
  })
})

describe('the whole state folder deleted', () => {
  test('after everything was sent: nothing is packed again', async () => {
    const world = await makeWorld()
    await packed(world, progress['everything sent'])
    rmSync(world.place.state, { recursive: true })
    mkdirSync(world.place.state)
    const { events, stored } = await finish(world)
    expect(events.map(({ event }) => event)).toEqual(['journal.rebuilt'])
    expect(stored.captured).toHaveLength(8)
  })

  test('with packs in it that were not sent: their capture files are packed again, and only they', async () => {
    const world = await makeWorld()
    await packed(world, progress['one pack sent and one half sent'])
    rmSync(world.place.state, { recursive: true })
    mkdirSync(world.place.state)
    const parts = await openParts(world.place)
    await packAll(parts)
    await sendAll(parts)
    parts.journal[Symbol.dispose]()
    const { problems, captured } = await readStored(parts.destination)
    expect(problems).toEqual([])
    expect(differences(world.writer.generations, captured)).toEqual([])
  })
})

test('capture files that were changed, rotated or deleted meanwhile: what is there is captured, what was captured stays', async () => {
  const world = await makeWorld()
  const { place, writer } = world
  await packed(world, progress['everything sent'])
  rmSync(journalPath(place.state))
  writer.rotate('a.log')
  writer.append('a.log', 5000)
  const changed = readFileSync(join(place.shots, 'one.bin'))
  changed.fill(0, 100, 200)
  writeFileSync(join(place.shots, 'one.bin'), changed)
  rmSync(join(place.shots, 'two.bin'))
  const parts = await openParts(place)
  await packAll(parts)
  await sendAll(parts)
  parts.journal[Symbol.dispose]()
  const { captured, problems } = await readStored(parts.destination)
  expect(problems).toEqual([])
  const has = (path: string, bytes: Buffer): boolean => captured.some((version) => version.path === path && version.bytes.equals(bytes))
  for (const { path, bytes, stream } of writer.generations) {
    expect(has(path, bytes) || has(path.replace(/\.\d+$/, ''), bytes), `${stream}/${path}`).toBe(true)
  }
  expect(has('one.bin', changed)).toBe(true)
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
})

test('a destination with a gap: files whose content it no longer has are packed again, and every file can be restored', async () => {
  for (let missing = 0; ; missing++) {
    const world = await makeWorld()
    const { place, writer } = world
    await packed(world, progress['everything sent'])
    writer.append('b.log', 50_000)
    // Content of earlier packs in a later one, and a file in two packs.
    writeFileSync(join(place.shots, 'again.bin'), readFileSync(join(place.shots, 'one.bin')))
    await packed(world, progress['everything sent'])
    const log = join(place.packs, 'laptop-1')
    const packs = readdirSync(log).filter((name) => parsePackFileName('laptop-1', name)).sort()
    const name = packs[missing]
    if (name === undefined) break
    rmSync(join(log, name))
    rmSync(journalPath(place.state))
    const parts = await openParts(place)
    await packAll(parts)
    await sendAll(parts)
    parts.journal[Symbol.dispose]()
    const { captured } = await readStoredDamaged(parts)
    for (const { path, bytes } of [...writer.generations, { path: 'again.bin', bytes: readFileSync(join(place.shots, 'again.bin')) }]) {
      expect(captured.some((version) => version.equals(bytes)), `${path} without pack ${missing + 1}`).toBe(true)
    }
  }
})

/** The versions that can be restored from a log that is not whole. */
async function readStoredDamaged(parts: Parts): Promise<{ readonly captured: Buffer[] }> {
  const { readLog } = await import('../../src/pack/read-log.ts')
  const { zstdNative } = await import('../../src/compress/zstd-native.ts')
  const { log, versions } = await readLog({ destination: parts.destination, device: 'laptop-1', zstd: zstdNative, content: false })
  const captured: Buffer[] = []
  for (const { segments } of versions.newestFirst()) {
    const bytes: Uint8Array[] = []
    try {
      for (const segment of segments) for await (const chunk of log.content(segment)) bytes.push(Uint8Array.from(chunk))
      captured.push(Buffer.concat(bytes))
    } catch {
      continue // lost with the pack that is missing
    }
  }
  return { captured }
}

test('a pack that the journal could not take in leaves nothing that a later rebuild would send a second time', async () => {
  const world = await makeWorld()
  const parts = await openParts(world.place)
  const real = parts.journal.transaction.bind(parts.journal)
  parts.journal.transaction = () => {
    throw new SluiceError('state-full', 'made to fail', { transient: true })
  }
  // The epoch is begun in a transaction of its own; the one that fails is the pack's.
  parts.journal.beginEpoch = (queue, id, now) => void parts.journal.db.prepare('INSERT INTO epoch VALUES (?, ?, ?)').run(queue, id, now)
  await expect(packAll(parts)).rejects.toMatchObject({ code: 'state-full' })
  expect(await parts.spool.bodies()).toEqual([])
  parts.journal.transaction = real
  await packAll(parts)
  parts.journal[Symbol.dispose]()
  rmSync(journalPath(world.place.state))
  await finish(world)
})

test('a rebuild that is killed at any disk operation is begun again', async () => {
  for (let crashAt = 1; ; crashAt++) {
    const world = await makeWorld()
    await packed(world, progress['one pack sent and one half sent'])
    damages['truncated'](journalPath(world.place.state))
    const disk = faultDisk({ mode: 'kill', crashAt })
    const died = await openParts(world.place, { disk }).then(({ journal }) => {
      journal[Symbol.dispose]()
      return false
    }, (error: unknown) => {
      if (error instanceof CrashError) return true
      throw error
    })
    await disk.crash()
    await finish(world)
    if (!died) {
      expect(crashAt).toBeGreaterThan(5)
      break
    }
  }
})

test('a rebuild that is stopped ends before the next pack of the log, and is begun again', async () => {
  const world = await makeWorld()
  await packed(world, progress['everything sent'])
  rmSync(journalPath(world.place.state))
  const stop = new AbortController()
  const real = destinationOf(world.place)
  let opened = 0
  const destination = { ...real, open: async (name: PackName) => {
    if (++opened === 2) stop.abort()
    return await real.open(name)
  } }
  await expect(openParts(world.place, { destination, signal: stop.signal })).rejects.toMatchObject({ code: 'aborted' })
  expect(opened).toBe(2)
  expect(existsSync(journalPath(world.place.state))).toBe(false)
  const { stored } = await finish(world)
  expect(stored.packs).toBeGreaterThan(2)
})

test('the real service that is stopped while it rebuilds ends without a word, and before it begins to serve', async () => {
  const world = await makeWorld()
  await packed(world, progress['everything sent'])
  rmSync(journalPath(world.place.state))
  const stop = new AbortController()
  const events: SluiceEvent[] = []
  const ended = runService({ config: world.place.config, emit: (event) => events.push(event), signal: stop.signal })
  stop.abort()
  await ended
  expect([events, existsSync(journalPath(world.place.state))]).toEqual([[], false])
  await finish(world)
})

test('a config that names another device or destination is refused on this state, and nothing is touched', async () => {
  const world = await makeWorld()
  await packed(world, progress['all packs in the spool'])
  const { place } = world
  const text = readFileSync(place.configFile, 'utf8')
  for (const [from, to] of [['device: laptop-1', 'device: laptop-2'], [place.packs, `${place.packs}-2`]] as const) {
    writeFileSync(place.configFile, text.replace(from, to))
    const { code, stderr } = await runOnce(place)
    expect(code).toBe(1)
    expect(stderr).toContain('belongs to device laptop-1')
    expect(existsSync(`${place.packs}-2`)).toBe(false)
  }
  writeFileSync(place.configFile, text)
  await finish(world)
})

test('the real service puts a damaged journal aside, rebuilds it, and goes on', async () => {
  const world = await makeWorld()
  const { place } = world
  expect((await runOnce(place)).code).toBe(0)
  renameSync(journalPath(place.state), `${journalPath(place.state)}.old`)
  writeFileSync(journalPath(place.state), 'this is no database, but as long as one may be'.repeat(100))
  appendFileSync(join(place.log, 'a.log'), '')
  world.writer.append('a.log', 1000)
  const { code, stderr } = await runOnce(place)
  expect(stderr).toContain('journal rebuilt')
  expect(code).toBe(0)
  await finish(world)
})
