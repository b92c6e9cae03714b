/**
 * Through which every wire byte of one transfer passes before it moves: both directions, with the headers of TLS, HTTP,
 * TCP and IP. The ledger stands behind it.
 */
export interface Meter {
  /**
   * Sets `bytes` aside. What goes out is charged before it goes; what comes in, when it is seen. False when the caps leave no
   * room for it: then nothing more may be handed to the network, and the transfer ends.
   */
  charge(bytes: number): boolean
  /**
   * Puts what the kernel counted in place of what was charged so far for one connection: `delta` bytes more, or less when
   * negative. The difference counts also when this returns false, as `charge` does.
   */
  correct(delta: number): boolean
}
