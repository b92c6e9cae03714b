import type { PackName } from '../transfer/destination.ts'

/** Every code of a refusal with its status, as docs/collector-api.md lists them. */
export const statuses = {
  'request-invalid': 400,
  'credential-refused': 401,
  'forbidden': 403,
  'token-refused': 403,
  'unknown-address': 404,
  'upload-unknown': 404,
  'device-known': 409,
  'offset-conflict': 409,
  'log-gap': 409,
  'log-forked': 409,
  'pack-too-large': 413,
  'header-mismatch': 422,
  'upload-locked': 423,
  'rate-limited': 429,
  'hash-mismatch': 460,
  'failed': 500,
  'stopping': 503,
  'store-unreachable': 503,
  'quota-full': 507,
} as const

export type RefusalCode = keyof typeof statuses

interface RefusalDetails {
  /** Where the log of the device ends; null: nowhere yet. */
  readonly head?: Pick<PackName, 'seq' | 'hash'> | null
  readonly retryAfterSeconds?: number
  /** Another status than that of the code. */
  readonly status?: number
  readonly cause?: unknown
}

/** An answer that says no. The sentence goes to the device, so it names nothing of the collector's insides. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly code: RefusalCode
  readonly status: number
  readonly head: RefusalDetails['head']
  readonly retryAfterSeconds: number | undefined

  constructor(code: RefusalCode, message: string, details: RefusalDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = details.status ?? statuses[code]
    this.head = details.head
    this.retryAfterSeconds = details.retryAfterSeconds
  }

  /** `{ "code", "message" }`, with the head where it is known. */
  get json(): Readonly<Record<string, unknown>> {
    const { code, message, head } = this
    return { code, message, ...(head !== undefined && { head: head && { seq: head.seq, hash: head.hash } }) }
  }
}
