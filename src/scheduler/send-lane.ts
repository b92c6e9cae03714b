import type { ServiceParts } from './service.ts'
import type { Decision } from './gate.ts'
import type { Judge } from './judge.ts'
import type { Queue } from './queues.ts'
import type { FaultCode } from './reasons.ts'
import { sendingFaults } from './faults.ts'

/** What a pack that arrived proves to be over. */
const provedOver: readonly FaultCode[] = [...sendingFaults, 'spool-full', 'state-full', 'state-unusable', 'encryption-failed']

/** What the send lane needs to know of the last tick. */
export interface SendView {
  readonly queues: readonly Queue[]
  decisionOf(queue: string): Decision | undefined
  /** Over which network, by the conditions of the last tick. */
  routeOf(queue: Queue): ReturnType<Judge['routeOf']>
  clear(codes: readonly FaultCode[]): void
  /** Bytes arrived. */
  progress(): void
  /** Looks at the conditions again and decides. */
  judge(): Promise<void>
}

/** Moves sealed packs, one at a time, until none may go. */
export class SendLane {
  readonly #parts: Pick<ServiceParts, 'journal' | 'sender' | 'reclaim' | 'now' | 'setRate' | 'onProgress' | 'config'>
  readonly #judge: Judge
  readonly #view: SendView
  #queue: Queue | undefined
  /** Of queues whose transfer ended for want of bytes before any had gone: what the caps left. With more it is tried again. */
  readonly #tooLittle = new Map<string, number>()

  constructor(parts: ServiceParts, judge: Judge, view: SendView) {
    this.#parts = parts
    this.#judge = judge
    this.#view = view
  }

  /** The queue whose pack moves now. */
  get queue(): Queue | undefined {
    return this.#queue
  }

  /** The queue whose pack leaves next, if one may. */
  next(): Queue | undefined {
    const open = this.#view.queues.filter(({ name }) => {
      const decision = this.#view.decisionOf(name)
      return decision && decision.send !== 'hold' && decision.maxBytes > (this.#tooLittle.get(name) ?? -1)
    })
    return open.length === 0 ? undefined : this.#judge.nextToSend(open, this.#parts.now())
  }

  async run(signal: AbortSignal): Promise<void> {
    const { journal, sender, reclaim, onProgress } = this.#parts
    try {
      for (;;) {
        const queue = this.next()
        const decision = queue && this.#view.decisionOf(queue.name)
        if (!queue || !decision || signal.aborted) return
        this.#queue = queue
        this.shape()
        const options = { maxBytes: decision.maxBytes, route: this.#view.routeOf(queue), signal }
        const stamped = journal.stamped()
        let hasMoved = false
        const ends = (): void => void (signal.aborted || hasMoved || this.#tooLittle.set(queue.name, decision.maxBytes))
        if (stamped && stamped.queue !== queue.name && !(await sender.giveWay(stamped, options))) return ends()
        const pack = signal.aborted ? undefined : journal.nextOf(queue.name)
        if (!pack) return
        const onSent = (bytes: number): void => {
          hasMoved = true
          onProgress?.({ sentBytes: bytes })
        }
        if (!(await sender.send(pack, { ...options, onSent, onArrived: () => this.#view.progress() }))) return ends()
        this.#tooLittle.clear()
        await reclaim.run()
        this.#view.clear(provedOver)
        await this.#view.judge()
      }
    } finally {
      this.#queue = undefined
    }
  }

  /** Makes the transfer under way as fast, and as long, as the decision for its queue allows. Takes effect at once. */
  shape(): void {
    const { setRate, sender, config: { rate } } = this.#parts
    const decision = this.#queue && this.#view.decisionOf(this.#queue.name)
    if (!decision) return
    const { send: level, maxBytes } = decision
    sender.limit(maxBytes)
    if (!setRate) return
    const { maxBytesPerSecond = Infinity, trickleBytesPerSecond, yields } = rate
    const most = level === 'full' ? maxBytesPerSecond : Math.min(maxBytesPerSecond, trickleBytesPerSecond)
    setRate({ yields, ...(Number.isFinite(most) && { maxBytesPerSecond: most }) })
  }
}
