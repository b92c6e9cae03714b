import type { IncomingHttpHeaders } from 'node:http'
import { Server } from '@tus/server'
import type { Body } from './body.ts'
import type { PackName } from '../transfer/destination.ts'
import type { Uploads } from './uploads.ts'
import { uploadLocker } from './locker.ts'
import { Refusal } from './refusal.ts'
import { packNameIn, parseUploadId, uploadId } from './upload-id.ts'

export interface TusRequest {
  readonly method: 'OPTIONS' | 'POST' | 'HEAD' | 'PATCH' | 'DELETE'
  /** The device that asks, which has proved that. Without one only OPTIONS is answered. */
  readonly device?: string
  /** Of an upload; without it the request is for the address where uploads are created. */
  readonly id?: string
  readonly headers: IncomingHttpHeaders
  readonly body?: Body
}

export interface TusAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
}

/** What tus is told of a request, and what it tells in an answer; the rest is not its business. */
const requestHeaders = [
  'tus-resumable', 'upload-length', 'upload-offset', 'upload-metadata', 'upload-defer-length', 'upload-concat', 'content-length',
] as const
const answerHeaders = ['tus-resumable', 'tus-version', 'tus-extension', 'tus-max-size', 'upload-offset', 'upload-length', 'upload-expires', 'cache-control']

const lockPatienceMs = 15_000

/** What tus says without being a `Refusal`, by its status. */
const ownRefusals: Readonly<Record<number, readonly ['upload-unknown' | 'offset-conflict' | 'pack-too-large', string]>> = {
  404: ['upload-unknown', 'There is no such upload.'],
  409: ['offset-conflict', 'The upload is at another offset; ask for it with HEAD.'],
  410: ['upload-unknown', 'The upload has expired.'],
  413: ['pack-too-large', 'More bytes came than were announced, or than a pack may have.'],
}

export interface TusHandlerOptions {
  readonly uploads: Uploads
  readonly maxPackBytes: number
  readonly headOf: (device: string) => Promise<PackName | undefined>
}

/** Answers requests by tus 1.0. Throws `Refusal`, and what the store throws. */
export function tusHandler({ uploads, maxPackBytes, headOf }: TusHandlerOptions): (request: TusRequest) => Promise<TusAnswer> {
  const failures = new WeakMap<object, unknown>()
  const offsets = new WeakMap<object, number>()
  const devices = new WeakMap<object, string | undefined>()
  const tus = new Server({
    path: '/uploads',
    datastore: uploads,
    maxSize: maxPackBytes,
    locker: uploadLocker(lockPatienceMs),
    lockDrainTimeout: 1, // the locker waits by itself, and no longer than the request lasts
    // Relative, as a proxy may serve the collector below a path.
    generateUrl: (_request, { id }) => `uploads/${id}`,
    namingFunction: (request, metadata) => {
      const name = packNameIn(metadata)
      if (name.device !== devices.get(request)) throw new Refusal('forbidden', 'A device creates uploads of its own log only.')
      return uploadId(name)
    },
    onResponseError: (request, error) => {
      failures.set(request, error)
      return undefined
    },
  })
  tus.on('POST_CREATE', (request, upload) => { offsets.set(request, upload.offset) })

  return async ({ method, device, id, headers, body }) => {
    checkOwner(device, id)
    const request = new Request(`http://collector/${id === undefined ? '' : `uploads/${id}`}`, {
      method, headers: headersFor(method, headers), ...(body && { body: ReadableStream.from(body), duplex: 'half' }),
    })
    devices.set(request, device)
    const answer = await tus.handleWeb(request)
    if (body?.refusal) throw body.refusal
    const failure = failures.get(request)
    if (answer.status >= 400) {
      if (failure instanceof Error) throw failure
      throw refusalOf(answer.status, await answer.text(), answer.status === 409 && device !== undefined && { head: await headOf(device) ?? null })
    }
    const offset = offsets.get(request)
    return {
      status: answer.status,
      headers: {
        ...Object.fromEntries(answerHeaders.flatMap((name) => pair(name, answer.headers.get(name)))),
        ...Object.fromEntries(pair('location', answer.headers.get('location'))),
        ...(offset !== undefined && { 'upload-offset': String(offset) }),
      },
    }
  }
}

function checkOwner(device: string | undefined, id: string | undefined): void {
  if (id === undefined) return
  const name = parseUploadId(id)
  if (!name) throw new Refusal('upload-unknown', 'There is no such upload.')
  if (device !== undefined && name.device !== device) throw new Refusal('forbidden', 'The upload is another device’s.')
}

function headersFor(method: TusRequest['method'], headers: IncomingHttpHeaders): Headers {
  const told = new Headers()
  for (const name of requestHeaders) {
    const value = headers[name]
    if (typeof value === 'string') told.set(name, value)
  }
  // With a type on POST, tus would take a body for the beginning of the upload.
  if (method === 'PATCH' && headers['content-type'] !== undefined) told.set('content-type', headers['content-type'])
  return told
}

function refusalOf(status: number, said: string, head: { readonly head: PackName | null } | false): Refusal {
  const [code, message] = ownRefusals[status] ?? []
  if (code && message) return new Refusal(code, message, { status, ...head })
  return new Refusal('request-invalid', said.trim() || 'The request is not one of tus 1.0.', { status: status === 412 ? 412 : 400 })
}

function pair(name: string, value: string | null): [string, string][] {
  return value === null ? [] : [[name, value]]
}
