import type { Server } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../observe/error.ts'
import type { EmitCollector } from '../observe/collector-events.ts'
import { Accounts } from './accounts.ts'
import { directUploads, type Direct } from './direct.ts'
import { collectorApp } from './http-app.ts'
import { defaultLimits, type CollectorLimits } from './limits.ts'
import { hostInUrl, isLoopback, type ListenAddress } from './listen-address.ts'
import { createListener, listen, type TlsFiles } from './listener.ts'
import { Metrics } from './metrics.ts'
import { overview } from './overview.ts'
import { quieter } from './quieter.ts'
import type { CollectorStore } from './store.ts'
import { tusHandler } from './tus-handler.ts'
import { Uploads } from './uploads.ts'

export interface CollectorOptions {
  readonly store: CollectorStore
  /** By default any port of this machine that is free, for this machine alone. */
  readonly listen?: ListenAddress
  /** Whether devices may put packs into the store by themselves, which takes a store in a bucket. */
  readonly direct?: boolean
  readonly tls?: TlsFiles
  /** A proxy ends TLS in front, and what it says of the peer is believed. */
  readonly behindProxy?: boolean
  readonly metrics?: { readonly listen: ListenAddress; readonly perDevice?: boolean }
  readonly limits?: Partial<CollectorLimits>
  readonly emit?: EmitCollector
  /** Milliseconds since the epoch. */
  readonly now?: () => number
}

/** A collector that runs. Disposing of it is stopping it. */
export interface Collector extends AsyncDisposable {
  /** `http://127.0.0.1:8080/` */
  readonly url: string
  readonly port: number
  readonly metricsUrl?: string
  /** Makes tokens, and revokes devices. */
  readonly accounts: Accounts
  /** Reads the TLS files again. A faulty file is told as an event, and the certificate stays what it was. */
  reloadCertificate(): void
  /**
   * Takes no more, and ends when running requests have, or `drainMs` later. What has arrived by then is kept, as far as the
   * store takes it within a few seconds.
   */
  stop(): Promise<void>
}

const sweepMs = 3600_000
const certificateMs = 10_000
/** How long what arrived may take to be written once connections are cut. */
const lastWritesMs = 5000

/** Starts a collector on a store. Throws `config-invalid`. */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { store, listen: address = { host: '127.0.0.1', port: 0 }, tls, behindProxy = false, direct = false, now = Date.now } = options
  if (!tls && !behindProxy && !isLoopback(address.host)) throw openToAll(address)
  const limits = { ...defaultLimits, ...options.limits }
  const { server, reload: reloadTls } = createListener(tls, limits, !behindProxy)
  const told = quieter(options.emit ?? (() => undefined), now)
  const accounts = new Accounts(store.records, now, limits.credentialMs, (error) => {
    told({ event: 'collector.failed', what: 'records', message: error.message })
  })
  const metrics = options.metrics && new Metrics({
    now, perDevice: options.metrics.perDevice ?? false, openConnections: () => connectionsOf(server),
    devices: () => overview(store, accounts),
  })
  const emit: EmitCollector = (event) => {
    metrics?.take(event)
    told(event)
  }
  const uploads = new Uploads({ store, limits, now, emit, mayWrite: (device) => accounts.mayWrite(device) })
  const running = new Running(server, limits.drainMs, emit)
  const tus = tusHandler({ uploads, maxPackBytes: limits.maxPackBytes, headOf: (device) => store.head(device) })
  const app = await collectorApp({
    server, store, accounts, tus: (request) => running.track(tus(request)), limits, behindProxy, emit,
    ...(direct && { direct: tracked(directUploads(store, uploads), running) }),
    clientCertificates: tls?.clientCa !== undefined, isStopping: () => running.isStopping,
  })
  const reload = reloadAndTell(reloadTls, emit)
  const sweep = sweeping({ store, uploads, accounts, emit })
  await sweep()
  const metricsServer = metrics?.server()
  const closeOthers = async (): Promise<void> => {
    metricsServer?.close().closeAllConnections()
    await app.close()
  }
  let port: number
  let metricsUrl: string | undefined
  try {
    if (metricsServer && options.metrics) metricsUrl = await metricsAt(metricsServer, options.metrics.listen)
    port = await listen(server, address)
  } catch (error) {
    await closeOthers()
    throw error
  }
  const timers = [setInterval(() => { void sweep() }, sweepMs), setInterval(reload, certificateMs)]
  const url = `${tls ? 'https' : 'http'}://${hostInUrl(address.host)}:${port}/`
  emit({ event: 'collector.started', url, ...(metricsUrl !== undefined && { metrics: metricsUrl }) })

  let stopped: Promise<void> | undefined
  const stop = (): Promise<void> => stopped ??= (async () => {
    timers.forEach(clearInterval)
    await running.drain()
    await closeOthers()
  })()
  return {
    url, port, accounts, ...(metricsUrl !== undefined && { metricsUrl }), reloadCertificate: reload, stop, [Symbol.asyncDispose]: stop,
  }
}

