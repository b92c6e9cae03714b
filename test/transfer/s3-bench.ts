import type { Destination } from '../../src/transfer/destination.ts'
import type { Link } from '../../src/transfer/link/link.ts'
import { parseS3Address, type S3Defaults, type S3Place } from '../../src/transfer/s3/address.ts'
import type { AccessKeys } from '../../src/transfer/s3/credentials.ts'
import { s3Destination } from '../../src/transfer/s3/s3.ts'
import { localSigner, type Signer } from '../../src/transfer/s3/signer.ts'
import type { Patience } from '../../src/transfer/tus-session.ts'
import type { UploadMemory } from '../../src/transfer/tus.ts'
import { cephKeys } from './ceph.ts'
import { patient, plainLink } from './tus-bench.ts'

export interface S3Bench {
  readonly address: string
  readonly defaults?: S3Defaults
  readonly link?: Link
  readonly uploads?: UploadMemory
  readonly patience?: Patience
  readonly now?: () => number
  readonly keys?: AccessKeys
  readonly signer?: Signer
  readonly partBytes?: number
}

export function placeOf(address: string, defaults?: S3Defaults): S3Place {
  const place = parseS3Address(address, defaults)
  if (typeof place === 'string') throw new Error(place)
  return place
}

/** A destination at a test store, with everything that is not given made up. */
export function s3At(bench: S3Bench): Destination {
  const {
    address, defaults, link = plainLink(), uploads = new Map<string, string>(), patience = patient, now = Date.now, keys = cephKeys, partBytes,
  } = bench
  const place = placeOf(address, defaults)
  const signer = bench.signer ?? localSigner({ credentials: { get: async () => keys, forget: () => undefined }, region: place.region, now })
  return s3Destination({ place, signer, link, uploads, now, patience, ...(partBytes !== undefined && { partBytes }) })
}

/** What stays of a pack that is cut, in a store where parts have so many bytes. */
export function keptInParts(partBytes: number): (bytes: number) => number {
  return (bytes) => Math.floor(bytes / partBytes) * partBytes
}
