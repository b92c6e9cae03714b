import type { ErrorCode } from './error-codes.ts'

/**
 * Everything the service can say happened. No event carries content, a capture file's name, an SSID or a token;
 * `stream` names come from the config.
 */
export type SluiceEvent =
  | { readonly event: 'service.started'; readonly device: string; readonly streams: number }
  | { readonly event: 'service.stopped'; readonly cause: string }
  | { readonly event: 'service.failed'; readonly code: ErrorCode | 'unexpected'; readonly message: string }
  | { readonly event: 'journal.rebuilt'; readonly packsFromDestination: number; readonly packsFromSpool: number; readonly files: number; readonly use: 'ledger' | 'log' | 'unknown' }
  | { readonly event: 'spool.swept'; readonly files: number; readonly bytes: number }
  | { readonly event: 'spool.lost'; readonly packs: number; readonly packBytes: number }
  | { readonly event: 'capture.unreadable'; readonly stream: string; readonly errno: string; readonly what: 'file' | 'folder' }
  | { readonly event: 'capture.folder-missing'; readonly stream: string }
  | { readonly event: 'capture.folder-back'; readonly stream: string }
  | { readonly event: 'capture.rescan'; readonly stream: string; readonly cause: 'overflow' | 'watch-limit' | 'error' }
  | { readonly event: 'capture.renamed'; readonly stream: string }
  | { readonly event: 'capture.truncated'; readonly stream: string; readonly packedBytes: number }
  | { readonly event: 'capture.replaced'; readonly stream: string; readonly packedBytes: number }
  | { readonly event: 'capture.deleted'; readonly stream: string; readonly packedBytes: number; readonly unreadBytes: number }
  | { readonly event: 'capture.torn'; readonly stream: string }
  | { readonly event: 'capture.reclaimed'; readonly stream: string; readonly files: number; readonly bytes: number }
  | { readonly event: 'capture.not-reclaimed'; readonly stream: string; readonly errno: string }
  | { readonly event: 'capture.dropped'; readonly stream: string; readonly files: number; readonly bytes: number }
  | { readonly event: 'control.unavailable'; readonly code: ErrorCode; readonly message: string }
  | { readonly event: 'pack.sealed'; readonly pack: string; readonly rawBytes: number; readonly newBytes: number; readonly packBytes: number }
  | { readonly event: 'pack.stamped'; readonly seq: number; readonly packBytes: number }
  | { readonly event: 'pack.sent'; readonly seq: number; readonly packBytes: number }
  | { readonly event: 'send.held'; readonly reasons: readonly string[]; readonly backlogBytes: number }
  | { readonly event: 'work.slowed'; readonly reasons: readonly string[] }
  | { readonly event: 'send.resumed' }
  | { readonly event: 'cap.warned'; readonly cap: string; readonly percent: number; readonly usedBytes: number; readonly limitBytes: number }
  | { readonly event: 'machine.suspended' }
  | { readonly event: 'machine.resumed'; readonly sleptMs: number }
  | { readonly event: 'send.failed'; readonly code: ErrorCode; readonly message: string; readonly retryMs: number }

/** Where events go: the log, the terminal, a test's array. */
export type Emit = (event: SluiceEvent) => void
