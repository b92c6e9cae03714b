import type { SluiceEvent } from '../../src/observe/events.ts'
import type { NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Decisions } from '../../src/scheduler/judge.ts'
import type { Destination, PackName } from '../../src/transfer/destination.ts'
import { onTestFinished } from 'vitest'
import { readSettings, watchSettings } from '../../src/journal/settings.ts'
import { settable } from '../../src/scheduler/sensor.ts'
import { Service, type ServiceParts } from '../../src/scheduler/service.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { eventChecker } from '../log-lines.ts'
import { openParts, type Parts, type PartsOptions, type Place } from './harness.ts'

/** Something that changes step by step, and can be waited for. */
class News {
  #waiting: (() => void)[] = []

  tell(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const go of waiting) go()
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }
}

export interface Slice {
  readonly name: PackName
  readonly bytes: number
  /** By the clock of the test. */
  readonly at: number
}

/** A destination in memory that takes a slice only when the test lets one through, and remembers each. */
export class GatedDestination {
  readonly slices: Slice[] = []
  readonly abandoned: PackName[] = []
  /** Slices that may still go. */
  permits = Infinity
  /** Transfers under way. */
  active = 0
  readonly inner = memoryDestination()
  readonly #news = new News()
  readonly #now: () => number

  readonly #beforePut: () => void

  constructor(now: () => number, beforePut: () => void = () => {}) {
    this.#now = now
    this.#beforePut = beforePut
  }

  allow(permits: number): void {
    this.permits = permits
    this.#news.tell()
  }

  get bytes(): number {
    return this.slices.reduce((sum, { bytes }) => sum + bytes, 0)
  }

  until(isSo: () => boolean): Promise<void> {
    return this.#news.until(isSo)
  }

  get destination(): Destination {
    return {
      ...this.inner,
      put: async (pack, options = {}) => {
        this.#beforePut()
        this.active++
        const read = async (offset: number, length: number): Promise<Uint8Array> => {
          await this.#news.until(() => this.permits > 0)
          return pack.read(offset, length)
        }
        const onSent = (bytes: number): void => {
          this.permits--
          this.slices.push({ name: pack.name, bytes, at: this.#now() })
          options.onSent?.(bytes)
          this.#news.tell()
        }
        try {
          await this.inner.put({ name: pack.name, sizeBytes: pack.sizeBytes, read }, { ...options, onSent })
        } finally {
          this.active--
          this.#news.tell()
        }
      },
      abandon: async (name) => {
        this.abandoned.push(name)
        return await this.inner.abandon(name)
      },
    }
  }
}

export interface Live {
  readonly parts: Parts
  readonly service: Service
  readonly gate: GatedDestination
  readonly events: SluiceEvent[]
  readonly power: ReturnType<typeof settable<PowerState>>
  readonly network: ReturnType<typeof settable<NetworkState>>
  /** Resolves when `run` or `once` has ended. */
  readonly ended: Promise<Decisions>
  stop(): void
  /** The number of the event that was looked for, once it is there; those before `from` do not count. */
  readonly event: (isIt: (event: SluiceEvent) => boolean, from?: number) => Promise<number>
}

export interface LiveOptions extends PartsOptions {
  readonly once?: boolean
  readonly permits?: number
  /** The network when it begins; free by default. */
  readonly network?: NetworkState
  /** Called with each transfer before it begins; what it throws fails it. */
  readonly beforePut?: () => void
  /** In place of what the service would have. */
  readonly instead?: Partial<ServiceParts>
  readonly maxSpoolBytes?: number
}

/** A service as `assemble` builds it, with a destination, sensors and a clock that the test moves. It runs already. */
export async function goLive(place: Place, { once = false, permits = Infinity, maxSpoolBytes = 1 << 30, beforePut, instead, network: initial = { cost: 'free' }, ...options }: LiveOptions = {}): Promise<Live> {
  const now = options.now ?? Date.now
  const gate = new GatedDestination(now, beforePut)
  gate.permits = permits
  const events: SluiceEvent[] = []
  const news = new News()
  const check = eventChecker()
  const emit = (event: SluiceEvent): void => {
    check(event)
    events.push(event)
    news.tell()
  }
  const config = { ...(options.config ?? place.config), destination: 'memory:' }
  const parts = await openParts(place, { ...options, config, destination: gate.destination, now, emit, onPending: () => service.wake() })
  const power = settable<PowerState>({ supply: 'mains', saver: 'off' }, now)
  const network = settable<NetworkState>(initial, now)
  const service: Service = new Service({
    ...parts, sensors: { power, network }, maxSpoolBytes, now, monotonic: () => performance.now(), random: () => 0, emit,
    settings: { read: () => readSettings(place.state), watch: (onChange) => watchSettings(place.state, onChange) },
    ...instead,
  })
  const stop = new AbortController()
  const ended = once ? service.once(stop.signal).then(({ decisions }) => decisions) : service.run(stop.signal).then(() => service.decisions)
  ended.catch(() => undefined)
  onTestFinished(async () => {
    stop.abort()
    gate.allow(Infinity)
    await ended.catch(() => undefined)
    parts.journal[Symbol.dispose]()
  })
  return {
    parts, service, gate, events, power, network, ended,
    stop: () => stop.abort(),
    event: async (isIt, from = 0) => {
      await news.until(() => events.slice(from).some(isIt))
      return from + events.slice(from).findIndex(isIt)
    },
  }
}
