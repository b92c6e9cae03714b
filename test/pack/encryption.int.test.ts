/**
 * Encryption through the real program and its folders. A marker stands in captures that do not compress, so
 * that it can be found wherever content lies in the clear; a log in the clear shows that it would be found.
 */
import { execFileSync } from 'node:child_process'
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { encryptPack } from '../../src/journal/encrypt-waiting.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { openSealer, type Sealer } from '../../src/pack/encryption.ts'
import { openIdentities } from '../../src/pack/identities.ts'
import { Packer } from '../../src/pack/packer.ts'
import { readPack, sourceOf } from '../../src/pack/read-pack.ts'
import { sha256, toHex } from '../../src/pack/sha256.ts'
import { Sender } from '../../src/transfer/sender.ts'
import { freely, ledgerBytes, nextPack, openParts, packAll, runOnce, sluice, type Parts, type Place } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { capture, configure, expectAll, isEncrypted, leaks, makeKey, nameOf, newPlace, packsIn, secretBytes, usedSince, type Key } from './encrypted-place.ts'
import { lines, noise } from './make-log.ts'

let ours: Key
let next: Key
let stranger: Key
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  ;[ours, next, stranger] = [await makeKey(folder, 'ours'), await makeKey(folder, 'next'), await makeKey(folder, 'stranger')]
})

afterAll(() => rmSync(folder, { recursive: true }))

const epochsIn = (place: Place): Promise<string[]> => Promise.all(packsIn(place).map(async (bytes) => {
  const unlock = await openIdentities([['k', ours.identity]])
  return toHex((await readPack(sourceOf(bytes), nameOf(bytes), zstdNative, unlock)).manifest.epoch)
}))

describe('a service with recipients', () => {
  test('lets no content out, or into its spool, and its log is checked and rebuilt with the identity alone', async () => {
    const place = await newPlace({ recipients: [ours, next], held: true })
    const shot = capture(place, 'one.png')
    const notes = lines('notes', 300_000)
    writeFileSync(join(place.log, 'notes.log'), notes)
    expect((await runOnce(place)).code).toBe(75)
    expect(readdirSync(join(place.state, 'spool')).length).toBeGreaterThan(0)
    expect(leaks(place.state)).toEqual([])
    await configure(place, { recipients: [ours, next] })
    expect((await runOnce(place)).code).toBe(0)
    expect(packsIn(place).every(isEncrypted)).toBe(true)
    expect([...leaks(place.packs), ...leaks(place.state)]).toEqual([])
    expect(readdirSync(place.state)).not.toContain('lineages')
    for (const key of [ours, next]) await expectAll(place, [stranger, key], { 'shots/one.png': shot, 'log/notes.log': notes })

    const blind = await sluice('verify', place.packs)
    expect([blind.code, blind.stderr]).toEqual([0, ''])
    expect(blind.stdout).toMatch(/all good\n {2}contents not checked: encrypted/)
    expect(JSON.parse((await sluice('verify', place.packs, '--json')).stdout)).toMatchObject({ devices: [{ closedPacks: packsIn(place).length, problems: [] }] })
    const seeing = await sluice('verify', place.packs, '--identity', ours.file)
    expect([seeing.code, seeing.stdout.includes('not checked')]).toEqual([0, false])
    const wrong = await sluice('verify', place.packs, '--identity', stranger.file)
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringContaining('identity-missing')])
  })

  test('in the clear, the same marker is found in spool and destination', async () => {
    const place = await newPlace({ held: true })
    capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(75)
    expect(leaks(join(place.state, 'spool'))).toHaveLength(1)
    await configure(place, {})
    expect((await runOnce(place)).code).toBe(0)
    expect(leaks(place.packs)).toHaveLength(1)
  })

  test('does not store in an epoch what an earlier pack of it holds, also after a restart', async () => {
    const place = await newPlace({ recipients: [ours] })
    const shot = capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(0)
    capture(place, 'two.png', shot)
    expect((await runOnce(place)).code).toBe(0)
    const [first, second] = packsIn(place)
    expect(first!.length).toBeGreaterThan(shot.length)
    expect(second!.length).toBeLessThan(1500)
    await expectAll(place, [ours], { 'shots/one.png': shot, 'shots/two.png': shot })
    // 60 kB and a few bytes are one chunk: neither the log nor the journal calls it by its hash.
    const unlock = await openIdentities([['k', ours.identity]])
    const { manifest } = await readPack(sourceOf(first!), nameOf(first!), zstdNative, unlock)
    const names = manifest.blocks.flatMap(({ chunks }) => chunks.map(({ hash }) => toHex(hash)))
    expect([manifest.chunkKey?.length, names.length]).toEqual([32, 1])
    expect(names).not.toContain(toHex(sha256(shot)))
    const journal = readFileSync(journalPath(place.state))
    expect([journal.includes(Buffer.from(names[0]!, 'hex')), journal.includes(sha256(shot)), journal.includes(Buffer.from(manifest.chunkKey!))]).toEqual([true, false, false])
  })
})

