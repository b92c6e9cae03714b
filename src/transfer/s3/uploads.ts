import type { OutgoingPack, PackName, PutOptions } from '../destination.ts'
import { packFileName } from '../destination.ts'
import { unreachable } from '../tus-answer.ts'
import type { UploadMemory } from '../tus.ts'
import { devicePrefix, packKey } from './address.ts'
import { payloadOf, plainTag, tagOf, textPayload, type S3Answer, type S3Client } from './client.ts'
import { conditional, type Conditions } from './conditions.ts'
import { childrenOf, escapeXml, mostXmlBytes, textOf } from './xml.ts'

/** What is kept over restarts of a pack on its way. */
export interface Kept {
  readonly upload?: KeptUpload
  /** When all of the pack had been sent and the answer was still to come, milliseconds: it may yet appear. */
  readonly wholeAt?: number
}

interface KeptUpload {
  readonly id: string
  /** Parts of one upload have one size, whatever the config says by now. */
  readonly partBytes: number
  /** Entity tags by part number - 1; empty where the part is still to be sent. */
  readonly etags: readonly string[]
}

/** Where a put is remembered. */
export class KeptUploads {
  readonly #memory: UploadMemory

  constructor(memory: UploadMemory) {
    this.#memory = memory
  }

  get(name: PackName): Kept {
    const text = this.#memory.get(memoryKey(name))
    if (text === undefined) return {}
    try {
      return keptIn(JSON.parse(text))
    } catch {
      return {}
    }
  }

  set(name: PackName, kept: Kept): void {
    if (kept.upload || kept.wholeAt !== undefined) this.#memory.set(memoryKey(name), JSON.stringify(kept))
    else this.delete(name)
  }

  /** Another upload, or none; whether the pack may yet appear stays as it is. */
  setUpload(name: PackName, upload: KeptUpload | undefined): void {
    const { wholeAt } = this.get(name)
    this.set(name, { ...(upload && { upload }), ...(wholeAt !== undefined && { wholeAt }) })
  }

  delete(name: PackName): void {
    this.#memory.delete(memoryKey(name))
  }
}

function memoryKey(name: PackName): string {
  return `${name.device}/${packFileName(name)}`
}

function keptIn(value: unknown): Kept {
  if (typeof value !== 'object' || value === null) return {}
  const { upload, wholeAt } = value as Readonly<Record<keyof Kept, unknown>>
  const found = uploadIn(upload)
  return { ...(found && { upload: found }), ...(typeof wholeAt === 'number' && { wholeAt }) }
}

function uploadIn(value: unknown): KeptUpload | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { id, partBytes, etags } = value as Readonly<Record<keyof KeptUpload, unknown>>
  if (typeof id !== 'string' || !Number.isSafeInteger(partBytes) || Number(partBytes) < 1 || !Array.isArray(etags)) return undefined
  return { id, partBytes: Number(partBytes), etags: etags.map((etag) => typeof etag === 'string' ? etag : '') }
}

export interface UploadOptions {
  readonly client: S3Client
  readonly kept: KeptUploads
  readonly conditions: Conditions
  readonly partBytes: number
  readonly now: () => number
  readonly put: PutOptions
}

/** Rounds in which an upload may turn out to be gone; then the store is left alone for a while. */
const mostRounds = 3

/**
 * Sends a pack in parts. Parts that an earlier put left are kept when their size and entity tag are right. Returns once
 * the store has put them together, `conflict` with its answer when it says that there is such an object already.
 */
export async function putInParts(pack: OutgoingPack, options: UploadOptions): Promise<S3Answer | 'conflict'> {
  const { client, kept } = options
  for (let round = 0; round < mostRounds; round++) {
    const upload = kept.get(pack.name).upload ?? await begin(pack.name, options)
    const etags = await sendParts(pack, upload, options)
    const answer = etags && await complete(pack.name, upload.id, etags, options)
    if (answer === 'conflict') {
      await endUpload(client, packKey(client.place, pack.name), upload.id)
      return answer
    }
    if (answer) return answer
    kept.setUpload(pack.name, undefined) // gone, by itself or because the pack is complete
    if (await options.conditions.isThere(client, pack)) return 'conflict'
  }
  throw unreachable(client.place.words, 'Uploads that were begun there disappear.')
}

