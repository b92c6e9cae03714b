import type { Server } from 'node:http'
import { Counter, Gauge, Registry } from 'prom-client'
import type { CollectorEvent } from '../observe/collector-events.ts'
import type { DeviceState } from './overview.ts'
import { metricsServer, type MetricsText } from '../observe/metrics-server.ts'

export interface MetricsOptions {
  readonly now: () => number
  readonly openConnections: () => Promise<number>
  readonly devices: () => Promise<readonly DeviceState[]>
  /** Whether labels may name devices. */
  readonly perDevice: boolean
}

/** How old the state of devices may be that a scrape tells: finding it out reads every log's folder. */
const devicesMs = 30_000

/** What a collector did, counted from its events, and how it stands. */
export class Metrics implements MetricsText {
  readonly #registry = new Registry()
  readonly #uploads = this.#counter('uploads_created_total', 'Uploads that were created or gone on with.')
  readonly #bytes = this.#counter('received_bytes_total', 'Bytes of packs that were received.')
  readonly #packs = this.#counter('packs_total', 'Packs that were complete, by what became of them.', ['code'])
  readonly #refused = this.#counter('requests_refused_total', 'Requests that were refused.', ['code'])
  readonly #enrolled = this.#counter('devices_enrolled_total', 'Enrolments.')

  constructor(options: MetricsOptions) {
    const { now, openConnections, perDevice } = options
    const states = this.#remembering(options)
    const registers = [this.#registry]
    new Gauge({
      name: 'sluice_collector_open_connections', help: 'Connections that are open.', registers,
      async collect() { this.set(await openConnections()) },
    })
    new Gauge({
      name: 'sluice_collector_devices', help: 'Devices that have enrolled and are not revoked.', registers,
      async collect() { this.set((await states()).length) },
    })
    new Gauge({
      name: 'sluice_collector_lag_seconds', help: 'Time since the last pack of the device that has been silent for longest.', registers,
      async collect() { this.set(Math.max(0, ...(await states()).map((state) => lagSeconds(state, now())))) },
    })
    if (!perDevice) return
    new Gauge({
      name: 'sluice_collector_device_lag_seconds', help: 'Time since the last pack of a device, or its enrolment.', registers, labelNames: ['device'],
      async collect() {
        this.reset()
        for (const state of await states()) this.set({ device: state.device }, lagSeconds(state, now()))
      },
    })
  }

  #counter<T extends string>(name: string, help: string, labelNames: T[] = []): Counter<T> {
    return new Counter({ name: `sluice_collector_${name}`, help, labelNames, registers: [this.#registry] })
  }

  #remembering({ devices, now }: MetricsOptions): () => Promise<DeviceState[]> {
    let known: { readonly at: number; readonly states: Promise<DeviceState[]> } | undefined
    return async () => {
      const age = known ? now() - known.at : Infinity
      if (!known || age < 0 || age > devicesMs) {
        known = { at: now(), states: devices().then((all) => all.filter(({ revokedAt }) => revokedAt === undefined)) }
      }
      return await known.states
    }
  }

  take(event: CollectorEvent): void {
    switch (event.event) {
      case 'upload.created': return this.#uploads.inc()
      case 'upload.received': return this.#bytes.inc(event.bytes)
      case 'pack.accepted': return this.#packs.inc({ code: 'accepted' })
      case 'pack.refused': return this.#packs.inc({ code: event.code })
      case 'credential.refused': case 'enrolment.refused': case 'request.refused': return this.#refused.inc({ code: event.code })
      case 'device.enrolled': return this.#enrolled.inc()
      case 'collector.started': case 'collector.stopping': case 'collector.stopped': case 'collector.failed':
      case 'certificate.reloaded': case 'certificate.not-reloaded': case 'upload.discarded': case 'refusals.omitted':
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  metrics(): Promise<string> {
    return this.#registry.metrics()
  }

  /** A server that answers `GET /metrics` and nothing else; it does not listen yet. */
  server(): Server {
    return metricsServer(this)
  }
}

function lagSeconds({ lastPackAt, enrolledAt }: DeviceState, now: number): number {
  return Math.max(0, (now - (lastPackAt ?? enrolledAt)) / 1000)
}
