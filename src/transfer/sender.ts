import type { Ledger } from '../budget/ledger.ts'
import type { Journal, LogHead, PackRow } from '../journal/journal.ts'
import type { Spool } from '../journal/spool.ts'
import type { Emit } from '../observe/events.ts'
import type { Reserved, Route } from '../scheduler/judge.ts'
import type { ByteSource, Destination, OutgoingPack, PackName, RequestOptions } from './destination.ts'
import { headUnknown } from '../journal/journal.ts'
import { SluiceError } from '../observe/error.ts'
import { encodeHeader, headerHash, maxHeaderBytes, noPrevious } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import { sliceBytes } from './destination.ts'
import { LedgerMeter } from './ledger-meter.ts'

export interface SenderOptions {
  readonly device: string
  readonly journal: Journal
  readonly spool: Spool
  readonly ledger: Ledger
  readonly destination: Destination
  /** Encrypts a pack that was sealed in the clear; none leaves so where it is given. */
  readonly encrypt?: (pack: PackRow) => Promise<PackRow>
  readonly now: () => number
  readonly emit: Emit
}

export interface SendOptions {
  /** Bytes on the wire that the caps allow now; at least `leastBytes` of the pack. */
  readonly maxBytes: number
  /** What the bytes count for. */
  readonly route: Route
  readonly signal: AbortSignal
  /** Bytes of the pack handed to the destination since the last call. */
  readonly onSent?: (bytes: number) => void
  /** More of the pack is at the destination than ever was. */
  readonly onArrived?: () => void
}

/**
 * How much is sent before the destination is asked whether it has it: so much is lost at most by one that takes packs and
 * loses them. A question costs about 1 kB, 0.1 % of so many bytes.
 */
const uncheckedMost = { packs: 16, bytes: 1 << 20 } as const

/** Fewest bytes worth beginning with: one slice, or the whole of a small pack, as they are on the wire. */
export function leastBytes(pack: PackRow, wireBytes: Destination['wireBytes']): number {
  return wireBytes(Math.min(sliceBytes, pack.bodyBytes + maxHeaderBytes))
}

/** Moves sealed packs to the destination: stamps, reserves, sends, settles. One pack at a time, for the log is a chain. */
export class Sender {
  readonly #options: SenderOptions
  /** What the destination has is not known: a transfer ended in doubt, or none was made yet. */
  #inDoubt = true
  #meter: LedgerMeter | undefined
  /** Packs that arrived since the destination was last asked for its head. */
  #unchecked = { packs: 0, bytes: 0 }
  /** The pack that moved last, and the most of it that was ever there. */
  #arrivedOf: { readonly id: number; readonly bytes: number } | undefined
  #moving: { readonly packBytes: number; readonly sentBytes: number } | undefined
  /** Bytes handed over so far of packs that have not arrived, by their number. */
  readonly #handed = new Map<number, number>()

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** What is set aside for the transfer under way and has not gone out: in the ledger's use, and still to be used. */
  get reserved(): Reserved | undefined {
    return this.#meter?.reserved
  }

  /** How far the pack is that moves now. */
  get moving(): { readonly packBytes: number; readonly sentBytes: number } | undefined {
    return this.#moving
  }

  /** The caps allow the transfer under way no more than this from now on. */
  limit(bytes: number): void {
    this.#meter?.limit(bytes)
  }

  /**
   * Brings journal and destination into agreement: a stamped pack that arrived although nobody saw it is marked sent.
   * Throws `destination-behind` and `destination-ahead` when they cannot both be right.
   */
  async reconcile(request: RequestOptions = {}): Promise<void> {
    if (!this.#inDoubt) return
    const { destination, device, journal } = this.#options
    const there = await destination.head(device, request)
    if (journal.meta(headUnknown) !== undefined) {
      if (there && there !== 'untold') journal.setHead(headOf(there))
      journal.dropMeta(headUnknown)
    }
    const here = journal.head()
    const stamped = journal.stamped()
    if (there === 'untold') {
      // Nobody to ask: sending a pack that is there already moves no bytes.
    } else if (there && stamped?.header && there.hash === toHex(headerHash(stamped.header))) {
      await this.#arrived(stamped, there)
    } else if ((there?.seq ?? 0) < (here?.seq ?? 0)) {
      throw new SluiceError('destination-behind',
        `${destination.url} ends at pack ${there?.seq ?? 0} of ${device}, but ${here?.seq} were sent. What is missing has to be restored there, or this device begins a new log.`)
    } else if (there && (!here || there.seq > here.seq || there.hash !== toHex(here.hash))) {
      throw new SluiceError('destination-ahead',
        `${destination.url} has pack ${there.seq} of ${device}, which this state folder did not send. Is another machine using this name?`)
    }
    this.#inDoubt = false
  }

  /** A stamped pack turns out to be at the destination, whole. */
  async #arrived(pack: PackRow, name: PackName): Promise<void> {
    const { journal, spool, now } = this.#options
    journal.transaction(() => journal.markSent(pack.id, headOf(name), now()))
    this.#handed.delete(pack.id)
    await spool.remove(pack.bodyHash)
  }

