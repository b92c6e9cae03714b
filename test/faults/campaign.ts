import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { incompressible, seededRandom } from '../../bench/lib/random.ts'
import { SluiceError } from '../../src/observe/error.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import type { UploadMemory } from '../../src/transfer/tus.ts'
import type { Patience } from '../../src/transfer/tus-session.ts'
import { freely, ledgerBytes, makePlace, nextPack, openParts, packAll, readStored, type Parts, type Place } from '../service/harness.ts'
import { differences, type Generation } from '../service/written.ts'
import { startCuttingProxy, type Carried, type CuttingProxy } from './cutting-proxy.ts'
import { Distribution } from './distribution.ts'
import { cuttingKinds, FaultPlan, type FaultKind } from './fault-plan.ts'
import type { SeenRequest } from './request-reader.ts'

/** Short enough that a stall costs little; where a busy machine makes it too short, there is one more cut. */
const impatient: Patience = { answerMs: 2000, progressMs: 2000, stopMs: 100, lockMs: 2000 }

/** What a destination is opened with, as the service does it. */
export interface Way {
  /** Of the proxy. */
  readonly port: number
  readonly link: Link
  readonly uploads: UploadMemory
  readonly now: () => number
  readonly patience: Patience
}

export interface CampaignOptions {
  readonly seed: number
  /** Faults after which the client has to try again. */
  readonly cuts: number
  /** Where the server listens on this machine. */
  readonly port: number
  readonly open: (way: Way) => Destination
  /** Where a request's body begins in its pack; undefined for a request that carries none of it. */
  readonly offsetOf: (request: SeenRequest) => number | undefined
  /** In place of every kind of cut: bytes are changed. An attempt may then fail with any error. */
  readonly corrupts?: boolean
}

/** What cuts cost, and what was sent in all. */
export interface CampaignResult {
  readonly place: Place
  readonly generations: readonly Generation[]
  readonly packs: number
  readonly kinds: ReadonlyMap<FaultKind, number>
  /** Attempts that failed though nothing was done to them. */
  readonly failedAlone: number
  /** For each cut: bytes that had reached the server's kernel before, and were sent again after it. */
  readonly again: Distribution
  /** Those of them of cuts that the server did not learn of before the client had come back. */
  readonly againUntold: Distribution
  /** For each cut: bytes the client had handed over that never reached the server. */
  readonly lost: Distribution
  /** Bytes of packs. */
  readonly packBytes: number
}

/** What cuts and the proxy's own answers are to a device. */
export const passing: ReadonlySet<string> = new Set(['destination-unreachable', 'destination-failing', 'destination-busy'])

const leastBytes = 1 << 10
const mostBytes = 12 << 20
/** Seal size at which each capture has a pack of its own. */
export const oneForEach = 2 * mostBytes
/** Attempts at one pack after which something is wrong. */
const mostAttempts = 200

/**
 * Captures, packs and sends files of random bytes, each in a pack of its own, over a proxy that cuts; the service's own parts
 * do it: packer, journal, spool, sender, ledger, link. Ends once so many cuts have happened and every pack has arrived.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const { seed, cuts } = options
  await using proxy = await startCuttingProxy({ port: options.port, seed })
  const place = await makePlace()
  mkdirSync(place.state)
  await using link = openLink({ clock: () => performance.now(), rate: { yields: false } })
  const uploads = new Map<string, string>()
  const destination = options.open({ port: proxy.port, link, uploads, now: Date.now, patience: impatient })
  const config = { ...place.config, destination: destination.url }
  const parts = await openParts(place, { config, destination, sealBytes: oneForEach })
  onTestFinished(() => parts.journal[Symbol.dispose]())
  const campaign = new Campaign(options, parts, proxy, seed)
  const generations: Generation[] = []
  const capture = capturesOf(place, seed)
  while (campaign.cuts < cuts) {
    generations.push(capture())
    await packAll(parts)
    await campaign.sendPack(cuts)
  }
  expect(parts.journal.unsent()).toEqual([])
  expect(await parts.spool.bodies()).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(carriedBytes(proxy))
  return { place, generations, ...campaign.result() }
}

/** Writes a capture file of 1 KiB to 12 MiB of random bytes with each call, of a small size more often than of a large one. */
export function capturesOf(place: Place, seed: number): () => Generation {
  const random = seededRandom(seed)
  const fill = incompressible(seed)
  let count = 0
  return () => {
    const bytes = Buffer.alloc(Math.floor(leastBytes * (mostBytes / leastBytes) ** random() ** 1.5))
    fill(bytes)
    const path = `${++count}.log`
    writeFileSync(join(place.log, path), bytes)
    return { stream: 'log', path, bytes, must: 'all' }
  }
}

/** What passed in both directions: the ledger shows no less. */
function carriedBytes({ connections }: CuttingProxy): number {
  return connections.reduce((sum, { upBytes, downBytes, lostBytes, lateBytes }) => sum + upBytes + downBytes + lostBytes + lateBytes, 0)
}

class Campaign {
  cuts = 0
  readonly #options: CampaignOptions
  readonly #parts: Parts
  readonly #proxy: CuttingProxy
  readonly #plan: FaultPlan
  readonly #kinds = new Map<FaultKind, number>()
  readonly #again = new Distribution()
  readonly #againUntold = new Distribution()
  readonly #lost = new Distribution()
  #packs = 0
  #packBytes = 0
  #failedAlone = 0
  /** Connections whose cut was accounted for: the last of a pack may carry the next. */
  readonly #accounted = new Set<number>()

