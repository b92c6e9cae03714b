const minute = 60_000

/** What a collector bears. Sizes are bytes, times milliseconds. */
export interface CollectorLimits {
  /** Packs and announced uploads of one device together. */
  readonly quotaBytes: number
  readonly maxPackBytes: number
  readonly maxHeaderBytes: number
  readonly connections: number
  readonly connectionsPerAddress: number
  readonly requestsPerMinutePerDevice: number
  readonly requestsPerMinutePerAddress: number
  /** A request whose headers take longer is cut. */
  readonly headersMs: number
  /** A body that brings fewer than `slowBodyBytes` in this time is cut. */
  readonly bodyMs: number
  readonly slowBodyBytes: number
  /** An upload to which nothing was added for so long is removed. */
  readonly uploadsExpireMs: number
  /** How long running requests may take once the collector stops. */
  readonly drainMs: number
  /** How old an answer about a credential may be: a revoked one works that long. */
  readonly credentialMs: number
}

export const defaultLimits: CollectorLimits = {
  quotaBytes: 50e9,
  maxPackBytes: 64 << 20,
  maxHeaderBytes: 8 << 10,
  connections: 4000,
  connectionsPerAddress: 256, // an office behind one address
  requestsPerMinutePerDevice: 600,
  requestsPerMinutePerAddress: 6000,
  headersMs: 10_000,
  bodyMs: 30_000,
  slowBodyBytes: 4 << 10,
  uploadsExpireMs: 7 * 24 * 60 * minute,
  drainMs: 10_000,
  credentialMs: 2000,
}
