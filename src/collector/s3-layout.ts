import { packFileName, parsePackFileName, type PackName } from '../transfer/destination.ts'
import type { BucketObject } from './s3-bucket.ts'
import type { Incoming } from './store.ts'

/**
 * Below the prefix: packs as `s3Destination` has them, and
 *
 *   .collector/incoming/<device>/<seq>-<hash>.pack.<size>/begun, …/<offset>   what has arrived of an upload
 *   .collector/claims/<device>-<seq>                                         a pack that is about to get its place in the log
 *   .collector/records/…
 */
export const places = { incoming: '.collector/incoming/', claims: '.collector/claims/', records: '.collector/records/', probes: '.collector/probes/' } as const

/** The key of a pack in its log. */
export function packKey(name: PackName): string {
  return `${name.device}/${packFileName(name)}`
}

/** Where an upload arrives: the keys of its pieces begin so. */
export function folderOf(name: PackName, sizeBytes: number): string {
  return `${places.incoming}${packKey(name)}.${sizeBytes}/`
}

/** The key of a piece below that folder. Packs have less than 10^8 bytes, so names of eight digits sort as their numbers do. */
export function offsetName(offset: number): string {
  return String(offset).padStart(8, '0')
}

interface UploadPart {
  readonly name: PackName
  readonly sizeBytes: number
  /** Missing for the sign that it was begun. */
  readonly offset?: number
}

/** What an object of an upload is, by its key; undefined for what is none. */
export function uploadIn(key: string): UploadPart | undefined {
  const [, device = '', packFile = '', size = '', part = ''] = /^([^/]+)\/(.+\.pack)\.(\d{1,16})\/(begun|\d{8})$/.exec(key.slice(places.incoming.length)) ?? []
  const name = parsePackFileName(device, packFile)
  return name && { name, sizeBytes: Number(size), ...(part !== 'begun' && { offset: Number(part) }) }
}

/** The uploads that were begun, each with how far its pieces reach without a gap. */
export function incomingIn(objects: readonly BucketObject[]): Incoming[] {
  const uploads = Map.groupBy(objects, ({ key }) => key.slice(0, key.lastIndexOf('/') + 1))
  return [...uploads].flatMap(([folder, parts]) => {
    const upload = uploadIn(`${folder}begun`)
    if (!upload || !parts.some(({ key }) => key === `${folder}begun`)) return []
    let offset = 0
    for (const piece of piecesIn(parts)) if (piece.offset <= offset) offset = Math.max(offset, piece.offset + piece.sizeBytes)
    return [{
      name: upload.name, sizeBytes: upload.sizeBytes, offset: Math.min(offset, upload.sizeBytes),
      changedAt: Math.max(...parts.map(({ changedAt }) => changedAt)),
    }]
  })
}

export interface Piece extends BucketObject {
  readonly offset: number
}

/** The pieces among the objects of one upload, in order as a store lists them. */
export function piecesIn(objects: readonly BucketObject[]): Piece[] {
  return objects.flatMap((object) => {
    const offset = uploadIn(object.key)?.offset
    return offset === undefined ? [] : [{ ...object, offset }]
  })
}

/** Of the pieces that hold the byte at an offset, the one that reaches furthest. */
export function furthest(pieces: readonly Piece[], at: number): Piece | undefined {
  const holding = pieces.filter(({ offset, sizeBytes }) => offset <= at && at < offset + sizeBytes)
  return holding.sort((a, b) => b.offset + b.sizeBytes - a.offset - a.sizeBytes)[0]
}
