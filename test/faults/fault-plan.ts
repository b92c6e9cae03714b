import { seededRandom } from '../../bench/lib/random.ts'

/** Towards the server, or back. */
export type Direction = 'up' | 'down'

/**
 * What goes wrong on the way once so many bytes have passed:
 *
 * `fin`, `rst`  the connection ends, for the client politely or by a reset; downwards it truncates an answer.
 * `stall`       nothing passes any more, and nobody is told: a half-open connection.
 * `answer`      the client gets a 503 that the server knows nothing of.
 * `corrupt`     one byte is changed.
 * `late`        the client is reset; what it still handed over reaches the server after the client's next connection was answered.
 * `pause`       nothing passes for a moment.
 * `jitter`      every piece from here on is delayed by a moment of its own.
 */
export type FaultKind = 'fin' | 'rst' | 'stall' | 'answer' | 'corrupt' | 'late' | 'pause' | 'jitter'

export interface Fault {
  readonly kind: FaultKind
  readonly direction: Direction
  /** Bytes that still pass in this direction. */
  readonly atBytes: number
  /** How the server learns that its client is gone: with it, or by a reset once the client has come back. */
  readonly server: 'fin' | 'rst' | 'later'
}

/** Kinds after which the client has to try again. */
export const cuttingKinds: ReadonlySet<FaultKind> = new Set<FaultKind>(['fin', 'rst', 'stall', 'answer', 'late', 'corrupt'])

/** A kind and how often it comes, in relation to the others. */
export type FaultMix = readonly (readonly [kind: FaultKind, weight: number])[]

/** A stall costs the client's whole patience, so they are few. */
const everyCut: FaultMix = [['rst', 30], ['fin', 25], ['late', 20], ['answer', 15], ['stall', 1], ['pause', 5], ['jitter', 4]]

/** Requests and answers without a body are smaller than this; half of the cuts downwards come within the first of them. */
const headBytes = 600

/** The faults of a seed, one after the other: the same seed and the same sizes give the same faults. Pure. */
export class FaultPlan {
  readonly #random: () => number
  readonly #mix: FaultMix

  constructor(seed: number, mix: FaultMix = everyCut) {
    this.#random = seededRandom(seed)
    this.#mix = mix
  }

  /** The next fault, at any byte of a transfer of about `upBytes`. One in eight comes within its last bytes, one in eight within its first. */
  next(upBytes: number): Fault {
    const kind = this.#kind()
    const direction = kind !== 'answer' && kind !== 'late' && kind !== 'corrupt' && this.#random() < 0.2 ? 'down' : 'up'
    const server = (['fin', 'rst', 'later'] as const)[Math.floor(this.#random() * 3)] ?? 'fin'
    const [where, part] = [this.#random(), this.#random()]
    if (direction === 'down') return { kind, direction, server, atBytes: Math.floor(part * headBytes * (where < 0.5 ? 1 : 2)) }
    const whole = upBytes + headBytes
    if (where < 0.125) return { kind, direction, server, atBytes: Math.floor(part * headBytes) }
    if (where < 0.25) return { kind, direction, server, atBytes: Math.max(0, whole - Math.floor(part * headBytes)) }
    return { kind, direction, server, atBytes: Math.floor(part * whole) }
  }

  #kind(): FaultKind {
    let left = this.#random() * this.#mix.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [kind, weight] of this.#mix) {
      left -= weight
      if (left < 0) return kind
    }
    return 'rst'
  }
}
