import type { Ledger } from '../budget/ledger.ts'
import type { Journal, LogHead, PackRow } from '../journal/journal.ts'
import type { Spool } from '../journal/spool.ts'
import type { Emit } from '../observe/events.ts'
import type { ByteSource, Destination, OutgoingPack, PackName } from './destination.ts'
import { SluiceError } from '../observe/error.ts'
import { encodeHeader, headerHash, maxHeaderBytes, noPrevious } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import { sliceBytes } from './destination.ts'

export interface SenderOptions {
  readonly device: string
  readonly journal: Journal
  readonly spool: Spool
  readonly ledger: Ledger
  readonly destination: Destination
  readonly now: () => number
  readonly emit: Emit
}

export interface SendOptions {
  /** Bytes the caps allow now; at least `leastBytes(pack)`. */
  readonly maxBytes: number
  readonly signal: AbortSignal
  /** Bytes handed to the destination since the last call. */
  readonly onSent?: (bytes: number) => void
}

/** Fewest bytes worth beginning with: one slice, or the whole of a small pack. */
export function leastBytes(pack: PackRow): number {
  return Math.min(sliceBytes, pack.bodyBytes + maxHeaderBytes)
}

/** Moves sealed packs to the destination: stamps, reserves, sends, settles. One pack at a time, for the log is a chain. */
export class Sender {
  readonly #options: SenderOptions
  /** What the destination has is not known: a transfer ended in doubt, or none was made yet. */
  #inDoubt = true
  #reservedBytes = 0

  constructor(options: SenderOptions) {
    this.#options = options
  }

  /** Bytes reserved for the transfer under way that have not gone out: in the ledger's use, and still to be used. */
  get reservedBytes(): number {
    return this.#reservedBytes
  }

  /**
   * Brings journal and destination into agreement: a stamped pack that arrived although nobody saw it is marked sent.
   * Throws `destination-behind` and `destination-ahead` when they cannot both be right.
   */
  async reconcile(): Promise<void> {
    if (!this.#inDoubt) return
    const { destination, device, journal, now } = this.#options
    const there = await destination.head(device)
    const here = journal.head()
    const stamped = journal.stamped()
    if (there && stamped?.header && there.hash === toHex(headerHash(stamped.header))) {
      journal.transaction(() => journal.markSent(stamped.id, headOf(there), now()))
      await this.#options.spool.remove(stamped.bodyHash)
    } else if ((there?.seq ?? 0) < (here?.seq ?? 0)) {
      throw new SluiceError('destination-behind',
        `${destination.url} ends at pack ${there?.seq ?? 0} of ${device}, but ${here?.seq} were sent: restore it, or start a new state folder`)
    } else if (there && (!here || there.seq > here.seq || there.hash !== toHex(here.hash))) {
      throw new SluiceError('destination-ahead',
        `${destination.url} has pack ${there.seq} of ${device}, which this state folder did not send: is another machine using this name?`)
    }
    this.#inDoubt = false
  }

  /**
   * Sends a pack, or as much of it as `maxBytes` and `signal` allow; the rest resumes at its byte. Returns whether it
   * arrived. What went out is settled in the ledger in any case. Throws the destination's errors.
   */
  async send(pack: PackRow, { maxBytes, signal, onSent }: SendOptions): Promise<boolean> {
    await this.reconcile()
    const { journal, spool, ledger, destination, now, emit } = this.#options
    if (pack.state === 'stamped' && journal.stamped()?.id !== pack.id) return true
    await using body = await spool.open(pack.bodyHash, pack.bodyBytes)
    const seq = pack.seq ?? (journal.head()?.seq ?? 0) + 1
    const header = pack.header ?? this.#header(pack, seq)
    const outgoing = outgoingPack({ device: this.#options.device, seq, hash: toHex(headerHash(header)) }, header, body)
    const granted = Math.min(maxBytes, outgoing.sizeBytes)
    if (granted < Math.min(sliceBytes, outgoing.sizeBytes)) return false
    const reservation = journal.transaction(() => {
      if (pack.state === 'sealed') journal.stamp(pack.id, seq, header)
      return ledger.reserve({ now: now(), queue: pack.queue, pack: toHex(pack.bodyHash).slice(0, 12), bytes: granted })
    })
    if (pack.state === 'sealed') emit({ event: 'pack.stamped', seq, packBytes: outgoing.sizeBytes })
    let sent = 0
    const spent = new AbortController()
    const limit = (bytes: number): void => {
      sent += bytes
      this.#reservedBytes = Math.max(0, granted - sent)
      onSent?.(bytes)
      if (granted - sent < Math.min(sliceBytes, outgoing.sizeBytes - sent)) spent.abort()
    }
    this.#inDoubt = true
    this.#reservedBytes = granted
    try {
      await destination.put(outgoing, { signal: AbortSignal.any([signal, spent.signal]), onSent: limit })
    } catch (error) {
      journal.transaction(() => ledger.settle(reservation, sent))
      if (error instanceof SluiceError && error.code === 'aborted') return false
      throw error
    } finally {
      this.#reservedBytes = 0
    }
    journal.transaction(() => {
      ledger.settle(reservation, sent)
      journal.markSent(pack.id, headOf(outgoing.name), now())
    })
    this.#inDoubt = false
    await spool.remove(pack.bodyHash)
    emit({ event: 'pack.sent', seq, packBytes: outgoing.sizeBytes })
    return true
  }

  #header(pack: PackRow, seq: number): Uint8Array {
    const { device, journal } = this.#options
    const { bodyBytes, bodyHash } = pack
    return encodeHeader({ device, seq, previous: journal.head()?.hash ?? noPrevious, bodyBytes, bodyHash })
  }

  /** Lets another pack go before a stamped one that may not be sent now: its place is given back, its partial bytes too. */
  async giveWay(pack: PackRow): Promise<void> {
    this.#inDoubt = true
    await this.reconcile()
    const { destination, device, journal } = this.#options
    if (journal.stamped()?.id !== pack.id || pack.seq === undefined || !pack.header) return
    await destination.abandon({ device, seq: pack.seq, hash: toHex(headerHash(pack.header)) })
    journal.unstamp(pack.id)
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
    read: async (offset, length) => {
      if (offset >= header.length) return body.read(offset - header.length, length)
      const front = header.subarray(offset, offset + length)
      return front.length === length ? front : Buffer.concat([front, await body.read(0, length - front.length)])
    },
  }
}
