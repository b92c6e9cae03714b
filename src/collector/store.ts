import type { PackName } from '../transfer/destination.ts'
import type { PackHeader } from '../pack/header.ts'

/** A pack that is arriving. */
export interface Incoming {
  readonly name: PackName
  /** As announced when it was created. */
  readonly sizeBytes: number
  /** Bytes that are there, from the first. */
  readonly offset: number
  /** Milliseconds since the epoch: when bytes of it last came, or it was created. */
  readonly changedAt: number
}

/** What passes the bytes of a pack on while it looks at them, and throws at their end when they are not what they should be. */
export interface PackCheck {
  pass(bytes: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
  /** Known once all bytes have passed. */
  readonly header: PackHeader
}

/** Small texts under plain keys such as `devices/laptop-17.json`: at most 4 KiB each. */
export interface Records {
  read(key: string): Promise<string | undefined>
  /** Writes one that is not there yet; false when it is, whoever was first. Durable when it returns, as `replace`. */
  create(key: string, text: string): Promise<boolean>
  replace(key: string, text: string): Promise<void>
  /** Removes one; a missing one is fine. */
  remove(key: string): Promise<void>
  /** Keys that begin with a prefix that ends with `/`, in byte order. */
  list(prefix: string): Promise<string[]>
}

/** A request with which whoever knows it creates one object, once. */
export interface SignedPut {
  /** Secret: it holds the signature. It is for `PUT` with `If-None-Match: *` and the length that was signed. */
  readonly url: URL
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** What a device has in the store. */
export interface Usage {
  readonly packs: number
  readonly bytes: number
  /** When the head arrived, milliseconds since the epoch. */
  readonly lastPackAt?: number
}

/**
 * Where a collector keeps everything. Several collectors may work on one store at once, each stopping at any point, so
 * nothing that counts is kept in memory. Every implementation passes test/suites/collector-store.ts.
 *
 * Errors are those of the system, or a `SluiceError`: the collector answers them with `store-unreachable`.
 */
export interface CollectorStore {
  /** Throws when nothing can be read or written there now. */
  check(): Promise<void>
  readonly records: Records

  /** The pack with the highest seq in a device's log. */
  head(device: string): Promise<PackName | undefined>
  /** Bytes of a pack that is in the log; undefined when it is not. */
  sizeOf(name: PackName): Promise<number | undefined>
  usage(device: string): Promise<Usage>

  /** Begins an upload, or finds the one that was begun: with `offset` 0 or what had arrived. One of another size begins anew. */
  begin(name: PackName, sizeBytes: number): Promise<Incoming>
  find(name: PackName): Promise<Incoming | undefined>
  /** Of one device, or of all. */
  incoming(device?: string): Promise<Incoming[]>
  /**
   * Adds bytes at an offset not beyond what is there, and returns where they end. Bytes that were taken are kept when
   * `bytes` throws, and durable when this returns. Two writers at once may each write over what the other wrote: what counts is
   * checked in `commit`.
   */
  append(incoming: Incoming, offset: number, bytes: AsyncIterable<Uint8Array>): Promise<number>
  /** Lets a device put the whole of an upload into the store by itself; only of a store that can. */
  presign?(incoming: Incoming): Promise<SignedPut>
  discard(name: PackName): Promise<void>
  /**
   * Puts a complete upload into the log. All its bytes pass `check`, and those that passed are those that are kept, whoever
   * still writes to the upload. Then the seq is claimed against every other collector, and only then `follows` is asked whether
   * the pack may come behind the head that is there: it throws if not. What throws leaves the log as it was. The pack is durable when this
   * returns; uploads up to its seq are gone. Committing what is in the log already succeeds.
   */
  commit(incoming: Incoming, check: PackCheck, follows: (head: PackName | undefined) => void): Promise<void>

  /** Finishes commits that a collector that died has begun, and removes what else it has left behind. */
  sweep(): Promise<void>
}
