import type { Config } from '../../config/options.ts'
import type { Journal } from '../journal/journal.ts'
import type { Settings } from '../journal/settings.ts'
import type { SluiceError } from '../observe/error.ts'
import type { Conditions } from './conditions.ts'
import type { Fault } from './gate.ts'
import type { FaultCode } from './reasons.ts'
import { Faults } from './faults.ts'

const faultsKey = 'faults'

export interface RecoveryParts {
  readonly journal: Pick<Journal, 'meta' | 'setMeta'>
  readonly config: Pick<Config, 'destination'>
  readonly now: () => number
  /** 0 ≤ n < 1 */
  readonly random: () => number
}

/** The faults of a service: tried again at their time, or once something changed that may have mended them. */
export class Recovery {
  readonly #parts: RecoveryParts
  readonly #faults: Faults
  #network: Conditions['network']['value'] | undefined
  /** Since when the worker’s last wish to send now holds, 0 for none; undefined before the first look. */
  #wish: number | undefined
  #kept: string | undefined

  constructor(parts: RecoveryParts) {
    this.#parts = parts
    this.#faults = new Faults(parts.config.destination.startsWith('file:'))
  }

  /** Takes over what failed before this start, so that a restart begins no new series of tries. */
  begin(): void {
    const { journal, now, random } = this.#parts
    this.#faults.restore(journal.meta(faultsKey), now(), random())
  }

  /** As `Faults.note`. */
  note(error: SluiceError): number | undefined {
    const { now, random } = this.#parts
    return this.#faults.note(error, now(), random(), this.#network?.id)
  }

  /** Another network may know the way, and somebody who asks to send now may just have mended something. */
  notice({ network: { value } }: Conditions, { sendNow }: Settings): void {
    const [network, wish] = [this.#network, this.#wish]
    this.#network = value
    this.#wish = sendNow?.since ?? 0
    const hasMoved = network !== undefined && (network.id !== value.id || network.cost !== value.cost)
    const isAsked = wish !== undefined && wish !== this.#wish && sendNow !== undefined
    if (hasMoved || isAsked) this.tryNow()
  }

  tryNow(): void {
    this.#faults.tryNow(this.#parts.now(), this.#network?.id)
  }

  readonly progress = (): void => this.#faults.progress()

  readonly clear = (codes: readonly FaultCode[]): void => this.#faults.clear(...codes)

  active(now: number): Fault[] {
    return this.#faults.active(now)
  }

  get codes(): readonly FaultCode[] {
    return this.#faults.codes
  }

  /** Whether there is something to keep that was not kept. */
  get hasNews(): boolean {
    return this.#faults.save() !== (this.#kept ?? '[]')
  }

  /** Writes down what outlasts the process. Throws what the journal throws, and is not asked again for the same. */
  keep(): void {
    const text = this.#faults.save()
    if (text === this.#kept) return
    this.#kept = text
    this.#parts.journal.setMeta(faultsKey, text)
  }
}
