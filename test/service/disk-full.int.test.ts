import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { bytesThere, destinationOf, ledgerBytes, makePlace, readStored, runOnce, sluice, Sluice, type Place } from './harness.ts'
import { differences, Writer } from './written.ts'

const mayMount = (() => {
  if (process.getuid?.() !== 0 || process.platform !== 'linux') return false
  const folder = '/tmp/sluice-mount-probe'
  mkdirSync(folder, { recursive: true })
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]).status === 0
  if (mounted) spawnSync('umount', [folder])
  rmSync(folder, { recursive: true })
  return mounted
})()

/** A disk of its own at a folder, until the test ends. */
function mountSmall(folder: string, size: string): void {
  mkdirSync(folder, { recursive: true })
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=700`, 'tmpfs', folder]).status).toBe(0)
  onTestFinished(() => void spawnSync('umount', ['-l', folder]))
}

/** Uses up all room in a folder; returns what gives it back. */
function fill(folder: string): () => void {
  const filler = join(folder, 'filler')
  for (const bytes of [1 << 20, 1 << 16, 4096]) {
    for (;;) {
      try {
        writeFileSync(filler, Buffer.alloc(bytes), { flag: 'a' })
      } catch {
        break
      }
    }
  }
  return () => rmSync(filler)
}

interface Small {
  readonly place: Place
  readonly writer: Writer
  /** The folder whose disk is small. */
  readonly disk: string
}

/** A place where one of spool, destination and state lies on a small disk of its own. */
async function makeSmall(which: 'spool' | 'destination' | 'state'): Promise<Small> {
  const base = await temporaryFolder()
  const disk = join(base, which)
  mountSmall(disk, '4m')
  const place = await makePlace(which === 'state' ? { state: disk } : which === 'destination' ? { packs: join(disk, 'packs') } : {})
  mkdirSync(place.state, { recursive: true, mode: 0o700 })
  const elsewhere = join(base, 'elsewhere')
  mkdirSync(elsewhere)
  if (which === 'spool') symlinkSync(disk, join(place.state, 'spool'))
  if (which === 'state') symlinkSync(elsewhere, join(place.state, 'spool'))
  const staging = join(place.folder, 'staging')
  mkdirSync(staging)
  return { place, disk, writer: new Writer({ ...place, staging }, seededRandom(5)) }
}

function write(writer: Writer): void {
  writer.append('a.log', 120_000)
  writer.append('b.log', 80_000)
  writer.place(undefined, 100_000)
}

async function reasonsNow(place: Place): Promise<string[]> {
  const { stdout } = await sluice('status', '--json', '--config', place.configFile)
  const status = JSON.parse(stdout) as { queues: { decision: { reasons: { code: string }[] } }[] }
  return status.queues.flatMap(({ decision }) => decision.reasons.map(({ code }) => code))
}

/** Waits until everything that was written has arrived. */
async function arrived(service: Sluice, place: Place, writer: Writer): Promise<void> {
  for (let from = 0; ; ) {
    const stored = await readStored(destinationOf(place))
    if (differences(writer.generations, stored.captured).length === 0) return expect(stored).toMatchObject({ problems: [], repeated: [] })
    await service.event(({ event }) => event === 'pack.sent', from)
    from = service.events.findLastIndex(({ event }) => event === 'pack.sent') + 1
  }
}

/** Whether an event tells that something failed, or is held, for this reason. */
const tells = (code: string) => (event: Sluice['events'][number]): boolean =>
  (event.event === 'send.failed' && event.code === code) || (event.event === 'send.held' && event.reasons.includes(code))

async function endWell(service: Sluice, { place, writer }: Pick<Small, 'place' | 'writer'>): Promise<void> {
  expect(service.events.filter(({ event }) => event === 'service.started')).toHaveLength(1)
  service.kill('SIGTERM')
  expect(await service.ended).toMatchObject({ code: 0 })
  expect((await runOnce(place)).code).toBe(0)
  const stored = await readStored(destinationOf(place))
  expect(stored).toMatchObject({ problems: [], repeated: [] })
  expect(differences(writer.generations, stored.captured)).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
}

describe.skipIf(!mayMount)('on a full disk (needs root, to mount small disks)', () => {
  test.each(['spool', 'destination', 'state'] as const)('of the %s the service holds and says so, and goes on by itself when there is room again', { timeout: 180_000 }, async (which) => {
    const small = await makeSmall(which)
    const { place, writer, disk } = small
    write(writer)
    const service = new Sluice('run', '--json', '--config', place.configFile)
    await arrived(service, place, writer)

    const release = fill(disk)
    const from = service.events.length
    write(writer)
    await service.event(tells(`${which}-full`), from)
    await service.event(({ event }) => event === 'send.held', from)
    expect(await reasonsNow(place)).toContain(`${which}-full`)
    expect((await sluice('why', '--config', place.configFile)).stdout).toContain(`(${which}-full)`)
    release()
    await arrived(service, place, writer)
    await endWell(service, small)
  })

  test.each(['spool', 'destination', 'state'] as const)('of the %s a single run exits with 75 and the reason, and the next one sends all', { timeout: 120_000 }, async (which) => {
    const { place, writer, disk } = await makeSmall(which)
    write(writer)
    expect((await runOnce(place)).code).toBe(0)
    const release = fill(disk)
    write(writer)
    const held = await runOnce(place)
    expect(held).toMatchObject({ code: 75, stderr: expect.stringContaining(`(${which}-full)`) as string })
    release()
    expect(await runOnce(place)).toMatchObject({ code: 0 })
    const stored = await readStored(destinationOf(place))
    expect(stored).toMatchObject({ problems: [], repeated: [] })
    expect(differences(writer.generations, stored.captured)).toEqual([])
    expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
  })

  test('that was full before the very first run, a single run exits with 75 and leaves the captures where they are', async () => {
    const { place, writer, disk } = await makeSmall('state')
    const release = fill(disk)
    write(writer)
    expect(await runOnce(place)).toMatchObject({ code: 75, stderr: expect.stringContaining('(state-full)') as string })
    release()
    expect(await runOnce(place)).toMatchObject({ code: 0 })
    expect(differences(writer.generations, (await readStored(destinationOf(place))).captured)).toEqual([])
  })

  test('a destination that becomes read-only is waited out', { timeout: 120_000 }, async () => {
    const small = await makeSmall('destination')
    const { place, writer, disk } = small
    write(writer)
    const service = new Sluice('run', '--json', '--config', place.configFile)
    await arrived(service, place, writer)
    expect(spawnSync('mount', ['-o', 'remount,ro', disk]).status).toBe(0)
    const from = service.events.length
    write(writer)
    await service.event(tells('destination-refused'), from)
    expect(await reasonsNow(place)).toContain('destination-refused')
    expect(spawnSync('mount', ['-o', 'remount,rw', disk]).status).toBe(0)
    await arrived(service, place, writer)
    await endWell(service, small)
  })
})

test('a destination folder that goes away is not made anew, and sending goes on when it is back', { timeout: 120_000 }, async () => {
  const place = await makePlace()
  const staging = join(place.folder, 'staging')
  mkdirSync(staging)
  const writer = new Writer({ ...place, staging }, seededRandom(6))
  write(writer)
  const service = new Sluice('run', '--json', '--config', place.configFile)
  await arrived(service, place, writer)
  renameSync(place.packs, `${place.packs}.away`)
  const from = service.events.length
  write(writer)
  await service.event(tells('destination-behind'), from)
  expect(await reasonsNow(place)).toContain('destination-behind')
  expect(await runOnce(place)).toMatchObject({ code: 1, stderr: expect.stringContaining('already running') as string })
  expect(existsSync(place.packs)).toBe(false)
  renameSync(`${place.packs}.away`, place.packs)
  await arrived(service, place, writer)
  await endWell(service, { place, writer })
})
