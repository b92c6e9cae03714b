import type { Config } from '../../config/options.ts'
import type { DueWarning, SaidWarnings } from '../budget/forecast.ts'
import type { Ledger } from '../budget/ledger.ts'
import type { PlanWatch } from '../budget/plan-watch.ts'
import type { Scope } from '../budget/usage.ts'
import type { Journal } from '../journal/journal.ts'
import type { Destination } from '../transfer/destination.ts'
import type { Settings } from '../journal/settings.ts'
import type { Conditions, NetworkClass, NetworkState, PowerState } from './conditions.ts'
import type { Decision, Fault, Reason } from './gate.ts'
import type { Queue, Waiting } from './queues.ts'
import type { Sensor } from './sensor.ts'
import type { WindowState } from './windows.ts'
import { dueWarnings } from '../budget/forecast.ts'
import { capsFor, capUse } from '../budget/usage.ts'
import { leastBytes } from '../transfer/sender.ts'
import { decide } from './gate.ts'
import { classOf } from './network-findings.ts'
import { formerQueue, queuesOf, sendingOrder, setApart } from './queues.ts'
import { reasons } from './reasons.ts'
import { windowAt } from './windows.ts'

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
  /** What is left of the person's own plan, where the config names one. */
  readonly plan?: Pick<PlanWatch, 'look' | 'use'>
  /** Of the destination: bytes on the wire for so many bytes of packs. */
  readonly wireBytes: Destination['wireBytes']
}

/** Over which network bytes leave, and whose they are: what caps tell apart. */
export interface Route {
  /** Id of the network, where it can be told. */
  readonly network?: string
  readonly on: NetworkClass
  /** The stream, of a queue that holds but one. */
  readonly stream?: string
}

/** Bytes set aside for a transfer under way that have not gone out. */
export interface Reserved extends Route {
  readonly bytes: number
}

export type Decisions = ReadonlyMap<string, Decision>

const decisionsKey = 'decisions'
const warningsKey = 'warnings'

/** Gathers what the gate needs and asks it, for the running service and for the commands that explain it. */
export class Judge {
  readonly #parts: JudgeParts
  #last: Map<string, Decision>
  #queues: { readonly key: string; readonly queues: readonly Queue[] } | undefined
  #window: (WindowState & { readonly from: number }) | undefined

  constructor(parts: JudgeParts) {
    this.#parts = parts
    this.#last = parseDecisions(parts.journal.meta(decisionsKey))
  }

  async conditions(): Promise<Conditions> {
    const { power, network } = this.#parts.sensors
    const [powerNow, networkNow] = await Promise.all([power.read(), network.read()])
    await this.#parts.plan?.look(networkNow.at, networkNow.value.id)
    return { power: powerNow, network: networkNow }
  }

