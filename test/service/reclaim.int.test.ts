import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { freely, nextPack, makePlace, openParts, packAll, readStored, runOnce, sendAll, type Parts, type Place } from './harness.ts'

async function placeThatDeletes(more = 'onSent: delete'): Promise<Place> {
  const place = await makePlace({ shots: more })
  mkdirSync(place.state)
  return place
}

const shot = (place: Place, name: string): string => join(place.shots, name)

/** Whether a version with this content can be restored. */
async function isStored({ destination }: Parts, content: string): Promise<boolean> {
  return (await readStored(destination)).captured.some((version) => version.complete && version.bytes.toString() === content)
}

test('a whole file is deleted once its pack has arrived, not before; append files and other streams are never touched', async () => {
  const place = await placeThatDeletes()
  writeFileSync(shot(place, 'a.bin'), 'one')
  writeFileSync(join(place.log, 'a.log'), 'kept')
  const events: SluiceEvent[] = []
  const parts = await openParts(place, { emit: (event) => events.push(event) })
  await packAll(parts)
  await parts.reclaim.run()
  expect(existsSync(shot(place, 'a.bin'))).toBe(true)
  await sendAll(parts)
  await parts.reclaim.run()
  expect(existsSync(shot(place, 'a.bin'))).toBe(false)
  expect(existsSync(join(place.log, 'a.log'))).toBe(true)
  expect(await isStored(parts, 'one')).toBe(true)
  await packAll(parts)
  expect(events.filter(({ event }) => event.startsWith('capture.'))).toEqual([{ event: 'capture.reclaimed', stream: 'shots', files: 1, bytes: 3 }])
  parts.journal[Symbol.dispose]()
})

test('with onSent: keep nothing is deleted', async () => {
  const place = await placeThatDeletes('onSent: keep')
  writeFileSync(shot(place, 'a.bin'), 'one')
  expect((await runOnce(place)).code).toBe(0)
  expect(existsSync(shot(place, 'a.bin'))).toBe(true)
})

describe('a file that is another one than was packed is kept and packed again', () => {
  test.each<[string, (path: string) => void]>([
    ['written anew with the same size', (path) => writeFileSync(path, 'two')],
    ['written anew, its time set back', (path) => {
      const { atime, mtime } = statSync(path)
      writeFileSync(path, 'two')
      utimesSync(path, atime, mtime)
    }],
    ['grown', (path) => writeFileSync(path, 'one and more')],
    ['replaced by rename', (path) => {
      writeFileSync(`${path}.new`, 'two')
      renameSync(`${path}.new`, path)
    }],
  ])('%s', async (_, change) => {
    const place = await placeThatDeletes()
    writeFileSync(shot(place, 'a.bin'), 'one')
    const parts = await openParts(place)
    await packAll(parts)
    change(shot(place, 'a.bin'))
    const now = readFileSync(shot(place, 'a.bin'), 'utf8')
    await sendAll(parts)
    await parts.reclaim.run()
    expect(readFileSync(shot(place, 'a.bin'), 'utf8')).toBe(now)
    await packAll(parts)
    await sendAll(parts)
    await parts.reclaim.run()
    expect(existsSync(shot(place, 'a.bin'))).toBe(false)
    expect(await isStored(parts, 'one')).toBe(true)
    expect(await isStored(parts, now)).toBe(true)
    parts.journal[Symbol.dispose]()
  })
})

test('what a crash left between arrival and deletion is deleted at the next start', async () => {
  const place = await placeThatDeletes()
  writeFileSync(shot(place, 'a.bin'), 'one')
  const parts = await openParts(place)
  await packAll(parts)
  await sendAll(parts)
  parts.journal[Symbol.dispose]()
  expect(existsSync(shot(place, 'a.bin'))).toBe(true)
  expect((await runOnce(place)).code).toBe(0)
  expect(existsSync(shot(place, 'a.bin'))).toBe(false)
})

test('what a crash left between deletion and the journal is settled at the next start', async () => {
  const place = await placeThatDeletes()
  writeFileSync(shot(place, 'a.bin'), 'one')
  const parts = await openParts(place)
  await packAll(parts)
  await sendAll(parts)
  parts.journal.dropCursors = () => {
    throw new Error('killed')
  }
  await expect(parts.reclaim.run()).rejects.toThrow('killed')
  expect(existsSync(shot(place, 'a.bin'))).toBe(false)
  parts.journal[Symbol.dispose]()
  expect((await runOnce(place)).code).toBe(0)
  const next = await openParts(place)
  expect([...next.journal.inodes('shots')]).toEqual([])
  next.journal[Symbol.dispose]()
})

