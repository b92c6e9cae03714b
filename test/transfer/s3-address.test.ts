import aws4 from 'aws4'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { packKey, parseS3Address, s3Url, type S3Defaults } from '../../src/transfer/s3/address.ts'
import { localSigner } from '../../src/transfer/s3/signer.ts'
import { placeOf } from './s3-bench.ts'

const urlOf = (address: string, defaults?: S3Defaults): string => s3Url(placeOf(address, defaults), 'k').href

test.each<[string, S3Defaults, string]>([
  ['s3://packs', {}, 'https://packs.s3.us-east-1.amazonaws.com/k'],
  ['s3://packs?region=eu-central-1', {}, 'https://packs.s3.eu-central-1.amazonaws.com/k'],
  ['s3://packs?region=cn-north-1', {}, 'https://packs.s3.cn-north-1.amazonaws.com.cn/k'],
  ['s3://packs?style=path', {}, 'https://s3.us-east-1.amazonaws.com/packs/k'],
  ['s3://my.packs', {}, 'https://s3.us-east-1.amazonaws.com/my.packs/k'],
  ['s3://packs/a/b/?endpoint=https://store.example.com', {}, 'https://store.example.com/packs/k'],
  ['s3://packs?endpoint=https%3A%2F%2Fstore.example.com%3A8443/', {}, 'https://store.example.com:8443/packs/k'],
  ['s3://packs?endpoint=https://store.example.com&style=virtual', {}, 'https://packs.store.example.com/k'],
  ['s3://packs?endpoint=http://localhost:7480', {}, 'http://localhost:7480/packs/k'],
  ['s3://packs?endpoint=http://[::1]:7480', {}, 'http://[::1]:7480/packs/k'],
  ['S3://packs', { endpoint: 'https://a.example', region: 'x', style: 'virtual' }, 'https://packs.a.example/k'],
  ['s3://packs?endpoint=https://b.example&region=y&style=path', { endpoint: 'https://a.example', style: 'virtual' }, 'https://b.example/packs/k'],
])('%s with %o is asked at %s', (address, defaults, url) => {
  expect(urlOf(address, defaults)).toBe(url)
})

test.each([
  's3:packs', 's3://', 's3://ab', 's3://Packs', 's3://pa_cks', 's3://packs-', 's3://-packs', `s3://${'x'.repeat(64)}`, 's3://packs/../x',
  's3://packs/a//b', 's3://packs/./a', 's3://packs/%2e%2e', 's3://packs/a%00b', 's3://packs/%', 's3://packs/%2F', 's3://packs/a%2F/', 's3://packs#x',
  `s3://packs/${'ä'.repeat(300)}`, 's3://me:secret@packs', 's3://packs?endpoint=http://store.example.com',
  's3://packs?endpoint=http://localhost.example.com', 's3://packs?endpoint=https://me:secret@x.example', 's3://packs?endpoint=https://x.example/path',
  's3://packs?endpoint=ftp://x', 's3://packs?endpoint=', 's3://packs?region=', 's3://packs?region=a/b', 's3://packs?region=a.b', 's3://packs?style=both',
  's3://packs?region=a&region=b', 's3://packs?secret=x',
])('%s is refused in a sentence that repeats nothing of it', (address) => {
  const problem = parseS3Address(address)
  expect(problem).toMatch(/^[A-Z].*\.$/)
  expect(problem).not.toContain('secret')
})

test('an address in canonical form is its own canonical form', () => {
  fc.assert(fc.property(fc.array(fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' }), { maxLength: 4 }), fc.boolean(), (parts, endpoint) => {
    const written = `s3://packs/${parts.map(encodeURIComponent).join('/')}${endpoint ? '?endpoint=https://X.example/' : ''}`
    const place = parseS3Address(written)
    fc.pre(typeof place !== 'string')
    expect(parseS3Address(place.url)).toEqual(place)
    expect(place.prefix).toBe(parts.join('/'))
  }))
})

describe('a signature', () => {
  const credentials = { get: async () => ({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret', sessionToken: 'token' }), forget: () => undefined }
  const now = Date.parse('2026-11-23T12:00:00Z')
  const signer = localSigner({ credentials, region: 'eu-central-1', now: () => now })

  test('is for the URL as it is sent, whatever stands in it', async () => {
    const text = fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }).filter((part) => !part.split('/').some((piece) => /^\.{1,2}$/.test(piece)) && part.isWellFormed())
    await fc.assert(fc.asyncProperty(text, text, async (part, value) => {
      const place = placeOf('s3://packs?endpoint=https://store.example.com&region=eu-central-1')
      const url = s3Url(place, `a/${part}/b`, { 'prefix': value, 'list-type': '2' })
      const signed = await signer.sign({ method: 'GET', url, headers: {}, sha256: 'UNSIGNED-PAYLOAD' })
      expect(signed.url.href).toBe(url.href)
      // What goes over the wire, read as a store reads it, is what was signed.
      expect(decodeURIComponent(url.pathname)).toBe(`/packs/a/${part}/b`)
      expect(url.searchParams.get('prefix')).toBe(value)
      const again = aws4.sign({
        service: 's3', region: 'eu-central-1', method: 'GET', host: 'store.example.com', path: url.pathname + url.search,
        headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'x-amz-date': '20261123T120000Z' },
      }, await credentials.get())
      expect(signed.headers['authorization']).toBe(again.headers?.['Authorization'])
    }))
  })

  test('covers what must not be changed on the way', async () => {
    const url = new URL('https://store.example.com/packs/k')
    const headers = { 'content-length': '3', 'content-md5': 'x', 'if-none-match': '*' }
    const signed = await signer.sign({ method: 'PUT', url, headers, sha256: 'a'.repeat(64) })
    expect(signed.headers['authorization']).toMatch(
      /SignedHeaders=content-length;content-md5;host;if-none-match;x-amz-content-sha256;x-amz-date;x-amz-security-token,/,
    )
    expect(signed.headers['authorization']).toContain('/20261123/eu-central-1/s3/aws4_request')
    expect(JSON.stringify(signed)).not.toContain('secret')
  })
})

test('a pack is kept below prefix and device', () => {
  const name = { device: 'laptop-1', seq: 12, hash: 'a'.repeat(64) }
  expect(packKey(placeOf('s3://packs/some/prefix/'), name)).toBe(`some/prefix/laptop-1/0000000012-${'a'.repeat(64)}.pack`)
  expect(packKey(placeOf('s3://packs'), name)).toBe(`laptop-1/0000000012-${'a'.repeat(64)}.pack`)
})