describe('without the right identity', () => {
  test('pull says whom the packs are for, and rebuilds nothing', async () => {
    const place = await newPlace({ recipients: [ours] })
    capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(0)
    const out = join(await temporaryFolder(), 'out')
    for (const [options, why] of [[[], 'no identity was given'], [['--identity', stranger.file], 'none of the identities given is theirs']] as const) {
      const { code, stderr } = await sluice('pull', place.packs, out, ...options)
      expect(code).toBe(1)
      expect(stderr.replaceAll(/\s+/g, ' ')).toContain(`is encrypted to one recipient (age1…): ${why}`)
    }
    const { stdout, stderr } = await sluice('pull', place.packs, out, '--json')
    expect(stdout + stderr).toContain('identity-missing')
    expect(() => statSync(out)).toThrow()
  })

  test('an identity comes from standard input too; a file that others may read is pointed out; a wrong file is refused', async () => {
    const place = await newPlace({ recipients: [ours] })
    const shot = capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(0)
    const out = await temporaryFolder()
    const launcher = join(import.meta.dirname, '../../cli/launch.mjs')
    execFileSync(process.execPath, [launcher, 'pull', place.packs, out, '--identity', '-'], { input: `${ours.identity}\n` })
    expect(Buffer.compare(readFileSync(join(out, 'shots/one.png')), shot)).toBe(0)
    const open = join(await temporaryFolder(), 'open.txt')
    writeFileSync(open, ours.identity)
    chmodSync(open, 0o644)
    const { code, stderr } = await sluice('verify', place.packs, '--identity', open)
    expect([code, stderr]).toEqual([0, expect.stringContaining('can be read by others')])
    for (const file of ['/nowhere', place.configFile]) expect((await sluice('verify', place.packs, '--identity', file)).code).toBe(2)
  })
})

