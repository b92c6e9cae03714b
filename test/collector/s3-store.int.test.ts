import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openS3Store } from '../../src/collector/s3-store.ts'
import type { Bucket } from '../../src/collector/s3-bucket.ts'
import { openS3 } from '../../src/transfer/s3/open.ts'
import { describeCollectorStore } from '../suites/collector-store.ts'
import { cephKeys, noCeph, startCeph, type Ceph } from '../transfer/ceph.ts'
import { contentOf } from '../transfer/packs.ts'
import { plainLink } from '../transfer/tus-bench.ts'
import { bucketAt } from './s3-bench.ts'

let ceph: Ceph

describe.skipIf(noCeph)(`a collector's store in Ceph${noCeph ? ` (${noCeph})` : ''}`, { timeout: 180_000 }, () => {
  beforeAll(async () => { ceph = await startCeph() }, 180_000)
  afterAll(() => ceph[Symbol.asyncDispose]())

  describeCollectorStore('a bucket', async () => {
    const address = `s3://${await ceph.bucket()}/some/prefix?endpoint=${ceph.endpoint}`
    const buckets: Bucket[] = []
    const reopen = () => {
      const bucket = bucketAt(address)
      buckets.push(bucket)
      return openS3Store(bucket, Date.now)
    }
    const environment = { AWS_ACCESS_KEY_ID: cephKeys.accessKeyId, AWS_SECRET_ACCESS_KEY: cephKeys.secretAccessKey }
    const written = openS3(address, { settings: {}, environment, home: '/nowhere', link: plainLink(), uploads: new Map<string, string>(), now: Date.now })
    return {
      store: await reopen(),
      reopen,
      list: (device) => written.list(device),
      content: (name) => contentOf(written, name),
      remove: async () => { for (const bucket of buckets) await bucket[Symbol.asyncDispose]() },
    }
  })

  test('a bucket that does not exist is refused in words', async () => {
    const opened = openS3Store(bucketAt(`s3://no-such-bucket?endpoint=${ceph.endpoint}`), Date.now)
    await expect(opened).rejects.toMatchObject({ code: 'destination-missing' })
  })
})
