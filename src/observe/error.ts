import type { ErrorCode } from './error-codes.ts'

/** What a `SluiceError` carries besides its sentence. */
export interface ErrorDetails {
  /** True when trying again later can succeed without anybody doing anything. Decided where it is known. */
  readonly transient?: boolean
  /** Facts for `--json` and logs: sizes, offsets, limits. Never content, and never a capture file's name. */
  readonly data?: Readonly<Record<string, string | number | boolean>>
  readonly cause?: unknown
}

/**
 * The one error class. `code` is API (docs/errors.md lists every code); `message` is a sentence that says what
 * happened, where, and what the reader can do about it.
 */
export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  readonly code: ErrorCode
  readonly transient: boolean
  readonly data: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.transient = details.transient ?? false
    this.data = details.data ?? {}
  }
}

/** The operating system's error code (`ENOSPC`, `ENOENT`, …) of `error`, or undefined when it has none. */
export function systemCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof SluiceError || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}
