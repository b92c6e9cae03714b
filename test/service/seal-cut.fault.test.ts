/**
 * Claim: whichever write of packing, sealing, stamping, sending and settling is the last one that happens, a new process goes
 * on from what is on the disk so that nothing is lost, nothing is captured or stored twice, the device log verifies, and the
 * ledger never shows less than what lies at the destination.
 *
 * Method: a scenario of two rounds (pack two streams into several packs of two queues, send half of them and give one way to
 * another; then more data, pack and send all) runs over test/fault-disk.ts and is cut at each of its disk operations in turn,
 * in each mode of the disk, and at each of its journal transactions in turn, just before and just after the transaction's
 * COMMIT. Then a new process on the real disk runs to the end, and the device log is compared with what was written.
 *
 * SQLite is trusted: its transaction happened or did not; it is not cut inside. Its file does not pass through the fault disk, so
 * after a cut in mode `power` it is at least as new as everything else, which `synchronous=FULL` promises.
 *
 * Not modelled: several cuts in a row, capture files that change while they are read, loss of the capture files themselves.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { CrashError, crashModes, faultDisk, type CrashMode, type FaultDisk } from '../fault-disk.ts'
import { freely, nextPack, bytesThere, ledgerBytes, makePlace, openParts, packAll, readStored, sendAll, type Parts, type Place } from './harness.ts'
import { differences, Writer } from './written.ts'

const sealBytes = 40_000

interface Cut {
  readonly disk: FaultDisk
  /** Number of the journal transaction that is the last, from 1, and whether it still happens. */
  readonly transaction?: number
  readonly when?: 'before' | 'after'
}

/** Lets no transaction happen once the process is dead, and kills it at the one that is told. Returns how many there were. */
function cutTransactions({ journal }: Parts, cut: Cut, isDead: () => boolean): { count: number; crashed: Promise<void> | undefined } {
  const state: { count: number; crashed: Promise<void> | undefined } = { count: 0, crashed: undefined }
  const real = journal.transaction.bind(journal)
  journal.transaction = <T>(work: () => T): T => {
    if (state.crashed || isDead()) throw new CrashError('the process is dead')
    state.count++
    if (state.count !== cut.transaction) return real(work)
    if (cut.when === 'after') real(work)
    state.crashed = cut.disk.crash()
    throw new CrashError(`died at transaction ${state.count}`)
  }
  return state
}

function write(writer: Writer, round: number): void {
  writer.append('a.log', 30_000)
  writer.append('b.log', 9_000)
  if (round === 2) writer.rotate('a.log')
  if (round === 2) writer.append('a.log', 500)
  writer.place(undefined, 50_000)
  writer.place(undefined, 20_000)
}

/** Runs the scenario until it is cut. Returns whether it was, and how many disk operations and transactions it took. */
async function scenario(place: Place, writer: Writer, cut: Cut, crashAt: number | undefined) {
  const { disk } = cut
  const parts = await openParts(place, { disk, sealBytes })
  const isDead = (): boolean => crashAt !== undefined && disk.operations.length >= crashAt
  const transactions = cutTransactions(parts, cut, isDead)
  let died = false
  try {
    for (const round of [1, 2]) {
      write(writer, round)
      await packAll(parts)
      if (round === 1) {
        await sendAll(parts, 1)
        await halfOfOne(parts)
      } else await sendAll(parts)
    }
    await parts.lineages.save()
  } catch (error) {
    if (!(error instanceof CrashError)) throw error
    died = true
  }
  parts.journal[Symbol.dispose]()
  await (transactions.crashed ?? disk.crash())
  return { died, operations: disk.operations.length, transactions: transactions.count }
}

/** Stamps the next pack, sends its first slice, and lets a pack of the other queue go before it. */
async function halfOfOne(parts: Parts): Promise<void> {
  const { journal, sender } = parts
  const pack = nextPack(parts)
  if (!pack) return
  const stop = new AbortController()
  await sender.send(pack, { ...freely(stop.signal), onSent: () => stop.abort() })
  const stamped = journal.stamped()
  if (stamped) await sender.giveWay(stamped, freely())
  const other = nextPack(parts, [pack.queue === 'any' ? 'free' : 'any'])
  if (other) await sender.send(other, freely())
}

async function cutOnce(mode: CrashMode, at: { readonly operation?: number; readonly transaction?: number; readonly when?: 'before' | 'after' }) {
  const place = await makePlace({ shots: 'fidelity: pixels' })
  const staging = join(place.folder, 'staging')
  mkdirSync(staging)
  const writer = new Writer({ ...place, staging }, seededRandom(7))
  // The journal's own file is made before, for the fault disk does not see what SQLite writes.
  mkdirSync(place.state)
  ;(await openParts(place)).journal[Symbol.dispose]()
  const disk = faultDisk({ mode, ...(at.operation !== undefined && { crashAt: at.operation }) })
  const cut = { disk, ...(at.transaction !== undefined && { transaction: at.transaction, when: at.when ?? 'before' }) }
  const ran = await scenario(place, writer, cut, at.operation)
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))

  const events: string[] = []
  const next = await openParts(place, { sealBytes, emit: ({ event }) => events.push(event) })
  try {
    await packAll(next)
    await sendAll(next)
    expect(events).not.toContain('journal.rebuilt')
    expect(next.journal.unsent()).toEqual([])
    expect(await next.spool.bodies()).toEqual([])
  } finally {
    next.journal[Symbol.dispose]()
  }
  const stored = await readStored(next.destination)
  expect(stored.problems).toEqual([])
  expect(differences(writer.generations, stored.captured)).toEqual([])
  expect(stored.repeated).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesThere(place))
  return { ...ran, packs: stored.packs }
}

describe.each(crashModes)('cut at any disk operation (%s)', (mode) => {
  test('nothing is lost, nothing is there twice', { timeout: 600_000 }, async () => {
    let operation = 1
    for (; ; operation++) {
      const { died } = await cutOnce(mode, { operation }).catch((cause: unknown) => {
        throw new Error(`cut at disk operation ${operation}`, { cause })
      })
      if (!died) break
    }
    expect(operation).toBeGreaterThan(80)
  })
})

describe.each(['before', 'after'] as const)('cut just %s the COMMIT of any journal transaction', (when) => {
  test.each(['kill', 'power'] as const)('(%s) nothing is lost, nothing is there twice', { timeout: 600_000 }, async (mode) => {
    let transaction = 1
    for (; ; transaction++) {
      const { died } = await cutOnce(mode, { transaction, when }).catch((cause: unknown) => {
        throw new Error(`cut ${when} transaction ${transaction}`, { cause })
      })
      if (!died) break
    }
    expect(transaction).toBeGreaterThan(20)
  })
})
