import { createHash, randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { escapeXml } from '../../src/transfer/s3/xml.ts'

/** What a test store is asked. */
export interface StoreRequest {
  readonly method: string
  /** Without the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
}

export interface StoreOptions {
  /** Sees each request first, before its body is read. True: it has answered, or will. */
  readonly intercept?: (request: StoreRequest, response: ServerResponse) => boolean
  /** Whether the bucket is in the host name. */
  readonly virtual?: boolean
  /** Makes entity tags; those of stores that encrypt are no MD5. */
  readonly tag?: (bytes: Buffer) => string
}

/** An S3 store in memory, as small as it can be, whose answers a test may replace. It checks no signature. */
export interface Store extends AsyncDisposable {
  /** `http://127.0.0.1:4711` */
  readonly endpoint: string
  readonly port: number
  readonly objects: Map<string, Buffer>
  /** By upload id. */
  readonly uploads: Map<string, { readonly key: string, readonly parts: Map<number, Buffer> }>
  /** `PUT key?query`, without the values of what is random. */
  readonly requests: string[]
}

export async function startStore(options: StoreOptions = {}): Promise<Store> {
  const { intercept, virtual = false } = options
  const store = { objects: new Map<string, Buffer>(), uploads: new Map<string, { key: string, parts: Map<number, Buffer> }>(), requests: [] as string[] }
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://store')
    const path = decodeURIComponent(url.pathname).slice(1)
    const key = virtual ? path : path.replace(/^[^/]*\/?/, '')
    const asked: StoreRequest = { method: request.method ?? '', key, query: url.searchParams, headers: request.headers }
    store.requests.push(`${asked.method} ${key}${url.search.replace(/(uploadId=)[^&]+/, '$1…')}`)
    response.setHeader('x-amz-request-id', 'test')
    if (intercept?.(asked, response)) return
    void buffer(request).then((body) => { answer(asked, body, response) }).catch(() => response.destroy())
  })
  const answer = (request: StoreRequest, body: Buffer, response: ServerResponse): void => {
    const { method, key, query } = request
    const tag = options.tag ?? ((bytes: Buffer) => createHash('md5').update(bytes).digest('hex'))
    const upload = store.uploads.get(query.get('uploadId') ?? '')
    if (query.has('uploadId') && upload?.key !== key) return refuse(response, 404, 'NoSuchUpload')
    if (key === '') return xml(response, query.has('uploads') ? uploadList(store, query) : objectList(store, query))
    const object = store.objects.get(key)
    if (method === 'GET' && upload) return xml(response, partList(upload, tag))
    if (method === 'GET' || method === 'HEAD') return object ? give(request, object, tag(object), response) : refuse(response, 404, 'NoSuchKey')
    if (method === 'POST' && query.has('uploads')) {
      const id = randomUUID()
      store.uploads.set(id, { key, parts: new Map() })
      return xml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`)
    }
    if (method === 'DELETE') {
      store.uploads.delete(query.get('uploadId') ?? '')
      return void response.writeHead(204).end()
    }
    if (query.has('partNumber')) {
      upload?.parts.set(Number(query.get('partNumber')), body)
      return void response.writeHead(200, { etag: `"${tag(body)}"` }).end()
    }
    if (request.headers['if-none-match'] === '*' && object) return refuse(response, 412, 'PreconditionFailed')
    if (upload) {
      const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, number]) => Number(number))
      store.objects.set(key, Buffer.concat(numbers.map((number) => upload.parts.get(number) ?? Buffer.alloc(0))))
      store.uploads.delete(query.get('uploadId') ?? '')
      return xml(response, '<CompleteMultipartUploadResult><ETag>&quot;x-1&quot;</ETag></CompleteMultipartUploadResult>')
    }
    store.objects.set(key, body)
    response.writeHead(200, { etag: `"${tag(body)}"` }).end()
  }
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  return {
    ...store, port, endpoint: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => { server.close(() => { resolve() }) })
      server.closeAllConnections()
      await closed
    },
  }
}

export function refuse(response: ServerResponse, status: number, code: string, more = '', headers: Record<string, string> = {}): void {
  xml(response, `<Error><Code>${code}</Code><Message>hidden words of the store</Message>${more}</Error>`, status, headers)
}

export function xml(response: ServerResponse, document: string, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/xml', ...headers }).end(`<?xml version="1.0" encoding="UTF-8"?>\n${document}`)
}

function give({ method, headers }: StoreRequest, object: Buffer, tag: string, response: ServerResponse): void {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
  const bytes = from === undefined ? object : object.subarray(Number(from), Number(to) + 1)
  response.writeHead(from === undefined ? 200 : 206, { 'etag': `"${tag}"`, 'content-length': bytes.length })
  response.end(method === 'HEAD' ? undefined : bytes)
}

function objectList({ objects }: Pick<Store, 'objects'>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? ''
  const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > (query.get('start-after') ?? '')).sort()
  if (query.get('delimiter') === '/') {
    const folders = new Set(keys.map((key) => `${prefix}${key.slice(prefix.length).split('/')[0]}/`))
    return `<ListBucketResult>${[...folders].map((folder) => `<CommonPrefixes><Prefix>${folder}</Prefix></CommonPrefixes>`).join('')}</ListBucketResult>`
  }
  const page = keys.slice(0, Number(query.get('max-keys') ?? 1000))
  const contents = page.map((key) => `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${objects.get(key)?.length}</Size></Contents>`)
  const encoding = '<EncodingType>url</EncodingType>'
  return `<ListBucketResult><IsTruncated>${page.length < keys.length}</IsTruncated>${encoding}${contents.join('')}</ListBucketResult>`
}

function uploadList({ uploads }: Pick<Store, 'uploads'>, query: URLSearchParams): string {
  const found = [...uploads].filter(([, { key }]) => key.startsWith(query.get('prefix') ?? ''))
  const list = found.map(([id, { key }]) => `<Upload><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId></Upload>`)
  return `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${list.join('')}</ListMultipartUploadsResult>`
}

function partList({ parts }: { readonly parts: Map<number, Buffer> }, tag: (bytes: Buffer) => string): string {
  const list = [...parts].map(([number, bytes]) => (
    `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${tag(bytes)}&quot;</ETag><Size>${bytes.length}</Size></Part>`
  ))
  return `<ListPartsResult><IsTruncated>false</IsTruncated>${list.join('')}</ListPartsResult>`
}
