/**
 * Claim: a listing ends, whatever the store answers, and names are read as the store wrote them.
 *
 * Method: a store in memory whose listings are replaced: pages that never end, pages that come again, and keys that are
 * not encoded though it was asked to encode them.
 *
 * Not modelled: pages that come slowly; the session's patience ends those.
 */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { describe, expect, onTestFinished, test } from 'vitest'
import { packFileName, sliceBytes } from '../../src/transfer/destination.ts'
import { bucketAt } from '../collector/s3-bench.ts'
import { packOf, putAborting } from './packs.ts'
import { s3At } from './s3-bench.ts'
import { startStore, xml, type StoreRequest } from './s3-store.ts'

const partBytes = 4 * sliceBytes

/** A destination and a bucket of a collector, at a store that answers each request to list as told. */
async function listing(isMeant: (request: StoreRequest) => boolean, answer: (page: number) => string, prefix = '') {
  let page = 0
  const store = await startStore({
    intercept(request, response: ServerResponse) {
      if (!isMeant(request)) return false
      xml(response, answer(++page))
      return true
    },
  })
  onTestFinished(() => store[Symbol.asyncDispose]())
  const address = `s3://packs${prefix}?endpoint=${store.endpoint}`
  const bucket = bucketAt(address)
  onTestFinished(() => bucket[Symbol.asyncDispose]())
  const uploads = new Map<string, string>()
  return { at: () => s3At({ address, partBytes, uploads }), bucket, pages: () => page }
}

const isList = ({ method, key, query }: StoreRequest) => method === 'GET' && key === '' && !query.has('uploads')
const isPartList = ({ method, query }: StoreRequest) => method === 'GET' && query.has('uploadId')

const objects = (keys: readonly string[], more: boolean, encoding = ''): string => (
  `<ListBucketResult><IsTruncated>${more}</IsTruncated>${encoding}${keys.map((key) => `<Contents><Key>${key}</Key><Size>9</Size></Contents>`).join('')}</ListBucketResult>`
)
const folders = (name: string, token: string): string => (
  `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>${token}</NextContinuationToken>
  <CommonPrefixes><Prefix>${name}/</Prefix></CommonPrefixes></ListBucketResult>`
)
const numbered = (page: number): string => `n${String(page).padStart(9, '0')}`

describe('keys', () => {
  const name = packFileName(packOf(1, Buffer.of(1)).name)

  test.each([
    ['that the store left as they are', '', (key: string) => key],
    ['that it encoded', '<EncodingType>url</EncodingType>', encodeURIComponent],
    ['that it encoded as forms are', '<EncodingType>url</EncodingType>', (key: string) => encodeURIComponent(key).replaceAll('%20', '+')],
  ])('%s are read so', async (_, encoding, encode) => {
    const { at, bucket } = await listing(isList, () => objects([encode(`a+b %41/laptop-1/${name}`)], false, encoding), '/a+b%20%2541')
    expect(await at().list('laptop-1')).toHaveLength(1)
    expect(await bucket.list('laptop-1/')).toMatchObject([{ key: `laptop-1/${name}` }])
  })
})

describe('a listing that never ends', { timeout: 120_000 }, () => {
  const refusal = { code: 'destination-refused', transient: false }

  test('of packs is refused', async () => {
    const { at, pages } = await listing(isList, (page) => objects([`laptop-1/0${numbered(page)}`], true))
    await expect(at().list('laptop-1')).rejects.toMatchObject(refusal)
    expect(pages()).toBe(1001)
  })

  test('of devices is refused', async () => {
    const { at, pages } = await listing(isList, (page) => folders(numbered(page), 'x'))
    await expect(at().devices()).rejects.toMatchObject(refusal)
    expect(pages()).toBe(1001)
  })

  test('of devices is refused when it goes back', async () => {
    const { at, pages } = await listing(isList, (page) => folders(page % 2 === 0 ? 'a' : 'b', `${page}`))
    await expect(at().devices()).rejects.toMatchObject(refusal)
    expect(pages()).toBe(2)
  })

  test('of a collector’s objects is refused, at once when it goes back', async () => {
    const endless = await listing(isList, (page) => objects([`x/${numbered(page)}`], true))
    await expect(endless.bucket.list('x/')).rejects.toMatchObject(refusal)
    const repeated = await listing(isList, () => objects(['x/a'], true))
    await expect(repeated.bucket.list('x/')).rejects.toMatchObject(refusal)
    expect(repeated.pages()).toBe(2)
  })

  test('of parts ends where no upload has more', async () => {
    const { at, pages } = await listing(isPartList, (page) => (
      `<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>${9990 + page}</NextPartNumberMarker></ListPartsResult>`
    ))
    await putAborting(at(), packOf(1, randomBytes(2 * partBytes)), 1)
    expect(pages()).toBe(11)
  })
})

test('a device that the store tells twice, where a page ends and the next begins, is one', async () => {
  const name = packFileName(packOf(1, Buffer.of(1)).name)
  const isFolders = (request: StoreRequest) => isList(request) && request.query.has('delimiter')
  const store = await startStore({
    intercept(request, response) {
      if (!isFolders(request)) return false
      xml(response, request.query.has('continuation-token') ? folders('a', '').replace('true', 'false') : folders('a', 'x'))
      return true
    },
  })
  onTestFinished(() => store[Symbol.asyncDispose]())
  store.objects.set(`a/${name}`, Buffer.of(1))
  expect(await s3At({ address: `s3://packs?endpoint=${store.endpoint}` }).devices()).toEqual(['a'])
})
