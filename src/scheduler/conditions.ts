/** What a sensor said. Whether it is too old to trust is for the reader to decide. */
export interface Reading<T> {
  readonly value: T
  /** Who said so, in words a person understands: `sysfs`, `NetworkManager`, `config`, or why nobody could say. */
  readonly source: string
  /** When it was read, milliseconds since the epoch. */
  readonly at: number
}

export interface PowerState {
  /** `battery` only while a battery of the machine itself is draining. */
  readonly supply: 'mains' | 'battery' | 'unknown'
  /** Charge of all the machine's batteries together, 0–100; missing without a battery or when it cannot be told. */
  readonly percent?: number
  /** Whether the person asked the machine to save power. */
  readonly saver: 'on' | 'off' | 'unknown'
}

export interface NetworkState {
  readonly cost: 'free' | 'metered' | 'unknown' | 'offline'
}

/** One snapshot of what the gate needs to know about the machine. */
export interface Conditions {
  readonly power: Reading<PowerState>
  readonly network: Reading<NetworkState>
}
