import type { Meter } from './meter.ts'

/** Where a pack stands in a device log. `<seq, ten digits>-<hash, hex>.pack` below the device's name. */
export interface PackName {
  readonly device: string
  /** 1, 2, 3 … without gaps. */
  readonly seq: number
  /** SHA-256 of the pack's header, lower-case hex. The header holds the hash of everything behind it. */
  readonly hash: string
}

/** Random access to a pack's bytes, wherever they are. */
export interface ByteSource {
  readonly sizeBytes: number
  /** Exactly `length` bytes from `offset`, in `room` if there is one and it serves; throws when the source ends before. */
  read(offset: number, length: number, room?: Uint8Array): Promise<Uint8Array>
}

/** A pack to send. Its bytes are stable: reading a range twice gives the same bytes, also after a restart. */
export interface OutgoingPack extends ByteSource {
  readonly name: PackName
}

export interface RequestOptions {
  /** Aborting ends the transfer within one slice; what arrived is kept for resuming. */
  readonly signal?: AbortSignal
  /** Charged for every byte before it moves. When it refuses, the transfer ends as if aborted. */
  readonly meter?: Meter
}

export interface PutOptions extends RequestOptions {
  /** Called after each slice is handed over, with the bytes of it. */
  readonly onSent?: (bytes: number) => void
  /** Called whenever the destination tells how many bytes of the pack are there. */
  readonly onArrived?: (bytes: number) => void
}

/** Largest piece handed to a destination at once, so that a pause takes effect within one of them. */
export const sliceBytes = 64 << 10

/**
 * Where device logs are written. Every implementation passes test/suites/destination-put.ts; one that can be read, also
 * test/suites/destination-read.ts: any other answers `devices`, `list` and `open` with `destination-refused`. Errors are `SluiceError`s with `destination-*` codes, `transient` where waiting helps.
 */
export interface Destination {
  /** Address as in the config, for messages and for telling destinations apart. */
  readonly url: string
  /** The pack with the highest seq, undefined for an empty log, `untold` by a server that does not tell. */
  head(device: string, options?: RequestOptions): Promise<PackName | 'untold' | undefined>
  /**
   * Sends a pack and returns once it is durable there. An earlier attempt that was cut is resumed at its byte.
   * Sending a pack that is already there moves no bytes and succeeds.
   */
  put(pack: OutgoingPack, options?: PutOptions): Promise<void>
  /**
   * Gives up a pack that was partly sent: its partial bytes are removed. A complete pack stays, and true is returned: the
   * answer that told of its arrival was lost.
   */
  abandon(name: PackName, options?: RequestOptions): Promise<boolean>
  /** What a put remembered of a pack is dropped: it turned out not to be there after all, and the next put begins anew. */
  forget?(name: PackName): void
  /** An estimate, never too low, of the bytes on the wire for sending so much of packs over a new connection. */
  readonly wireBytes: (payloadBytes: number) => number
  /**
   * What the three below are to a device. `free`: no byte of them goes over a network, so they need no gate. `costs`: nothing
   * charges their bytes or stops them for a pause, so they are for whoever asked to read. `refused`: it may only write.
   */
  readonly reading: 'free' | 'costs' | 'refused'
  /** Devices that have a log here, in byte order. */
  devices(): Promise<string[]>
  /** The log of a device in order of seq. Names that are no pack names are skipped. */
  list(device: string): Promise<PackName[]>
  /** Opens a pack for reading. The caller closes it. */
  open(name: PackName): Promise<ByteSource & AsyncDisposable>
}

/** `0000000012-<hash>.pack` */
export function packFileName(name: PackName): string {
  return `${String(name.seq).padStart(10, '0')}-${name.hash}.pack`
}

const packFilePattern = /^(\d{10,16})-([0-9a-f]{64})\.pack$/

/** The pack name in a file name, or undefined when it is not one in canonical form. */
export function parsePackFileName(device: string, fileName: string): PackName | undefined {
  const match = packFilePattern.exec(fileName)
  if (!match?.[1] || !match[2]) return undefined
  const name = { device, seq: Number(match[1]), hash: match[2] }
  return name.seq >= 1 && Number.isSafeInteger(name.seq) && packFileName(name) === fileName ? name : undefined
}
