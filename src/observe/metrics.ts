import { Counter, Gauge, Registry } from 'prom-client'
import type { SluiceEvent } from './events.ts'
import type { Figures } from './summary-figures.ts'
import type { MetricsText } from './metrics-server.ts'
import { publicReason } from './for-it.ts'

export interface ServiceMetricsOptions {
  readonly figures: Pick<Figures, 'counters' | 'standing'>
  readonly device: string
  readonly version: string
  readonly now: () => number
  /** CPU time of this process, seconds. */
  readonly cpuSeconds: () => number
}

/** As IT reads every reason of the worker’s own. */
const held = publicReason('paused')

/**
 * What a service tells Prometheus. What journal and ledger count goes on over a restart; what is counted from events, CPU, battery and
 * metered time begin at 0 with each process. Labels are names of the config and codes, a few dozen at most.
 *
 * What the worker decided is seen as of the last full hour: a pause begins and ends without a change here.
 */
export class ServiceMetrics implements MetricsText {
  readonly #options: ServiceMetricsOptions
  readonly #registry = new Registry()
  readonly #totals = {
    capturedBytes: this.#counter('captured_bytes_total', 'Bytes read from capture files and packed.'),
    newBytes: this.#counter('new_bytes_total', 'Of captured bytes, those that were not known before.'),
    packedBytes: this.#counter('packed_bytes_total', 'Bytes of packs that were sealed.'),
    sentBytes: this.#counter('sent_bytes_total', 'Bytes on the wire in both directions, as they count for caps.'),
    sentPackBytes: this.#counter('sent_pack_bytes_total', 'Bytes of packs that arrived.'),
    packs: this.#counter('sent_packs_total', 'Packs that arrived.'),
  }
  readonly #again = this.#counter('resent_pack_bytes_total', 'Bytes of packs that were sent more than once.')
  readonly #errors = this.#counter('errors_total', 'Failures, by error code.', ['code'])
  readonly #cpu = this.#counter('cpu_seconds_total', 'CPU time of the service.')
  readonly #battery = this.#counter('battery_seconds_total', 'Time on battery, told by the hour.')
  readonly #metered = this.#counter('metered_seconds_total', 'Time on metered networks, told by the hour.')
  readonly #backlogBytes = this.#gauge('backlog_bytes', 'Bytes of packs that wait to be sent.')
  readonly #backlogPacks = this.#gauge('backlog_packs', 'Packs that wait to be sent.')
  readonly #oldest = this.#gauge('oldest_waiting_timestamp_seconds', 'When the oldest pack that waits was sealed; absent when none waits.')
  readonly #lastSent = this.#gauge('last_sent_timestamp_seconds', 'When the last pack arrived; absent before the first.')
  readonly #lastSummary = this.#gauge('last_summary_timestamp_seconds', 'When the last summary was written; absent before the first.')
  readonly #held = this.#gauge('held', '1 for each reason that holds packing or sending.', ['reason'])
  readonly #heldBytes = this.#gauge('held_bytes', 'Bytes of packs that a reason holds.', ['reason'])
  readonly #capLimit = this.#gauge('cap_limit_bytes', 'Limit of a cap.', ['cap'])
  readonly #capUsed = this.#gauge('cap_used_bytes', 'What is used of a cap in its period.', ['cap'])
  readonly #capAtRisk = this.#gauge('cap_at_risk', '1 when the forecast says that a cap is used up before its period ends.', ['cap'])
  /** Bytes that the worker’s own reasons held at the last full hour; undefined: none held any. */
  #privateBytes: number | undefined

  constructor(options: ServiceMetricsOptions) {
    this.#options = options
    const { device, version, now } = options
    this.#gauge('build_info', '1, with the version that runs and the device’s name.', ['version', 'device']).set({ version, device }, 1)
    this.#gauge('start_time_seconds', 'When the service started.').set(now() / 1000)
    this.#lastSummary.remove()
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  #counter<T extends string>(name: string, help: string, labelNames: T[] = []): Counter<T> {
    return new Counter({ name: `sluice_${name}`, help, labelNames, registers: [this.#registry] })
  }

  #gauge<T extends string>(name: string, help: string, labelNames: T[] = []): Gauge<T> {
    return new Gauge({ name: `sluice_${name}`, help, labelNames, registers: [this.#registry] })
  }

  take(event: SluiceEvent): void {
    if (event.event === 'send.failed' || event.event === 'service.failed') this.#errors.inc({ code: event.code })
    if (event.event === 'pack.resent') this.#again.inc(event.againBytes)
    if (event.event !== 'upload.summary') return
    this.#lastSummary.set(this.#options.now() / 1000)
    if (event.period === 'day') return
    this.#battery.inc(event.batteryMs / 1000)
    this.#metered.inc(event.meteredMs / 1000)
    this.#privateBytes = event.heldBytes[held]
  }

  /** Throws what the journal throws. */
  async metrics(): Promise<string> {
    this.#refresh()
    return await this.#registry.metrics()
  }

  #refresh(): void {
    const { figures, now, cpuSeconds } = this.#options
    const counters = figures.counters()
    for (const [name, counter] of Object.entries(this.#totals)) setTo(counter, counters[name as keyof typeof counters])
    setTo(this.#cpu, cpuSeconds())
    const { backlogBytes, backlogPacks, oldestAt, lastSentAt, heldBytes, reasons, caps } = figures.standing(now())
    this.#backlogBytes.set(backlogBytes)
    this.#backlogPacks.set(backlogPacks)
    setOrRemove(this.#oldest, oldestAt)
    setOrRemove(this.#lastSent, lastSentAt)
    for (const gauge of [this.#held, this.#heldBytes, this.#capLimit, this.#capUsed, this.#capAtRisk]) gauge.reset()
    const open = (reason: string): boolean => reason !== held
    for (const reason of reasons.filter(open)) this.#held.set({ reason }, 1)
    for (const reason of Object.keys(heldBytes).filter(open)) this.#heldBytes.set({ reason }, heldBytes[reason] ?? 0)
    if (this.#privateBytes !== undefined) {
      this.#held.set({ reason: held }, 1)
      this.#heldBytes.set({ reason: held }, this.#privateBytes)
    }
    for (const { cap, limitBytes, usedBytes, atRisk } of caps) {
      this.#capLimit.set({ cap }, limitBytes)
      this.#capUsed.set({ cap }, usedBytes)
      this.#capAtRisk.set({ cap }, atRisk ? 1 : 0)
    }
  }
}

/** For a total that is counted elsewhere. */
function setTo(counter: Counter, total: number): void {
  counter.reset()
  counter.inc(total)
}

function setOrRemove(gauge: Gauge, at: number | undefined): void {
  if (at === undefined) gauge.remove()
  else gauge.set(at / 1000)
}