  /** The queues under these settings, and those of the backlog that no stream belongs to any more. */
  queuesFor(settings: Settings): readonly Queue[] {
    const { config, journal } = this.#parts
    const queues = queuesOf(config.streams, setApart(config, settings))
    const former = journal.backlog().map(({ queue }) => queue).filter((name) => !queues.some((queue) => queue.name === name))
    const key = JSON.stringify([queues.map(({ name }) => name), former])
    if (this.#queues?.key !== key) this.#queues = { key, queues: [...queues, ...former.map((name) => formerQueue(name, config.streams))] }
    return this.#queues.queues
  }

  /** Where the bytes of a queue would be counted now. */
  routeOf(queue: Queue, conditions: Conditions | undefined): Route {
    const { id, cost } = conditions?.network.value ?? { cost: 'unknown' }
    const [first, ...others] = queue.streams
    return {
      ...(id !== undefined && { network: id }),
      on: classOf(cost, this.#parts.config.network),
      ...(first && others.length === 0 && { stream: first.name }),
    }
  }

  /**
   * The decision for each queue. It remembers them, so that reasons know since when they hold. A transfer under way must
   * not be stopped by what is reserved for it.
   */
  decide(now: number, conditions: Conditions, settings: Settings, faults: readonly Fault[], reserved?: Reserved): Decisions {
    const { config, journal } = this.#parts
    const decisions = new Map<string, Decision>()
    const window = this.#windowAt(now)
    const plan = this.#parts.plan?.use(now, conditions.network.value.id)
    for (const queue of this.queuesFor(settings)) {
      const next = journal.nextOf(queue.name)
      const streams = queue.streams.map(({ name }) => name)
      const off = settings.streamsOff.filter(({ stream }) => streams.includes(stream))
      decisions.set(queue.name, decide({
        now, conditions, faults, plan, window, policy: config,
        pause: settings.pause,
        sendNow: settings.sendNow,
        queue: {
          streams, networks: queue.networks,
          offSince: off.length > 0 ? Math.min(...off.map(({ since }) => since)) : undefined,
        },
        caps: this.#capsOf(this.routeOf(queue, conditions), streams, now, settings, reserved),
        leastBytes: next ? leastBytes(next, this.#parts.wireBytes) : 1,
        previous: this.#last.get(queue.name),
      }))
    }
    this.#last = decisions
    return decisions
  }

  #capsOf(route: Route, streams: readonly string[], now: number, settings: Settings, reserved: Reserved | undefined) {
    const { config, ledger } = this.#parts
    const ids = networkIds(settings)
    return capsFor([...config.caps, ...settings.caps], { ...route, streams }, ids).map((cap) => {
      const use = capUse(cap, now, config.timeZone, ledger, ids)
      if (!reserved || !counts(cap, reserved, ids)) return use
      const without = (bytes: number): number => Math.max(0, bytes - reserved.bytes)
      return {
        ...use,
        usedBytes: without(use.usedBytes),
        ...(use.today && { today: { ...use.today, usedBytes: without(use.today.usedBytes) } }),
      }
    })
  }

  /** The warnings that are due, each of them once. */
  warnings(now: number, settings: Settings): readonly DueWarning[] {
    const { config, journal, ledger } = this.#parts
    const caps = [...config.caps, ...settings.caps]
    if (caps.length === 0) return []
    const before = journal.meta(warningsKey) ?? '{}'
    const uses = caps.map((cap) => capUse(cap, now, config.timeZone, ledger, networkIds(settings)))
    const { due, said } = dueWarnings(uses, JSON.parse(before) as SaidWarnings)
    if (JSON.stringify(said) !== before) journal.setMeta(warningsKey, JSON.stringify(said))
    return due
  }

  #windowAt(now: number): WindowState {
    if (!this.#window || now < this.#window.from || now >= this.#window.changesAt) {
      const { windows, timeZone } = this.#parts.config
      this.#window = { ...windowAt(windows, now, timeZone), from: now }
    }
    return this.#window
  }

  /** The queue among `open` whose pack leaves next. */
  nextToSend(open: readonly Queue[], now: number): Queue | undefined {
    const { journal } = this.#parts
    const stamped = journal.stamped()
    const begun = open.find((queue) => queue.name === stamped?.queue)
    if (begun) return begun
    const waiting = open.flatMap((queue): Waiting[] => {
      const pack = journal.nextOf(queue.name)
      return pack ? [{ queue: queue.name, priority: queue.priority, value: pack.rawBytes / pack.bodyBytes, since: pack.sealedAt }] : []
    })
    const first = sendingOrder(waiting, now)[0]
    return open.find((queue) => queue.name === first?.queue)
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

/** Whether bytes on a route count for a cap. */
function counts(cap: { readonly network?: string; readonly on?: NetworkClass; readonly stream?: string }, route: Scope, ids: ReadonlyMap<string, string>): boolean {
  return (cap.network === undefined || ids.get(cap.network) === route.network)
    && (cap.on === undefined || cap.on === route.on)
    && (cap.stream === undefined || cap.stream === route.stream)
}

/** Ids of the networks that the worker named. */
export function networkIds(settings: Settings): ReadonlyMap<string, string> {
  return new Map(settings.networks.map(({ name, id }) => [name, id]))
}

function isFault(reason: Reason): reason is Reason & Fault {
  return reasons[reason.code].raised === 'machinery'
}

function parseDecisions(text: string | undefined): Map<string, Decision> {
  const entries = JSON.parse(text ?? '[]') as [string, Decision & { maxBytes: number | null }][]
  return new Map(entries.map(([queue, decision]) => [queue, { ...decision, setAside: decision.setAside ?? [], maxBytes: decision.maxBytes ?? Infinity }]))
}