async function begin(name: PackName, { client, kept, partBytes }: UploadOptions): Promise<KeptUpload> {
  const doing = 'begin an upload'
  const question = { method: 'POST', key: packKey(client.place, name), query: { uploads: '' }, headers: packHeaders } as const
  const id = textOf(await client.expectXml(question, 'InitiateMultipartUploadResult', doing), 'UploadId')
  if (!id) throw unreachable(client.place.words, 'It does not name the upload that was begun.')
  const upload = { id, partBytes, etags: [] }
  kept.setUpload(name, upload)
  return upload
}

export const packHeaders = { 'content-type': 'application/octet-stream' }

/** The tags of all parts, or undefined when the upload is gone. */
async function sendParts(pack: OutgoingPack, upload: KeptUpload, options: UploadOptions): Promise<string[] | undefined> {
  const { client, kept, put } = options
  const key = packKey(client.place, pack.name)
  const count = Math.ceil(pack.sizeBytes / upload.partBytes)
  const ranges = Array.from({ length: count }, (_, at) => (
    [at * upload.partBytes, Math.min(pack.sizeBytes, (at + 1) * upload.partBytes)] as const
  ))
  const there = await listParts(client, key, upload.id)
  if (!there) return undefined
  const etags: string[] = []
  let arrivedBytes = 0
  for (const [at, range] of ranges.entries()) {
    const payload = await payloadOf(client, pack, range, put)
    const found = there.get(at + 1)
    // Where the store encrypts, a tag is no MD5: then it has to be the one that it told when it took the part.
    const isRight = found?.sizeBytes === payload.sizeBytes && (found.etag === payload.md5 || found.etag === upload.etags[at])
    etags[at] = isRight ? found.etag : ''
    if (!isRight) {
      const question = { method: 'PUT', key, query: { partNumber: String(at + 1), uploadId: upload.id }, payload } as const
      const answer = await client.ask(question).catch((error: unknown) => { throw payload.failure() ?? error })
      if (answer.status === 404 && answer.refusal?.code !== 'NoSuchBucket') return undefined
      if (!answer.isSuccess) throw client.error(answer, 'send a part of a pack')
      etags[at] = tagOf(answer, client)
      kept.setUpload(pack.name, { ...upload, etags })
    }
    arrivedBytes += payload.sizeBytes
    put.onArrived?.(arrivedBytes)
  }
  return etags
}

interface Part {
  readonly sizeBytes: number
  readonly etag: string
}

/** The parts of an upload by number, or undefined when it is gone. */
async function listParts(client: S3Client, key: string, id: string): Promise<Map<number, Part> | undefined> {
  const doing = 'list the parts of an upload'
  const parts = new Map<number, Part>()
  for (let marker: string | undefined = '0'; marker !== undefined;) {
    const query: Record<string, string> = { 'uploadId': id, 'part-number-marker': marker }
    const answer = await client.ask({ method: 'GET', key, query, answerBytes: mostXmlBytes })
    if (answer.status === 404 && answer.refusal?.code !== 'NoSuchBucket') return undefined
    if (!answer.isSuccess) throw client.error(answer, doing)
    const list = client.xmlOf(answer, 'ListPartsResult', doing)
    for (const part of childrenOf(list, 'Part')) {
      const sizeBytes = Number(textOf(part, 'Size'))
      parts.set(Number(textOf(part, 'PartNumber')), { sizeBytes, etag: plainTag(textOf(part, 'ETag')) })
    }
    marker = nextMarker(list, marker)
  }
  return parts
}

/** Stores take no more parts than these in one upload. */
const mostParts = 10_000