interface Sweeping {
  readonly store: CollectorStore
  readonly uploads: Uploads
  readonly accounts: Accounts
  readonly emit: EmitCollector
}

/** Removes what is left over. The store comes first: on a disk that is full, it makes the room that the others may need. */
function sweeping({ store, uploads, accounts, emit }: Sweeping): () => Promise<void> {
  const parts = [() => store.sweep(), () => uploads.deleteExpired(), () => accounts.sweep()]
  return async () => {
    for (const part of parts) {
      try {
        await part()
      } catch (error) {
        emit({ event: 'collector.failed', what: 'sweep', message: error instanceof Error ? error.message : String(error) })
      }
    }
  }
}

/** The work that a server is busy with. */
class Running {
  isStopping = false
  readonly #server: Server
  readonly #drainMs: number
  readonly #emit: EmitCollector
  #requests = 0
  /** Requests whose connection may be gone, while what they brought is still being written. */
  #writes = 0
  #idle: (() => void) | undefined

  constructor(server: Server, drainMs: number, emit: EmitCollector) {
    this.#server = server
    this.#drainMs = drainMs
    this.#emit = emit
    server.on('request', (_request, response) => {
      this.#requests++
      response.once('close', () => {
        this.#requests--
        this.#look()
      })
    })
  }

  async track<T>(work: Promise<T>): Promise<T> {
    this.#writes++
    try {
      return await work
    } finally {
      this.#writes--
      this.#look()
    }
  }

  #look(): void {
    if (this.#requests === 0 && this.#writes === 0) this.#idle?.()
  }

  async drain(): Promise<void> {
    this.isStopping = true
    this.#emit({ event: 'collector.stopping', requests: this.#requests })
    const closed = new Promise<void>((resolve) => { this.#server.close(() => { resolve() }) })
    const idle = new Promise<void>((resolve) => { this.#idle = resolve })
    this.#look()
    await within(this.#drainMs, idle)
    const cutRequests = this.#requests
    this.#server.closeAllConnections()
    // A write that a dead disk holds would hold the collector for ever.
    await within(lastWritesMs, idle)
    await closed
    if (this.#writes > 0) {
      const message = `The store did not take what arrived last within ${lastWritesMs / 1000} s. None of it was confirmed to a device.`
      this.#emit({ event: 'collector.failed', what: 'stop', message })
    }
    this.#emit({ event: 'collector.stopped', cutRequests })
  }
}

/** Waits for what comes first: the end of `work`, or of so much time. */
async function within(limitMs: number, work: Promise<void>): Promise<void> {
  const patience = new AbortController()
  await Promise.race([work, sleep(limitMs, undefined, { signal: patience.signal }).catch(() => undefined)])
  patience.abort()
}

function tracked(direct: Direct, running: Running): Direct {
  return {
    begin: (device, body) => running.track(direct.begin(device, body)),
    commit: (device, body) => running.track(direct.commit(device, body)),
  }
}

function reloadAndTell(reload: () => string | undefined, emit: EmitCollector): () => void {
  let lastFailure = ''
  return () => {
    try {
      const validTo = reload()
      if (validTo !== undefined) emit({ event: 'certificate.reloaded', validTo })
      lastFailure = ''
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (message !== lastFailure) emit({ event: 'certificate.not-reloaded', message })
      lastFailure = message
    }
  }
}

async function metricsAt(server: Server, address: ListenAddress): Promise<string> {
  return `http://${hostInUrl(address.host)}:${await listen(server, address)}/metrics`
}

function connectionsOf(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.getConnections((error, count) => { if (error) reject(error); else resolve(count) })
  })
}

function openToAll({ host }: ListenAddress): SluiceError {
  return new SluiceError(
    'config-invalid',
    `Listening on ${host} without TLS would let anybody on the way read credentials. Set tls.cert and tls.key; or listen on `
    + '127.0.0.1; or, where a proxy ends TLS in front of the collector, set behindProxy: yes.',
  )
}
