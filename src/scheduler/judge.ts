import type { Config } from '../../config/options.ts'
import type { Ledger } from '../budget/ledger.ts'
import type { Journal } from '../journal/journal.ts'
import type { Settings } from '../journal/settings.ts'
import type { Conditions, NetworkState, PowerState } from './conditions.ts'
import type { Decision, Fault, Reason } from './gate.ts'
import type { Queue } from './queues.ts'
import type { Sensor } from './sensor.ts'
import { leastBytes } from '../transfer/sender.ts'
import { decide } from './gate.ts'
import { queuesOf } from './queues.ts'
import { reasons } from './reasons.ts'

export interface Sensors {
  readonly power: Sensor<PowerState>
  readonly network: Sensor<NetworkState>
}

/** What a decision is made from besides the machine's conditions. */
export interface JudgeParts {
  readonly config: Config
  readonly journal: Journal
  readonly ledger: Ledger
  readonly sensors: Sensors
}

export type Decisions = ReadonlyMap<string, Decision>

const decisionsKey = 'decisions'

/** Gathers what the gate needs and asks it, for the running service and for the commands that explain it. */
export class Judge {
  readonly queues: readonly Queue[]
  readonly #parts: JudgeParts
  #last: Map<string, Decision>

  constructor(parts: JudgeParts) {
    this.#parts = parts
    const queues = queuesOf(parts.config.streams)
    const former = parts.journal.backlog().map(({ queue }) => queue).filter((name) => !queues.some((queue) => queue.name === name))
    this.queues = [...queues, ...former.map(formerQueue)]
    this.#last = parseDecisions(parts.journal.meta(decisionsKey))
  }

  async conditions(): Promise<Conditions> {
    const { power, network } = this.#parts.sensors
    const [powerNow, networkNow] = await Promise.all([power.read(), network.read()])
    return { power: powerNow, network: networkNow }
  }

  /**
   * The decision for each queue. It remembers them, so that reasons know since when they hold. `reservedBytes` are those
   * of a transfer under way, which must not be stopped by its own reservation.
   */
  decide(now: number, conditions: Conditions, settings: Settings, faults: readonly Fault[], reservedBytes = 0): Decisions {
    const { config, journal, ledger } = this.#parts
    const caps = [...config.caps, ...settings.caps].map((cap) => {
      const use = ledger.use(cap, now, config.timeZone)
      return { ...use, usedBytes: Math.max(0, use.usedBytes - reservedBytes) }
    })
    const decisions = new Map<string, Decision>()
    for (const queue of this.queues) {
      const next = journal.nextToSend([queue.name])
      decisions.set(queue.name, decide({
        now, conditions, pause: settings.pause, policy: config, networks: queue.networks, caps, faults,
        leastBytes: next ? leastBytes(next) : 1,
        previous: this.#last.get(queue.name),
      }))
    }
    this.#last = decisions
    return decisions
  }

  /** What the service last said it cannot do. */
  rememberedFaults(): Fault[] {
    const faults = [...this.#last.values()].flatMap((decision) => decision.reasons).filter(isFault)
    return [...new Map(faults.map((fault) => [fault.code, fault])).values()]
  }

  /** Writes the decisions down for commands in other processes and for the next start. */
  remember(): void {
    this.#parts.journal.setMeta(decisionsKey, JSON.stringify([...this.#last]))
  }
}

/** Packs sealed under a config that is gone still leave, by the rules they were sealed under. */
function formerQueue(name: string): Queue {
  const networks = name === 'any' ? undefined : name.split('+').filter((cost) => cost === 'free' || cost === 'metered')
  return { name, streams: [], networks }
}

function isFault(reason: Reason): reason is Reason & Fault {
  return reasons[reason.code].raised === 'machinery'
}

function parseDecisions(text: string | undefined): Map<string, Decision> {
  const entries = JSON.parse(text ?? '[]') as [string, Decision & { maxBytes: number | null }][]
  return new Map(entries.map(([queue, decision]) => [queue, { ...decision, maxBytes: decision.maxBytes ?? Infinity }]))
}
