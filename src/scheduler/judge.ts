import type { Config } from '../../config/options.ts'
import type { DueWarning, SaidWarnings } from '../budget/forecast.ts'
import type { Ledger } from '../budget/ledger.ts'
import type { PlanWatch } from '../budget/plan-watch.ts'
import type { CapUse } from '../budget/cap.ts'
import type { Where } from '../budget/usage.ts'
import type { Journal } from '../journal/journal.ts'
import type { Destination } from '../transfer/destination.ts'
import type { Settings } from '../journal/settings.ts'
import type { Conditions, NetworkState, PowerState } from './conditions.ts'
import type { Decision, Fault, Reason } from './gate.ts'
import type { Queue, Waiting } from './queues.ts'
import type { Sensor } from './sensor.ts'
import type { WindowState } from './windows.ts'
import { dueWarnings } from '../budget/forecast.ts'
import { capsFor, capUse } from '../budget/usage.ts'
import { leastBytes } from '../transfer/sender.ts'
import { decide } from './gate.ts'
import { classOf } from './network-findings.ts'
import { formerQueue, queuesOf, sendingOrder, setApart, streamsOf } from './queues.ts'
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
export type Route = Where

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
  /** What was used of each cap, at the last decision. */
  #uses: { readonly now: number; readonly settings: Settings; readonly uses: readonly CapUse[] } | undefined

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
    const former = [...journal.unsentStreams().keys()].filter((name) => !queues.some((queue) => queue.name === name))
    const key = JSON.stringify([queues.map(({ name }) => name), former])
    if (this.#queues?.key !== key) this.#queues = { key, queues: [...queues, ...former.map((name) => formerQueue(name, config.streams))] }
    return this.#queues.queues
  }

  /** Where the bytes of a queue's next pack would be counted now. */
  routeOf(queue: Queue, conditions: Conditions | undefined): Route {
    const next = this.#parts.journal.nextOf(queue.name)
    const streams = next ? next.streams : queue.streams.map(({ name }) => name)
    return { ...this.#network(conditions), ...(streams && { streams }) }
  }

  #network(conditions: Conditions | undefined): Omit<Where, 'streams'> {
    const { id, cost } = conditions?.network.value ?? { cost: 'unknown' }
    return { ...(id !== undefined && { network: id }), on: classOf(cost, this.#parts.config.network) }
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
    const network = this.#network(conditions)
    const ids = networkIds(settings)
    const caps = this.#capsAt(now, settings, reserved)
    const unsent = journal.unsentStreams()
    const everyName = [...config.streams.map(({ name }) => name), ...setApart(config, settings)]
    for (const queue of this.queuesFor(settings)) {
      const next = journal.nextOf(queue.name)
      const streams = streamsOf(queue, unsent, everyName)
      const off = settings.streamsOff.filter(({ stream }) => streams.includes(stream))
      decisions.set(queue.name, decide({
        now, conditions, faults, plan, window, policy: config,
        pause: settings.pause,
        sendNow: settings.sendNow,
        queue: {
          streams, networks: queue.networks,
          offSince: off.length > 0 ? Math.min(...off.map(({ since }) => since)) : undefined,
        },
        caps: capsFor(caps, { ...network, streams }, ids),
        leastBytes: next ? leastBytes(next, this.#parts.wireBytes) : 1,
        previous: this.#last.get(queue.name),
      }))
    }
    this.#last = decisions
    return decisions
  }

  /** Every cap with what was used of it, without what is reserved for the transfer under way. */
  #capsAt(now: number, settings: Settings, reserved: Reserved | undefined): CapUse[] {
    const uses = this.#capUses(now, settings)
    this.#uses = { now, settings, uses }
    const counting = new Set(reserved ? capsFor(uses, reserved, networkIds(settings)) : [])
    const without = (bytes: number): number => Math.max(0, bytes - (reserved?.bytes ?? 0))
    return uses.map((use) => !counting.has(use) ? use : {
      ...use,
      usedBytes: without(use.usedBytes),
      ...(use.today && { today: { ...use.today, usedBytes: without(use.today.usedBytes) } }),
    })
  }

  #capUses(now: number, settings: Settings): CapUse[] {
    const { config, ledger } = this.#parts
    const ids = networkIds(settings)
    return [...config.caps, ...settings.caps].map((cap) => capUse(cap, now, config.timeZone, ledger, ids))
  }

  /** The warnings that are due, each of them once. */
  warnings(now: number, settings: Settings): readonly DueWarning[] {
    const { journal } = this.#parts
    const decided = this.#uses?.now === now && this.#uses.settings === settings ? this.#uses.uses : undefined
    const uses = decided ?? this.#capUses(now, settings)
    if (uses.length === 0) return []
    const before = journal.meta(warningsKey) ?? '{}'
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
