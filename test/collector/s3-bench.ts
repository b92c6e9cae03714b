import { onTestFinished } from 'vitest'
import { Bucket } from '../../src/collector/s3-bucket.ts'
import { startCollector, type Collector, type CollectorOptions } from '../../src/collector/collector.ts'
import { openS3Store } from '../../src/collector/s3-store.ts'
import type { CollectorStore } from '../../src/collector/store.ts'
import type { CollectorEvent } from '../../src/observe/collector-events.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import { localSigner } from '../../src/transfer/s3/signer.ts'
import { cephKeys, type Ceph } from '../transfer/ceph.ts'
import { placeOf, s3At } from '../transfer/s3-bench.ts'

/** A bucket as a collector opens it; the caller disposes of it. */
export function bucketAt(address: string, now = Date.now): Bucket {
  const place = placeOf(address)
  const credentials = { get: async () => cephKeys, forget: () => undefined }
  return new Bucket(place, localSigner({ credentials, region: place.region, now }), now)
}

export interface S3Place {
  readonly address: string
  readonly bucket: Bucket
  readonly store: CollectorStore
  /** The logs there, seen by a way of their own. */
  readonly written: Destination
  /** Keys below `.collector/` of uploads and claims that are left. */
  readonly leftovers: () => Promise<string[]>
}

/** An empty place in a bucket of its own. */
export async function s3Place(ceph: Ceph): Promise<S3Place> {
  const address = `s3://${await ceph.bucket()}/some/prefix?endpoint=${ceph.endpoint}`
  const bucket = bucketAt(address)
  onTestFinished(() => bucket[Symbol.asyncDispose]())
  const under = async (folder: string): Promise<string[]> => (await bucket.list(`.collector/${folder}/`)).map(({ key }) => key)
  return {
    address, bucket,
    store: await openS3Store(bucket, Date.now),
    written: s3At({ address }),
    leftovers: async () => [...await under('claims'), ...await under('incoming')],
  }
}

export interface Running {
  readonly collector: Collector
  readonly url: string
  readonly events: CollectorEvent[]
  /** A credential for a device, made once. */
  readonly credentialOf: (device: string) => Promise<string>
}

/** A collector on a store, with credentials for whatever device asks. The caller stops it. */
export async function running(store: CollectorStore, options: Omit<CollectorOptions, 'store' | 'emit'> = {}): Promise<Running> {
  const events: CollectorEvent[] = []
  const collector = await startCollector({ store, ...options, emit: (event) => { events.push(event) } })
  const credentials = new Map<string, Promise<string>>()
  const enrolled = async (device: string): Promise<string> => {
    const token = await collector.accounts.makeToken({ uses: 1, expiresAt: Date.now() + 60_000 })
    return (await collector.accounts.enrol(device, token)).credential
  }
  return {
    collector, events, url: collector.url.replace('127.0.0.1', 'localhost'),
    credentialOf: (device) => {
      const known = credentials.get(device) ?? enrolled(device)
      credentials.set(device, known)
      return known
    },
  }
}