test('a file whose beginning waits in a pack of another queue is not deleted before that has arrived too', async () => {
  const place = await placeThatDeletes()
  writeFileSync(join(place.log, 'a.log'), 'waits')
  writeFileSync(shot(place, 'a.bin'), 'one')
  const parts = await openParts(place)
  await packAll(parts)
  const shots = nextPack(parts, ['free'])
  if (!shots) throw new Error('nothing to send')
  await parts.sender.send(shots, freely())
  await parts.reclaim.run()
  expect(existsSync(shot(place, 'a.bin'))).toBe(true)
  await sendAll(parts)
  await parts.reclaim.run()
  expect(existsSync(shot(place, 'a.bin'))).toBe(false)
  parts.journal[Symbol.dispose]()
})

describe('after the journal was rebuilt', () => {
  test('a file whose content is at the destination is deleted, one that waits in the spool is not', async () => {
    const place = await placeThatDeletes()
    writeFileSync(shot(place, 'a.bin'), 'one')
    const parts = await openParts(place)
    await packAll(parts)
    await sendAll(parts)
    writeFileSync(shot(place, 'b.bin'), 'two')
    await packAll(parts)
    parts.journal[Symbol.dispose]()
    rmSync(journalPath(place.state))
    const next = await openParts(place)
    await next.reclaim.run()
    expect([existsSync(shot(place, 'a.bin')), existsSync(shot(place, 'b.bin'))]).toEqual([false, true])
    await sendAll(next)
    await next.reclaim.run()
    expect(existsSync(shot(place, 'b.bin'))).toBe(false)
    next.journal[Symbol.dispose]()
  })

  test('a file whose content is missing from the destination is packed again before it is deleted', async () => {
    const place = await placeThatDeletes()
    writeFileSync(shot(place, 'a.bin'), 'the same content')
    const parts = await openParts(place)
    await packAll(parts)
    await sendAll(parts)
    writeFileSync(shot(place, 'b.bin'), 'the same content')
    await packAll(parts)
    await sendAll(parts)
    const [first] = await parts.destination.list('laptop-1')
    parts.journal[Symbol.dispose]()
    rmSync(journalPath(place.state))
    rmSync(join(place.packs, 'laptop-1', `${String(first?.seq).padStart(10, '0')}-${first?.hash}.pack`))
    const next = await openParts(place)
    await next.reclaim.run()
    expect(existsSync(shot(place, 'b.bin'))).toBe(true)
    await packAll(next)
    await sendAll(next)
    await next.reclaim.run()
    expect(existsSync(shot(place, 'b.bin'))).toBe(false)
    next.journal[Symbol.dispose]()
  })
})

test.skipIf(process.getuid?.() === 0 && !existsSync('/usr/bin/chattr'))('a file that cannot be deleted stays, is told once, and holds up nothing', async ({ skip }) => {
  const place = await placeThatDeletes()
  writeFileSync(shot(place, 'a.bin'), 'one')
  const events: SluiceEvent[] = []
  const parts = await openParts(place, { emit: (event) => events.push(event) })
  await packAll(parts)
  await sendAll(parts)
  const release = makeUndeletable(place.shots)
  if (!release) return skip('folders cannot be protected here')
  try {
    await parts.reclaim.run()
    await parts.reclaim.run()
  } finally {
    release()
  }
  expect(existsSync(shot(place, 'a.bin'))).toBe(true)
  expect(events.filter(({ event }) => event === 'capture.not-reclaimed')).toHaveLength(1)
  parts.journal[Symbol.dispose]()
})

/** Lets nobody remove files from a folder, root included; undefined where that cannot be done. */
function makeUndeletable(folder: string): (() => void) | undefined {
  if (process.getuid?.() !== 0) {
    chmodSync(folder, 0o500)
    return () => chmodSync(folder, 0o700)
  }
  const change = (flag: string): boolean => spawnSync('chattr', [flag, folder]).status === 0
  return change('+a') ? () => void change('-a') : undefined
}
