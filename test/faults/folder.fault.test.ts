/**
 * Claim: however often sending to a folder, or into memory, is stopped or fails, each pack arrives once and byte-identical, and
 * no byte that arrived is written again.
 *
 * Method: real packs of 1 KiB to 12 MiB go through the service's own packer, journal, sender and ledger. Each attempt is cut
 * at a random place: by an abort between two slices, or, for a folder, by a disk that fails one operation of any kind; of a
 * write that fails, the first half happens. FAULT_SEED repeats a run.
 *
 * Not modelled here: a process that dies and power that fails (test/transfer/folder.fault.test.ts does).
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import type { Disk } from '../../src/journal/disk.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { sliceBytes, type Destination } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { faultDisk } from '../fault-disk.ts'
import { bytesThere, freely, ledgerBytes, makePlace, nextPack, openParts, packAll, sluice, type Place } from '../service/harness.ts'
import type { Generation } from '../service/written.ts'
import { capturesOf, expectExact, faultSeed, oneForEach } from './campaign.ts'
import { Distribution } from './distribution.ts'
import { sized } from '../size.ts'

const cuts = sized({ quick: 20, ci: 150, long: 1000 })

/** What cuts attempts to send, and sees what arrives. */
interface Cutting {
  readonly destination: Destination
  /** Before an attempt at what is left of a pack, which `stop` aborts; undefined: it is not to be cut. Returns what is told of each slice. */
  readonly begin: (leftBytes: number, stop: (() => void) | undefined) => (bytes: number) => void
  /** After an attempt. */
  readonly end: () => void
  /** Where the bytes that arrived in the attempt lie in their pack. */
  readonly arrived: () => { readonly offset: number, readonly end: number } | undefined
}

/** Sends captures until there were enough cuts. Returns what each had sent again. */
async function sendCutting(place: Place, { destination, begin, end, arrived }: Cutting) {
  mkdirSync(place.state)
  const parts = await openParts(place, { config: { ...place.config, destination: destination.url }, destination, sealBytes: oneForEach })
  onTestFinished(() => parts.journal[Symbol.dispose]())
  const capture = capturesOf(place, faultSeed)
  const generations: Generation[] = []
  const again = new Distribution()
  while (again.count < cuts) {
    generations.push(capture())
    await packAll(parts)
    let there: number | undefined
    for (let pack = nextPack(parts); pack; pack = nextPack(parts)) {
      const stop = new AbortController()
      const onSent = begin(pack.bodyBytes - (there ?? 0), again.count < cuts ? () => stop.abort() : undefined)
      await parts.sender.send(pack, { ...freely(stop.signal), onSent }).catch((error: unknown) => {
        if (!(error instanceof SluiceError && error.code.startsWith('destination-'))) throw error
      })
      end()
      const run = arrived()
      if (there !== undefined) again.add(Math.max(0, there - (run?.offset ?? there)))
      there = run?.end ?? there ?? 0
    }
  }
  expect(parts.journal.unsent()).toEqual([])
  expect(await parts.spool.bodies()).toEqual([])
  return { generations, packs: generations.length, again }
}

function say(name: string, { packs, again }: { readonly packs: number, readonly again: Distribution }, more: string): void {
  process.stdout.write(
    `${name}: ${again.count} cuts in ${packs} packs, FAULT_SEED=${faultSeed} (${more})\n` +
      `  bytes that arrived and were sent again, per cut: ${again.words}\n`,
  )
}

/** A disk that can be told to fail the next operation but so many, and tells which part of a file was written. */
function failingDisk() {
  const state = { left: Infinity, code: 'EIO', failed: {} as Record<string, number>, writes: [] as { offset: number, end: number }[] }
  const inner = faultDisk({
    fail: ({ kind }) => {
      if (state.left-- > 0) return undefined
      state.left = Infinity
      state.failed[kind] = (state.failed[kind] ?? 0) + 1
      return state.code
    },
  })
  const disk: Disk = {
    ...inner,
    async open(path, mode) {
      const file = await inner.open(path, mode)
      return {
        ...file,
        async write(bytes, offset) {
          const write = { offset, end: offset + (bytes.length >> 1) }
          state.writes.push(write)
          await file.write(bytes, offset)
          write.end = offset + bytes.length
        },
      }
    },
  }
  return { state, disk }
}

test(`${cuts} aborts and failing disk operations on the way into a folder (FAULT_SEED=${faultSeed})`, { timeout: 10 * 60_000 }, async () => {
  const place = await makePlace()
  const { state, disk } = failingDisk()
  const random = seededRandom(faultSeed)
  let aborts = 0
  const result = await sendCutting(place, {
    destination: folderDestination(pathToFileURL(place.packs).href, disk),
    begin(leftBytes, stop) {
      state.writes = []
      let abortAfter = Infinity
      if (!stop) return () => undefined
      if (random() < 0.5 && leftBytes > 2 * sliceBytes) abortAfter = random() * (leftBytes - sliceBytes)
      // Some operations come before the first slice and after the last.
      else Object.assign(state, { left: Math.floor(random() * (leftBytes / sliceBytes + 8)), code: random() < 0.5 ? 'EIO' : 'ENOSPC' })
      return (bytes) => {
        abortAfter -= bytes
        if (abortAfter > 0 || abortAfter + bytes <= 0) return
        aborts++
        stop()
      }
    },
    end: () => { state.left = Infinity },
    arrived() {
      const [first, last] = [state.writes[0], state.writes.at(-1)]
      return first && last && { offset: first.offset, end: last.end }
    },
  })
  say('folder', result, `abort ${aborts}, ${Object.entries(state.failed).map(([kind, count]) => `${kind} ${count}`).join(', ')}`)
  expect(result.again.max).toBe(0)
  const kinds = ['create', 'makeFolder', 'rename', 'sync', 'syncFolder', 'write']
  expect(kinds).toEqual(expect.arrayContaining(Object.keys(state.failed)))
  // Some are so seldom that only many cuts meet each of them.
  if (cuts >= 1000) expect(Object.keys(state.failed)).toHaveLength(kinds.length)

  await expectExact(folderDestination(pathToFileURL(place.packs).href, realDisk), result)
  expect((await sluice('verify', place.packs)).code).toBe(0)
  expect(readdirSync(join(place.packs, 'laptop-1')).filter((name) => !name.endsWith('.pack'))).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
})

test(`${cuts} aborts on the way into memory (FAULT_SEED=${faultSeed})`, { timeout: 10 * 60_000 }, async () => {
  const place = await makePlace()
  const random = seededRandom(faultSeed + 1)
  const destination = memoryDestination()
  let run: { offset: number, end: number } | undefined
  let reading = 0
  const seeing: Destination = {
    ...destination,
    put: (pack, options) => destination.put({
      ...pack,
      read(offset, length) {
        reading = offset
        return pack.read(offset, length)
      },
    }, options),
  }
  const result = await sendCutting(place, {
    destination: seeing,
    begin(leftBytes, stop) {
      run = undefined
      let abortAfter = random() * (leftBytes - sliceBytes)
      if (random() < 0.1) stop?.()
      return (bytes) => {
        run = { offset: run?.offset ?? reading, end: reading + bytes }
        abortAfter -= bytes
        if (abortAfter <= 0) stop?.()
      }
    },
    end: () => undefined,
    arrived: () => run,
  })
  say('memory', result, 'abort')
  expect(result.again.max).toBe(0)
  await expectExact(destination, result)
})
