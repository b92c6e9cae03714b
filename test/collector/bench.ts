import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'
import { startCollector, type Collector, type CollectorOptions } from '../../src/collector/collector.ts'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { uploadId } from '../../src/collector/upload-id.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import type { CollectorEvent } from '../../src/observe/collector-events.ts'
import type { PackName } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import type { TestPack } from '../transfer/packs.ts'

export interface Bench {
  readonly folder: string
  readonly collector: Collector
  readonly url: string
  /** Everything that was told, of all collectors on the folder. */
  readonly events: CollectorEvent[]
  /** A credential for a device. */
  enrol(device?: string): Promise<string>
  /** Another collector on the same folder. */
  another(options?: BenchOptions): Promise<Collector>
  /** A request with the credential of a device. */
  ask(path: string, request?: BenchRequest): Promise<Response>
  /** Creates an upload and sends so much of it. */
  send(pack: TestPack, options?: SendOptions): Promise<Response>
  list(device: string): Promise<PackName[]>
}

export type BenchOptions = Omit<CollectorOptions, 'store' | 'emit'>

export interface BenchRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly device?: string
  readonly credential?: string
  /** Of another collector on the folder. */
  readonly url?: string
}

export interface SendOptions extends BenchRequest {
  readonly from?: number
  readonly to?: number
  readonly create?: boolean
}

/** A collector on a folder of its own, both gone when the test ends. */
export async function startBench(options: BenchOptions = {}): Promise<Bench> {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  const events: CollectorEvent[] = []
  const collectors: Collector[] = []
  onTestFinished(async () => {
    for (const each of collectors) await each.stop()
    await rm(folder, { recursive: true, force: true })
  })
  const another = async (more: BenchOptions = options): Promise<Collector> => {
    const store = await openFolderStore(folder, realDisk, Date.now)
    const started = await startCollector({ ...more, store, emit: (event) => { events.push(event) } })
    collectors.push(started)
    return started
  }
  const collector = await another()
  const credentials = new Map<string, string>()
  const enrol = async (device = 'laptop-1'): Promise<string> => {
    const token = await collector.accounts.makeToken({ device, uses: 1, expiresAt: Date.now() + 60_000 })
    const { credential } = await collector.accounts.enrol(device, token)
    credentials.set(device, credential)
    return credential
  }
  const ask = async (path: string, request: BenchRequest = {}): Promise<Response> => {
    const { device = 'laptop-1', method = 'GET', headers, body, url = collector.url } = request
    const credential = request.credential ?? credentials.get(device) ?? await enrol(device)
    return await fetch(new URL(path, url), {
      method, headers: { authorization: `Bearer ${credential}`, 'tus-resumable': '1.0.0', ...headers }, ...(body !== undefined && { body: typeof body === 'string' ? body : new Blob([new Uint8Array(body)]) }),
    })
  }
  return {
    folder, collector, url: collector.url, events, enrol, another, ask,
    async send(pack, { from = 0, to = pack.sizeBytes, create = true, ...request } = {}) {
      const asking = { device: pack.name.device, ...request }
      if (create) {
        const created = await ask('', { ...asking, ...creation(pack) })
        if (created.status !== 201) return created
      }
      return await ask(`uploads/${uploadId(pack.name)}`, {
        ...asking, method: 'PATCH', body: pack.bytes.subarray(from, to),
        headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(from) },
      })
    },
    list: (device) => folderDestination(pathToFileURL(folder).href, realDisk).list(device),
  }
}

/** The request that creates the upload of a pack, with whatever is to be wrong about it. */
export function creation(pack: TestPack, changed: Readonly<Record<string, string>> = {}): BenchRequest {
  const { device, seq, hash } = pack.name
  const metadata = { device, seq: String(seq), hash, ...changed }
  return {
    method: 'POST',
    headers: { 'upload-length': String(pack.sizeBytes), 'upload-metadata': metadataText(metadata) },
  }
}

export function metadataText(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata).map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join(',')
}

/** The status of an answer and the code in it. */
export async function refusalIn(answer: Response): Promise<{ readonly status: number; readonly code: unknown; readonly head?: unknown }> {
  const body = await answer.json() as Readonly<Record<string, unknown>>
  return { status: answer.status, code: body['code'], ...('head' in body && { head: body['head'] }) }
}