  /**
   * Sends a pack, or as much of it as `maxBytes` and `signal` allow; the rest resumes at its byte. Returns whether it
   * arrived. What went out is settled in the ledger in any case. Throws the destination's errors.
   */
  async send(pack: PackRow, options: SendOptions): Promise<boolean> {
    if (options.maxBytes < leastBytes(pack, this.#options.destination.wireBytes)) return false
    return await this.#metered(pack, options, async (meter) => await this.#send(pack, options, meter))
  }

  /** Runs `work` with a meter, and settles what it used, whatever becomes of it. False when it was stopped. */
  async #metered(pack: PackRow, { maxBytes, route }: Pick<SendOptions, 'maxBytes' | 'route'>, work: (meter: LedgerMeter) => Promise<boolean>): Promise<boolean> {
    const { journal, ledger, now } = this.#options
    const meter = new LedgerMeter({ journal, ledger, now, route, maxBytes, queue: pack.queue, pack: toHex(pack.bodyHash).slice(0, 12) })
    this.#meter = meter
    try {
      return await work(meter)
    } catch (error) {
      if (meter.failure !== undefined) throw meter.failure
      if (error instanceof SluiceError && error.code === 'aborted') return false
      throw error
    } finally {
      this.#meter = undefined
      this.#moving = undefined
      journal.transaction(() => meter.settle())
    }
  }

  async #send(pack: PackRow, options: SendOptions, meter: LedgerMeter): Promise<boolean> {
    const { signal } = options
    const { journal } = this.#options
    if (this.#inDoubt) this.#unchecked = { packs: Infinity, bytes: 0 }
    await this.reconcile({ meter, signal })
    if (pack.state === 'stamped' && journal.stamped()?.id !== pack.id) return true
    try {
      await this.#put(pack, options, meter)
      return true
    } catch (error) {
      // What is left of it here is of no use; only the destination knows whether it has all of it.
      if (error instanceof SluiceError && error.code === 'spool-damaged' && await this.#takeBack(pack.id, { meter, signal })) return true
      throw error
    }
  }

  async #put(given: PackRow, { signal, onSent, onArrived }: SendOptions, meter: LedgerMeter): Promise<void> {
    const { journal, spool, destination, now, emit, device, encrypt } = this.#options
    const pack = encrypt && given.state === 'sealed' && !given.encrypted ? await encrypt(given) : given
    await using body = await spool.open(pack.bodyHash, pack.bodyBytes)
    const seq = pack.seq ?? (journal.head()?.seq ?? 0) + 1
    const header = pack.header ?? this.#header(pack, seq)
    const outgoing = outgoingPack({ device, seq, hash: toHex(headerHash(header)) }, header, body)
    journal.transaction(() => {
      if (pack.state === 'sealed') journal.stamp(pack.id, seq, header)
      meter.reserve(destination.wireBytes(outgoing.sizeBytes))
    })
    if (pack.state === 'sealed') emit({ event: 'pack.stamped', seq, packBytes: outgoing.sizeBytes })
    this.#inDoubt = true
    const packBytes = outgoing.sizeBytes
    const moved = (sentBytes: number): void => { this.#moving = { packBytes, sentBytes: Math.min(packBytes, sentBytes) } }
    moved(0)
    const arrived = (bytes: number): void => {
      moved(Math.max(this.#moving?.sentBytes ?? 0, bytes))
      const before = this.#arrivedOf?.id === pack.id ? this.#arrivedOf.bytes : undefined
      if (before === undefined || bytes > before) this.#arrivedOf = { id: pack.id, bytes }
      if (before !== undefined && bytes > before) onArrived?.()
    }
    const handed = (bytes: number): void => {
      this.#handed.set(pack.id, (this.#handed.get(pack.id) ?? 0) + bytes)
      moved((this.#moving?.sentBytes ?? 0) + bytes)
      onSent?.(bytes)
    }
    await destination.put(outgoing, { signal, meter, onSent: handed, onArrived: arrived })
    await this.#check(outgoing, { signal, meter })
    journal.transaction(() => {
      meter.settle()
      journal.markSent(pack.id, headOf(outgoing.name), now())
    })
    this.#inDoubt = false
    await spool.remove(pack.bodyHash)
    emit({ event: 'pack.sent', seq, packBytes: outgoing.sizeBytes })
    const againBytes = (this.#handed.get(pack.id) ?? 0) - outgoing.sizeBytes
    this.#handed.delete(pack.id)
    if (againBytes > 0) emit({ event: 'pack.resent', seq, againBytes })
  }

  /**
   * Asks now and then whether what the destination took is there: it throws `destination-behind` while the pack can still
   * be sent again.
   */
  async #check({ name, sizeBytes }: OutgoingPack, request: RequestOptions): Promise<void> {
    const { destination, device } = this.#options
    this.#unchecked = { packs: this.#unchecked.packs + 1, bytes: this.#unchecked.bytes + sizeBytes }
    if (this.#unchecked.packs < uncheckedMost.packs && this.#unchecked.bytes < uncheckedMost.bytes) return
    const there = await destination.head(device, request)
    if (there !== 'untold' && there?.hash !== name.hash) {
      const isBehind = (there?.seq ?? 0) < name.seq
      if (isBehind) destination.forget?.(name)
      throw new SluiceError(isBehind ? 'destination-behind' : 'destination-ahead',
        `${destination.url} took pack ${name.seq} of ${device}, but its log ends with another, ${there?.seq ?? 0}. The pack is kept here.`)
    }
    this.#unchecked = { packs: 0, bytes: 0 }
  }

  #header(pack: PackRow, seq: number): Uint8Array {
    const { device, journal } = this.#options
    const { bodyBytes, bodyHash, encrypted } = pack
    return encodeHeader({
      device, seq, previous: journal.head()?.hash ?? noPrevious, bodyBytes, bodyHash, ...(encrypted && { encryption: 'age' }),
    })
  }

  /**
   * Lets another pack go before a stamped one that may not be sent now: its place is given back, its partial bytes too.
   * Returns whether that is done.
   */
  async giveWay(pack: PackRow, options: Pick<SendOptions, 'maxBytes' | 'route' | 'signal'>): Promise<boolean> {
    const { signal } = options
    return await this.#metered(pack, options, async (meter) => {
      this.#inDoubt = true
      await this.reconcile({ meter, signal })
      await this.#takeBack(pack.id, { meter, signal })
      return true
    })
  }

  /** Takes the stamp back from a pack and gives up its partial bytes; returns true for one that has arrived: it is sent. */
  async #takeBack(id: number, request: RequestOptions): Promise<boolean> {
    const { destination, device, journal } = this.#options
    const stamped = journal.stamped()
    if (stamped?.id !== id || stamped.seq === undefined || !stamped.header) return false
    const name = { device, seq: stamped.seq, hash: toHex(headerHash(stamped.header)) }
    const hasArrived = await destination.abandon(name, request)
    if (hasArrived) await this.#arrived(stamped, name)
    else journal.unstamp(id)
    return hasArrived
  }
}

function headOf(name: PackName): LogHead {
  return { seq: name.seq, hash: Buffer.from(name.hash, 'hex') }
}

/** Header and body as one source. */
function outgoingPack(name: PackName, header: Uint8Array, body: ByteSource): OutgoingPack {
  return {
    name,
    sizeBytes: header.length + body.sizeBytes,
    read: async (offset, length, room) => {
      if (offset >= header.length) return body.read(offset - header.length, length, room)
      const front = header.subarray(offset, offset + length)
      return front.length === length ? front : Buffer.concat([front, await body.read(0, length - front.length)])
    },
  }
}