describe('when recipients change', () => {
  test('a file that grew before and after takes keys of both times: the new one alone rebuilds nothing of it', async () => {
    const place = await newPlace({ recipients: [ours] })
    const [before, after] = [lines('before', 90_000), lines('after', 90_000)]
    writeFileSync(join(place.log, 'a.log'), before)
    expect((await runOnce(place)).code).toBe(0)
    await configure(place, { recipients: [next] })
    appendFileSync(join(place.log, 'a.log'), after)
    expect((await runOnce(place)).code).toBe(0)
    const out = await temporaryFolder()
    const { code, stderr } = await sluice('pull', place.packs, out, '--identity', next.file)
    expect([code, stderr]).toEqual([1, expect.stringContaining('identity-missing')])
    expect(readdirSync(out)).toEqual([])
    await expectAll(place, [ours, next], { 'log/a.log': Buffer.concat([before, after]) })
  })

  test('packs from then on are for the new ones alone, and need no earlier pack', async () => {
    const place = await newPlace({ recipients: [ours] })
    const old = capture(place, 'old.png')
    expect((await runOnce(place)).code).toBe(0)
    await configure(place, { recipients: [next] })
    capture(place, 'again.png', old)
    expect((await runOnce(place)).code).toBe(0)
    const [, second] = packsIn(place)
    expect(second!.length).toBeGreaterThan(old.length) // the content is there once more
    await expectAll(place, [ours, next], { 'shots/old.png': old, 'shots/again.png': old })
    const out = await temporaryFolder()
    const partly = await sluice('pull', place.packs, out, '--identity', next.file)
    expect([partly.code, partly.stderr]).toEqual([1, expect.stringContaining('identity-missing')])
    expect(readdirSync(join(out, 'shots'))).toEqual(['again.png'])
    await configure(place, {})
    const open = capture(place, 'open.png', old)
    expect((await runOnce(place)).code).toBe(0)
    expect(packsIn(place).map(isEncrypted)).toEqual([true, true, false])
    await expectAll(place, [ours, next], { 'shots/old.png': old, 'shots/open.png': open })
    expect((await sluice('verify', place.packs)).stdout).toContain('contents of 2 of them not checked')
  })

  test('a file that goes on from clear to encrypted packs and back is whole with the identity, and no problem without', async () => {
    const place = await newPlace({})
    const path = join(place.log, 'a.log')
    for (const [index, recipients] of [[], [ours], []].entries()) {
      await configure(place, { recipients })
      appendFileSync(path, lines(`${index}`, 50_000))
      expect((await runOnce(place)).code).toBe(0)
    }
    expect(packsIn(place).map(isEncrypted)).toEqual([false, true, false])
    await expectAll(place, [ours], { 'log/a.log': readFileSync(path) })
    const { code, stdout } = await sluice('verify', place.packs)
    expect([code, stdout]).toEqual([0, expect.stringContaining('contents of 1 of them not checked')])
  })

  test('what was sealed in the clear before the first ones is encrypted before it leaves, and no raw content stays', async () => {
    const place = await newPlace({ held: true })
    const shot = capture(place, 'one.png')
    writeFileSync(join(place.log, 'a.log'), secretBytes('log'))
    expect((await runOnce(place)).code).toBe(75)
    expect(leaks(join(place.state, 'spool')).length).toBeGreaterThan(0)
    expect(leaks(join(place.state, 'lineages')).length).toBeGreaterThan(0)
    await configure(place, { recipients: [ours], held: true })
    expect((await runOnce(place)).code).toBe(75)
    expect(leaks(place.state)).toEqual([])
    rmSync(join(place.shots, 'one.png')) // it need not be captured again
    await configure(place, { recipients: [ours] })
    expect((await runOnce(place)).code).toBe(0)
    expect(packsIn(place).every(isEncrypted)).toBe(true)
    expect(leaks(place.packs)).toEqual([])
    await expectAll(place, [ours], { 'shots/one.png': shot, 'log/a.log': secretBytes('log') })
  })

  test('a pack that had begun to leave in the clear, and gave way, is encrypted before it leaves again', async () => {
    const place = await newPlace({})
    mkdirSync(place.state)
    capture(place, 'one.png', noise('large', 200_000))
    const parts = await openParts(place)
    using journal = parts.journal
    await packAll(parts)
    const stop = new AbortController()
    expect(await parts.sender.send(nextPack(parts)!, { ...freely(stop.signal), onSent: () => stop.abort() })).toBe(false)
    const sealer = await openSealer([ours.recipient], noise('secret', 32))
    const sender = new Sender({ ...parts, device: 'laptop-1', now: Date.now, emit: () => {}, encrypt: (pack) => encryptPack({ ...parts, sealer }, pack) })
    expect(await sender.giveWay(journal.stamped()!, freely())).toBe(true)
    for (let pack = nextPack(parts); pack; pack = nextPack(parts)) expect(await sender.send(pack, freely())).toBe(true)
    expect(packsIn(place).every(isEncrypted)).toBe(true)
    await expectAll(place, [ours], { 'shots/one.png': noise('large', 200_000) })
  })

  test('a clear body that is not what was sealed is not encrypted as if it were', async () => {
    const place = await newPlace({ held: true })
    const shot = capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(75)
    const [name] = readdirSync(join(place.state, 'spool'))
    const path = join(place.state, 'spool', name!)
    const bytes = readFileSync(path)
    bytes[1000]! ^= 1
    writeFileSync(path, bytes)
    await configure(place, { recipients: [ours] })
    expect((await runOnce(place)).code).toBe(0)
    await expectAll(place, [ours], { 'shots/one.png': shot })
  })
})

