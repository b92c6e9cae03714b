import { SluiceError } from '../observe/error.ts'
import { parsePackFileName, type PackName } from '../transfer/destination.ts'
import { mostDirectBytes } from '../transfer/s3/wire-bytes.ts'
import { Refusal } from './refusal.ts'
import type { CollectorStore } from './store.ts'
import { uploadId } from './upload-id.ts'
import type { Uploads } from './uploads.ts'

/** Where the upload of a pack stands, and how to put all of it into the store, where that is the way to go on. */
export interface DirectAnswer {
  readonly status: 200 | 201
  /** Of the upload, as tus tells it. */
  readonly location: string
  readonly json: { readonly offset: number; readonly url?: string; readonly expiresAt?: number }
}

/** Uploads whose bytes a device puts into the store by itself. `device` has proved who it is; bodies are as they came. */
export interface Direct {
  /** Begins an upload as tus does. Throws `Refusal`, and what the store throws. */
  begin(device: string, body: unknown): Promise<DirectAnswer>
  /** Puts one that has arrived into the log. Throws also `offset-conflict` for one that has not. */
  commit(device: string, body: unknown): Promise<void>
}

/** Throws `config-invalid` for a store that devices cannot put objects into. */
export function directUploads(store: CollectorStore, uploads: Uploads): Direct {
  const presign = store.presign?.bind(store)
  if (!presign) throw new SluiceError('config-invalid', 'direct: yes takes a store: s3://…; devices cannot put packs into a folder by themselves.')
  return {
    async begin(device, body) {
      const { sizeBytes } = fieldsOf(body)
      const name = nameIn(device, body)
      if (typeof sizeBytes !== 'number' || !Number.isSafeInteger(sizeBytes)) invalid()
      const incoming = await uploads.begin(name, sizeBytes)
      const { offset } = incoming
      const location = `uploads/${uploadId(name)}`
      if (offset > 0 || sizeBytes > mostDirectBytes) return { status: 200, location, json: { offset } }
      const { url, expiresAt } = await presign(incoming)
      return { status: 201, location, json: { offset, url: url.href, expiresAt } }
    },
    async commit(device, body) {
      const { offset, size } = await uploads.getUpload(uploadId(nameIn(device, body)))
      if (offset === size) return
      throw new Refusal('offset-conflict', `Of the pack ${offset} bytes are there, and not all.`)
    },
  }
}

/** The device is the one that asks: there is no way to name another's pack. */
function nameIn(device: string, body: unknown): PackName {
  const { name } = fieldsOf(body)
  return (typeof name === 'string' ? parsePackFileName(device, name) : undefined) ?? invalid()
}

function fieldsOf(body: unknown): Readonly<Record<string, unknown>> {
  return typeof body === 'object' && body !== null ? body as Readonly<Record<string, unknown>> : {}
}

function invalid(): never {
  throw new Refusal('request-invalid', 'It takes { "name": "<seq>-<hash>.pack" }, and to begin also "sizeBytes".')
}
