import type { SluiceEvent } from '../../src/observe/events.ts'
import type { Ended, Look } from '../../src/observe/summary.ts'
import type { Beside, Companion, StartCompanion } from './companion.ts'
import { emptySettings, readSettings } from '../../src/journal/settings.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { publicReason } from '../../src/observe/for-it.ts'
import { Figures } from '../../src/observe/summary-figures.ts'
import { Summaries } from '../../src/observe/summary.ts'
import { classOf } from '../../src/scheduler/network-findings.ts'

const stateKey = 'summary'
/** While things happen the state is written down so often; a crash loses what CPU, errors and time came to since then. */
const saveMs = 60_000
const longestMs = 3_600_000

/** CPU time of this process that is in a summary already, milliseconds: it outlives a service that begins again. */
let countedCpuMs = 0

/** What summaries and metrics of a running service are read from. */
export function figuresOf({ config, running: { state: { journal, ledger }, sender, service } }: Pick<Beside, 'config' | 'running'>): Figures {
  return new Figures({
    config, journal, ledger,
    reserved: () => sender.reserved,
    decisions: () => service.decisions,
    settings: () => {
      try {
        return readSettings(config.stateFolder)
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error
        return emptySettings
      }
    },
  })
}

/** An `upload.summary` every hour and every day, and at a stop. One timer, for the next full hour, is all it adds to an idle service. */
export const startSummary: StartCompanion = async (beside) => {
  const writer = new Writer(beside)
  writer.begin()
  return {
    take: (event) => writer.hear(event),
    [Symbol.asyncDispose]: async () => writer.stop(),
  } satisfies Companion
}

class Writer {
  readonly #beside: Beside
  readonly #figures: Figures
  readonly #startedMs = performance.now()
  readonly #watches = new DisposableStack()
  #summaries: Summaries | undefined
  #timer: NodeJS.Timeout | undefined
  #savedMs = 0
  #isStopping = false

  constructor(beside: Beside) {
    this.#beside = beside
    this.#figures = figuresOf(beside)
  }

  /** Tells what was over before this start, and begins. */
  begin(): void {
    const { config: { timeZone }, running: { state: { journal }, sensors } } = this.#beside
    unlessRefused(() => {
      const look = this.#look()
      this.#summaries = new Summaries(timeZone, look, journal.meta(stateKey))
      // What the start cost belongs to the hour that begins, not to one that a crash left open.
      this.#tell(this.#summaries.take({ ...look, cpuMs: 0 }))
      this.#tell(this.#summaries.take(look))
    })
    this.#setTimer()
    for (const sensor of [sensors.power, sensors.network]) {
      const end = sensor.watch?.(() => void this.#seeDraws())
      if (end) this.#watches.defer(end)
    }
    void this.#seeDraws()
  }

  hear(event: SluiceEvent): void {
    if (event.event === 'upload.summary') return
    if (event.event === 'send.failed' || event.event === 'service.failed') this.#summaries?.failed(event.code)
    if (event.event === 'pack.resent') this.#summaries?.sentAgain(event.againBytes)
    // The timer may have slept through the end of the hour.
    if (this.#summaries?.isOver(Date.now()) || performance.now() - this.#savedMs >= saveMs) this.#turn()
  }

  stop(): void {
    this.#isStopping = true
    clearTimeout(this.#timer)
    this.#watches.dispose()
    unlessRefused(() => this.#tell(this.#summaries?.stop(this.#look()) ?? []))
    this.#summaries = undefined
  }

  #turn(): void {
    if (!this.#summaries) return
    this.#savedMs = performance.now()
    const isDone = unlessRefused(() => this.#tell(this.#summaries?.take(this.#look()) ?? []))
    this.#setTimer(isDone ? 0 : saveMs)
    void this.#seeDraws()
  }

  #setTimer(leastMs = 0): void {
    clearTimeout(this.#timer)
    if (!this.#summaries) return
    const now = Date.now()
    // Where the clock was just set back, the end is far away.
    const ms = Math.min(longestMs, Math.max(leastMs, this.#summaries.endsAt(now) - now))
    this.#timer = setTimeout(() => this.#turn(), ms)
    // It keeps no process alive that has nothing else to do.
    this.#timer.unref()
  }

  /** Written down first: a crash in between costs a line, and none is told twice. */
  #tell(ended: readonly Ended[]): void {
    unlessRefused(() => this.#beside.running.state.journal.setMeta(stateKey, this.#summaries?.state ?? ''))
    this.#savedMs = performance.now()
    for (const one of ended) this.#emit(one)
  }

  #emit({ period, from, to, sums: { cpuMs, ...sums } }: Ended): void {
    const now = Date.now()
    const { backlogBytes, backlogPacks, heldBytes, caps, oldestAt } = this.#figures.standing(now)
    this.#beside.emit({
      event: 'upload.summary', period, from, to, ...sums, cpuSeconds: cpuMs / 1000,
      backlogBytes, backlogPacks, heldBytes: this.#isStopping ? withoutWorkers(heldBytes) : heldBytes, caps,
      oldestWaitingMs: oldestAt === undefined ? 0 : Math.max(0, now - oldestAt),
      uptimeMs: Math.round(performance.now() - this.#startedMs),
    })
  }

  #look(): Look {
    const { user, system } = process.cpuUsage()
    const cpuMs = Math.round((user + system) / 1000)
    const look = { now: Date.now(), monotonicMs: Math.round(performance.now()), cpuMs: cpuMs - countedCpuMs, counters: this.#figures.counters() }
    countedCpuMs = cpuMs
    return look
  }

  async #seeDraws(): Promise<void> {
    const { config, running: { sensors } } = this.#beside
    const [power, network] = await Promise.all([sensors.power.read(), sensors.network.read()])
    const { cost } = network.value
    this.#summaries?.draw(Math.round(performance.now()), {
      onBattery: power.value.supply === 'battery',
      metered: cost !== 'offline' && classOf(cost, config.network) === 'metered',
    })
  }
}

/** Without what the worker holds: IT can stop a service at any time, and would see when a pause begins or ends. */
function withoutWorkers(heldBytes: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(heldBytes).filter(([reason]) => reason !== publicReason('paused')))
}

/** What the journal refuses is told by those who cannot go on without it; the next look tries again. */
function unlessRefused(work: () => void): boolean {
  try {
    work()
    return true
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return false
  }
}