describe('a journal that is lost', () => {
  test('costs captures a second way, in a new epoch behind the head, and no cap is overspent', async () => {
    const place = await newPlace({ recipients: [ours] })
    const [sent, waiting] = [capture(place, 'sent.png'), secretBytes('waiting.png')]
    expect((await runOnce(place)).code).toBe(0)
    await configure(place, { recipients: [ours], held: true })
    capture(place, 'waiting.png', waiting)
    expect((await runOnce(place)).code).toBe(75)
    const used = ledgerBytes(place)
    expect(used).toBeGreaterThan(sent.length)
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${journalPath(place.state)}${suffix}`, { force: true })
    const spooled = readdirSync(join(place.state, 'spool'))
    const lostAt = Date.now()
    expect((await runOnce(place)).code).toBe(75)
    // When it was sent cannot be told, so it counts as of now; what waited may have been sent in part.
    expect(usedSince(place, lostAt)).toBeGreaterThanOrEqual(used + waiting.length)
    for (const name of spooled) expect(readdirSync(join(place.state, 'spool'))).not.toContain(name)
    await configure(place, { recipients: [ours] })
    expect((await runOnce(place)).code).toBe(0)
    await expectAll(place, [ours], { 'shots/sent.png': sent, 'shots/waiting.png': waiting })
    expect((await sluice('verify', place.packs, '--identity', ours.file)).code).toBe(0)
    expect(new Set(await epochsIn(place)).size).toBeGreaterThan(1)
  })

  test('of which the ledger can be read counts what was used once', async () => {
    const place = await newPlace({ recipients: [ours] })
    capture(place, 'one.png')
    expect((await runOnce(place)).code).toBe(0)
    const used = ledgerBytes(place)
    renameSync(journalPath(place.state), join(place.state, 'journal.damaged.sqlite'))
    await configure(place, { recipients: [ours], held: true })
    expect((await runOnce(place)).code).toBe(75)
    expect(ledgerBytes(place)).toBe(used)
  })

  test('stays, but not its secret: another one begins an epoch of its own, and the log stays whole', async () => {
    const place = await newPlace({ recipients: [ours] })
    writeFileSync(join(place.log, 'a.log'), lines('a', 90_000))
    expect((await runOnce(place)).code).toBe(0)
    writeFileSync(join(place.state, 'chunk.key'), 'damaged')
    appendFileSync(join(place.log, 'a.log'), lines('b', 90_000))
    expect((await runOnce(place)).code).toBe(0)
    expect(statSync(join(place.state, 'chunk.key')).mode & 0o777).toBe(0o600)
    expect(new Set(await epochsIn(place)).size).toBe(2)
    await expectAll(place, [ours], { 'log/a.log': Buffer.concat([lines('a', 90_000), lines('b', 90_000)]) })
  })
})

describe('when encryption fails', () => {
  const partsWith = async (sealer: Sealer): Promise<{ place: Place; parts: Parts }> => {
    const place = await newPlace({})
    mkdirSync(place.state)
    const parts = await openParts(place)
    const packer = new Packer({
      ...parts, zstd: zstdNative, level: 1, sealBytes: 1 << 20, epochMs: 1e9, now: Date.now, randomBytes: (size) => noise('epoch', size), emit: () => {}, sealer,
    })
    return { place, parts: { ...parts, packer } }
  }

  test('nothing is sealed, and the capture is taken once it works again', async () => {
    const real = await openSealer([ours.recipient], noise('secret', 32))
    const failure = new SluiceError('encryption-failed', 'no', { transient: true })
    let fails = true
    const { place, parts } = await partsWith({ ...real, begin: async (write) => (fails ? Promise.reject(failure) : await real.begin(write)) })
    using journal = parts.journal
    capture(place, 'one.png')
    await expect(packAll(parts)).rejects.toMatchObject({ code: 'encryption-failed' })
    expect([journal.unsent(), readdirSync(join(place.state, 'spool'))]).toEqual([[], []])
    fails = false
    await packAll(parts)
    expect(journal.unsent().map(({ encrypted }) => encrypted)).toEqual([true])
    expect(leaks(place.state)).toEqual([])
  })

  test('to a recipient that cannot be used, the service does not start, and nothing leaves', async () => {
    const zero = { ...ours, recipient: 'age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z' }
    const place = await newPlace({ recipients: [ours, zero] })
    capture(place, 'one.png')
    const { code, stderr } = await runOnce(place)
    expect([code, stderr]).toEqual([1, expect.stringContaining('recipients[1]')])
    expect([...leaks(place.state), ...readdirSync(place.folder).filter((name) => name === 'packs')]).toEqual([])
  })
})
