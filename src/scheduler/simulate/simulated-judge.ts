import type { Config } from '../../../config/options.ts'
import type { Cap, CapUse } from '../../budget/cap.ts'
import type { Where } from '../../budget/usage.ts'
import type { Stream } from '../../capture/stream.ts'
import type { Settings } from '../../journal/settings.ts'
import type { Conditions, NetworkState } from '../conditions.ts'
import type { Decision, PlanUse } from '../gate.ts'
import type { Queue } from '../queues.ts'
import type { WindowState } from '../windows.ts'
import { capsFor, capUse } from '../../budget/usage.ts'
import { overridden } from '../../network/overrides.ts'
import { SluiceError } from '../../observe/error.ts'
import { decide } from '../gate.ts'
import { classOf } from '../network-findings.ts'
import { queuesOf } from '../queues.ts'
import { windowAt } from '../windows.ts'
import { MemoryUsage } from './memory-usage.ts'

/** What of the config decides what is sent when. */
export type SimulatedConfig = Pick<Config,
  'streams' | 'caps' | 'power' | 'network' | 'exemptions' | 'windows' | 'seal' | 'rate' | 'plan' | 'timeZone'>

export type SimulatedSettings = Pick<Settings, 'caps' | 'networks' | 'streamsOff'>

/** What the machine and the worker say at a time. */
export interface Said {
  readonly conditions: Conditions
  readonly pause?: { readonly since: number; readonly until?: number } | undefined
  readonly sendNow?: { readonly since: number; readonly until: number } | undefined
}

/** Most streams of a trace that the config does not name. */
const maxStreams = 200

/** Asks the gate as the running service does, with what was used kept in memory. */
export class SimulatedJudge {
  readonly #config: SimulatedConfig
  readonly #settings: SimulatedSettings
  readonly #caps: readonly Cap[]
  readonly #networkIds: ReadonlyMap<string, string>
  readonly #overrides: ReadonlyMap<string, 'free' | 'metered'>
  readonly #used = new MemoryUsage()
  readonly #usedOfPlan = new MemoryUsage()
  #streams: readonly Stream[]
  #queues: readonly Queue[] = []
  #last = new Map<string, Decision>()
  #window: (WindowState & { readonly from: number }) | undefined

  constructor(config: SimulatedConfig, settings: SimulatedSettings) {
    this.#config = config
    this.#settings = settings
    this.#caps = [...config.caps, ...settings.caps]
    const named = [...this.#caps, config.plan].flatMap((cap) => cap?.network ?? [])
    // A network that the worker has not named goes by the name that the trace gives it.
    this.#networkIds = new Map([
      ...named.map((name) => [name, name] as const), ...settings.networks.map(({ name, id }) => [name, id] as const),
    ])
    this.#overrides = new Map(settings.networks.flatMap(({ id, cost }) => cost === 'auto' ? [] : [[id, cost] as const]))
    this.#streams = config.streams
    this.#group()
  }

  get queues(): readonly Queue[] {
    return this.#queues
  }

  /** The queue of a stream; one that the config does not name has no rules of its own. Too many: `trace-invalid`. */
  queueOf(stream: string): Queue {
    const find = (): Queue | undefined =>
      this.#queues.find(({ streams }) => streams.some(({ name }) => name === stream))
    const found = find()
    if (found) return found
    if (this.#streams.length >= maxStreams) {
      throw new SluiceError('trace-invalid', `The trace names more than ${maxStreams} streams.`)
    }
    this.#streams = [...this.#streams, plainStream(stream)]
    this.#group()
    return find() as Queue
  }

  #group(): void {
    this.#queues = queuesOf(this.#streams, new Set([
      ...this.#caps.flatMap(({ stream }) => stream ?? []),
      ...this.#config.exemptions.flatMap(({ streams }) => streams ?? []),
      ...this.#settings.streamsOff.map(({ stream }) => stream),
    ]))
  }

  /** What a network counts as, with the worker's own word on it. */
  network(state: NetworkState): NetworkState {
    return overridden(state, this.#overrides)
  }

  /** Where the bytes of a queue are counted on a network. */
  routeOf({ streams }: Queue, { id, cost }: NetworkState): Required<Pick<Where, 'streams'>> & Where {
    return {
      ...(id !== undefined && { network: id }),
      on: classOf(cost, this.#config.network),
      streams: streams.map(({ name }) => name),
    }
  }

  sent(at: number, route: Where, bytes: number): void {
    this.#used.add(at, route, bytes)
    if (this.#isOnPlan(route.network)) this.#usedOfPlan.add(at, route, bytes)
  }

  /** What the person's own programs moved. */
  usedByPerson(at: number, network: NetworkState, bytes: number): void {
    if (network.cost !== 'offline' && this.#isOnPlan(network.id)) this.#usedOfPlan.add(at, this.routeOf(noQueue, network), bytes)
  }

  /** Whether the person's plan pays for a network. */
  #isOnPlan(network: string | undefined): boolean {
    const { plan } = this.#config
    return plan !== undefined && (plan.network === undefined || this.#networkIds.get(plan.network) === network)
  }

  capUses(now: number): CapUse[] {
    return this.#caps.map((cap) => capUse(cap, now, this.#config.timeZone, this.#used, this.#networkIds))
  }

  /** The decision for each queue. `leastBytes` says what the next pack of a queue needs. */
  decide(now: number, said: Said, leastBytes: (queue: Queue) => number): ReadonlyMap<string, Decision> {
    const uses = this.capUses(now)
    const plan = this.#planUse(now, said.conditions.network.value)
    const window = this.#windowAt(now)
    const decisions = new Map<string, Decision>()
    for (const queue of this.#queues) {
      const route = this.routeOf(queue, said.conditions.network.value)
      const { streams } = route
      const off = this.#settings.streamsOff.filter(({ stream }) => streams.includes(stream))
      decisions.set(queue.name, decide({
        ...said, now, plan, window,
        policy: this.#config,
        faults: [],
        queue: {
          streams, networks: queue.networks,
          offSince: off.length > 0 ? Math.min(...off.map(({ since }) => since)) : undefined,
        },
        caps: capsFor(uses, route, this.#networkIds),
        leastBytes: leastBytes(queue),
        previous: this.#last.get(queue.name),
      }))
    }
    this.#last = decisions
    return decisions
  }

  #planUse(now: number, network: NetworkState): PlanUse | undefined {
    const { plan, timeZone } = this.#config
    if (!plan || !this.#isOnPlan(network.id)) return undefined
    const { keepPercent, limitBytes, per, resetDay } = plan
    const cap = { id: 'plan', limitBytes, per, ...(resetDay !== undefined && { resetDay }) }
    const { usedBytes, end } = capUse(cap, now, timeZone, this.#usedOfPlan, this.#networkIds)
    return { limitBytes, usedBytes, keepBytes: limitBytes * keepPercent / 100, end }
  }

  #windowAt(now: number): WindowState {
    if (!this.#window || now < this.#window.from || now >= this.#window.changesAt) {
      this.#window = { ...windowAt(this.#config.windows, now, this.#config.timeZone), from: now }
    }
    return this.#window
  }
}

const noQueue: Queue = { name: 'none', streams: [], networks: undefined, priority: 'normal' }

function plainStream(name: string): Stream {
  return {
    name, folder: '/', include: ['**'], purpose: 'simulated', files: 'whole', fidelity: 'bytes', quietMs: 0,
    onSent: 'keep', priority: 'normal', optional: false,
  }
}
