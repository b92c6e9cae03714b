import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
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
    const store = await reopen()
    const claims = '.collector/claims/'
    return {
      store,
      reopen,
      list: (device) => written.list(device),
      content: (name) => contentOf(written, name),
      claim: async ({ name: { device, seq }, bytes }) => { await buckets[0]?.put(`${claims}${device}-${seq}`, bytes) },
      claims: async () => (await buckets[0]?.list(claims) ?? []).map(({ key }) => key.slice(claims.length)),
      remove: async () => { for (const bucket of buckets) await bucket[Symbol.asyncDispose]() },
    }
  })

  test('a check writes and cleans up, once a minute', async () => {
    await using bucket = bucketAt(`s3://${await ceph.bucket()}?endpoint=${ceph.endpoint}`)
    const [wrote, listed] = [vi.spyOn(bucket, 'put'), vi.spyOn(bucket, 'list')]
    let now = Date.now()
    const store = await openS3Store(bucket, () => now)
    for (let at = 0; at < 5; at++) await store.check()
    expect([wrote.mock.calls.length, listed.mock.calls.length]).toEqual([1, 4])
    now += 60_000
    await store.check()
    expect(wrote).toHaveBeenCalledTimes(2)
    wrote.mockRejectedValueOnce(new Error('full'))
    now += 60_000
    await expect(store.check()).rejects.toThrow('full')
    await store.check()
    expect(wrote).toHaveBeenCalledTimes(4)
    expect(await bucket.list('.collector/probes/')).toEqual([])
  })

  test('a bucket that does not exist is refused in words', async () => {
    const opened = openS3Store(bucketAt(`s3://no-such-bucket?endpoint=${ceph.endpoint}`), Date.now)
    await expect(opened).rejects.toMatchObject({ code: 'destination-missing' })
  })
})