/** Where a list of parts goes on; never back, nor for ever. */
function nextMarker(list: Parameters<typeof textOf>[0], marker: string): string | undefined {
  const next = textOf(list, 'IsTruncated') === 'true' ? textOf(list, 'NextPartNumberMarker') : undefined
  const at = Number(next)
  return next !== undefined && Number.isInteger(at) && at > Number(marker) && at <= mostParts ? next : undefined
}

/** Puts the parts together. Undefined when the upload is gone or its parts are not what was believed. */
async function complete(
  name: PackName, id: string, etags: readonly string[], { client, kept, conditions, now }: UploadOptions,
): Promise<S3Answer | 'conflict' | undefined> {
  const doing = 'put the parts of a pack together'
  const parts = etags.map((etag, at) => `<Part><PartNumber>${at + 1}</PartNumber><ETag>"${escapeXml(etag)}"</ETag></Part>`)
  const payload = textPayload(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  const before = kept.get(name)
  kept.set(name, { ...before, wholeAt: now() })
  const answer = await conditional(client, conditions, {
    method: 'POST', key: packKey(client.place, name), query: { uploadId: id }, headers: { 'content-type': 'application/xml' }, payload,
  })
  if (answer === 'conflict') return answer // there is such an object, or one is on its way: the doubt stays
  // It answers 200 before it begins, and may have to tell of an error in the body.
  if (answer.isSuccess && !answer.refusal) {
    client.xmlOf(answer, 'CompleteMultipartUploadResult', doing)
    return answer
  }
  const areWrong = answer.refusal !== undefined && partsAreWrong.has(answer.refusal.code)
  // What cannot succeed later ends the doubt about this request, not about those before it.
  if (areWrong || (answer.status >= 400 && answer.status < 500)) kept.set(name, before)
  if (answer.status === 404 && answer.refusal?.code !== 'NoSuchBucket') return undefined
  if (!areWrong) throw client.error(answer, doing)
  await endUpload(client, packKey(client.place, name), id)
  return undefined
}

const partsAreWrong = new Set(['InvalidPart', 'InvalidPartOrder', 'EntityTooSmall', 'NoSuchUpload'])

/** Ends an upload, whatever of it is there. */
export async function endUpload(client: S3Client, key: string, id: string): Promise<void> {
  const answer = await client.ask({ method: 'DELETE', key, query: { uploadId: id } })
  if (!answer.isSuccess && answer.status !== 404) throw client.error(answer, 'end an upload')
}

export interface BegunUpload {
  readonly key: string
  readonly id: string
}

/** Pages of uploads that are looked through; more of them a rule of the bucket has to end. */
const mostPages = 10

/** Uploads that were begun for a device's packs; none where a store does not tell, or not these keys. */
export async function begunUploads(client: S3Client, device: string, file = ''): Promise<BegunUpload[]> {
  const doing = 'list unfinished uploads'
  const found: BegunUpload[] = []
  let markers: Record<string, string> = {}
  for (let page = 0; page < mostPages; page++) {
    const query = { uploads: '', prefix: devicePrefix(client.place, device) + file, ...markers }
    const answer = await client.ask({ method: 'GET', key: '', query, answerBytes: mostXmlBytes })
    if (!answer.isSuccess && isUntold(answer)) return found
    if (!answer.isSuccess) throw client.error(answer, doing)
    const list = client.xmlOf(answer, 'ListMultipartUploadsResult', doing)
    for (const upload of childrenOf(list, 'Upload')) {
      const [key, id] = [textOf(upload, 'Key'), textOf(upload, 'UploadId')]
      if (key?.startsWith(query.prefix) && id) found.push({ key, id })
    }
    const [key, id] = [textOf(list, 'NextKeyMarker'), textOf(list, 'NextUploadIdMarker')]
    if (textOf(list, 'IsTruncated') !== 'true' || !key) return found
    markers = { 'key-marker': key, ...(id && { 'upload-id-marker': id }) }
  }
  return found
}

function isUntold({ status, refusal }: S3Answer): boolean {
  return status === 501 || status === 405 || (status === 403 && refusal?.code === 'AccessDenied')
}