  constructor(options: CampaignOptions, parts: Parts, proxy: CuttingProxy, seed: number) {
    this.#options = options
    this.#parts = parts
    this.#proxy = proxy
    this.#plan = options.corrupts ? new FaultPlan(seed, [['corrupt', 1]]) : new FaultPlan(seed)
  }

  /** Sends the one pack there is, with a fault in each attempt until there were enough of them. */
  async sendPack(cuts: number): Promise<void> {
    const { sender } = this.#parts
    const sizeBytes = nextPack(this.#parts)?.bodyBytes ?? 0
    const { requests, connections } = this.#proxy
    const [firstRequest, firstConnection] = [requests.length, Math.max(0, connections.length - 1)]
    const runs = () => this.#runs(firstRequest)
    for (let attempts = 0; ; attempts++) {
      expect(attempts).toBeLessThan(mostAttempts)
      const pack = nextPack(this.#parts)
      if (!pack) break
      const before = this.#bytesOf(runs())
      const fault = this.#plan.next(sizeBytes - Math.min(sizeBytes, runs().at(-1)?.end ?? 0))
      const isArmed = this.cuts < cuts
      if (isArmed) this.#proxy.arm(fault)
      let handedBytes = 0
      let hasFailed = false
      try {
        await sender.send(pack, { ...freely(), onSent: (bytes) => { handedBytes += bytes } })
      } catch (error) {
        this.#expectPassing(error)
        hasFailed = true
      }
      const hasHappened = isArmed && this.#proxy.disarm()
      if (hasHappened) this.#kinds.set(fault.kind, (this.#kinds.get(fault.kind) ?? 0) + 1)
      if (hasHappened && cuttingKinds.has(fault.kind)) {
        this.cuts++
        this.#lost.add(Math.max(0, handedBytes - (this.#bytesOf(runs()) - before)))
      } else if (hasFailed) this.#failedAlone++
    }
    this.#packs++
    this.#packBytes += sizeBytes
    this.#account(runs(), connections.slice(firstConnection))
  }

  /** Bodies of one pack in the order in which they came. */
  #runs(firstRequest: number): readonly Run[] {
    return this.#proxy.requests.slice(firstRequest).flatMap((request) => {
      const offset = this.#options.offsetOf(request)
      return offset === undefined ? [] : [{ connection: request.connection, offset, end: offset + request.bodyBytes }]
    })
  }

  #bytesOf(runs: readonly Run[]): number {
    return runs.reduce((sum, { offset, end }) => sum + end - offset, 0)
  }

  /** What each cut cost: a run is sent again as far as the next one begins before its end. */
  #account(runs: readonly Run[], connections: readonly Carried[]): void {
    const againOn = new Map<number, number>()
    for (const [index, { connection, end }] of runs.entries()) {
      const again = Math.max(0, end - (runs[index + 1]?.offset ?? end))
      againOn.set(connection, (againOn.get(connection) ?? 0) + again)
    }
    for (const { number, fault } of connections) {
      if (!fault || !cuttingKinds.has(fault.kind) || this.#accounted.has(number)) continue
      this.#accounted.add(number)
      const again = againOn.get(number) ?? 0
      this.#again.add(again)
      if (fault.server === 'later') this.#againUntold.add(again)
    }
  }

  #expectPassing(error: unknown): void {
    if (!(error instanceof SluiceError)) throw error
    if (!this.#options.corrupts && (!error.transient || !passing.has(error.code))) throw error
  }

  result() {
    return {
      packs: this.#packs, kinds: this.#kinds, failedAlone: this.#failedAlone, again: this.#again,
      againUntold: this.#againUntold, lost: this.#lost, packBytes: this.#packBytes,
    }
  }
}

/** Part of a pack that reached the server in one request. */
interface Run {
  readonly connection: number
  readonly offset: number
  readonly end: number
}

/** The figures of a campaign, for the test's output. */
export function say(name: string, seed: number, result: CampaignResult): void {
  const { packs, kinds, failedAlone, again, againUntold, lost, packBytes } = result
  const cuts = [...kinds].filter(([kind]) => cuttingKinds.has(kind)).reduce((sum, [, count]) => sum + count, 0)
  process.stdout.write([
    `${name}: ${cuts} cuts in ${packs} packs, FAULT_SEED=${seed} (${[...kinds].map(([kind, count]) => `${kind} ${count}`).join(', ')}; ${failedAlone} failed alone)`,
    `  bytes that arrived and were sent again, per cut: ${again.words}`,
    `  those of cuts that the server learnt of later: ${againUntold.words}`,
    `  bytes handed over that a cut threw away before they arrived: ${lost.words}`,
    `  ${packBytes} bytes of packs, ${again.sum} sent again: ${(again.sum / packBytes * 100).toFixed(2)} %\n`,
  ].join('\n'))
}

/** Every pack is there once, whole, and holds what was captured, once. */
export async function expectExact(stored: Destination, { generations, packs }: Pick<CampaignResult, 'generations' | 'packs'>): Promise<void> {
  const found = await readStored(stored)
  expect(found.problems).toEqual([])
  expect(found.repeated).toEqual([])
  expect(found.packs).toBe(packs)
  expect(differences(generations, found.captured)).toEqual([])
}

/** The seed of this run, or the one that is to be repeated. */
export const faultSeed = Number(process.env['FAULT_SEED'] ?? Date.now() % 1_000_000)

export function folderWithin(place: Place, name: string): string {
  const folder = join(place.folder, name)
  mkdirSync(folder, { recursive: true })
  return folder
}
