/** What a sensor said. Whether it is too old to trust is for the reader to decide. */
export interface Reading<T> {
  readonly value: T
  /** Who said so, in words a person understands: `UPower`, `NetworkManager`, `config`, or why nobody could say. */
  readonly source: string
  /** When it was read, milliseconds since the epoch. */
  readonly at: number
}

export interface PowerState {
  /** `battery` only while a battery of the machine itself is draining and no charger is plugged in. */
  readonly supply: 'mains' | 'battery' | 'unknown'
  /** Charge of all the machine's batteries together, 0–100; missing without a battery or when it cannot be told. */
  readonly percent?: number
  /** A charger is plugged in, and a battery drains all the same: it gives less than the machine takes. */
  readonly weakCharger?: boolean
  /** Whether the person asked the machine to save power. */
  readonly saver: 'on' | 'off' | 'unknown'
}

/**
 * What a byte costs. `metered`: by the byte or from an allowance, below its limit as far as anybody knows. `near-limit`
 * and `over-limit`: the system says that the allowance is nearly or wholly used. `roaming`: another operator's network.
 */
export type NetworkCost = 'free' | 'metered' | 'near-limit' | 'over-limit' | 'roaming' | 'unknown' | 'offline'

/** The two classes that streams, caps and overrides speak of. Everything that is not free is metered. */
export type NetworkClass = 'free' | 'metered'

export interface NetworkState {
  readonly cost: NetworkCost
  /**
   * Which network this is: 12 hex digits of a keyed hash, the same each time this machine joins it, and meaningless to
   * anybody else. Missing when it cannot be told.
   */
  readonly id?: string
  /** What else speaks for this cost, in a few words without names: `phone hotspot`, `under a VPN`, `set by you`. */
  readonly because?: string
  /** `portal`: a login page stands between this machine and the internet; `limited`: nothing beyond the local network. */
  readonly reach?: 'full' | 'portal' | 'limited' | 'unknown'
}

/** One snapshot of what the gate needs to know about the machine. */
export interface Conditions {
  readonly power: Reading<PowerState>
  readonly network: Reading<NetworkState>
}
