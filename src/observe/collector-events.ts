import type { RefusalCode } from '../collector/refusal.ts'

/**
 * Everything a collector can say happened. No event carries a token, a credential, a header or a query; `address` is the
 * peer's, or what a trusted proxy says it is.
 */
export type CollectorEvent =
  | { readonly event: 'collector.started'; readonly url: string; readonly metrics?: string }
  | { readonly event: 'collector.stopping'; readonly requests: number }
  | { readonly event: 'collector.stopped'; readonly cutRequests: number }
  | { readonly event: 'collector.failed'; readonly what: string; readonly message: string }
  | { readonly event: 'certificate.reloaded'; readonly validTo: string }
  | { readonly event: 'certificate.not-reloaded'; readonly message: string }
  | { readonly event: 'device.enrolled'; readonly device: string; readonly again: boolean }
  | { readonly event: 'enrolment.refused'; readonly code: RefusalCode; readonly address: string; readonly device?: string }
  | { readonly event: 'credential.refused'; readonly code: RefusalCode; readonly address: string; readonly device?: string }
  | { readonly event: 'upload.created'; readonly device: string; readonly seq: number; readonly packBytes: number; readonly offset: number }
  | { readonly event: 'upload.received'; readonly device: string; readonly seq: number; readonly bytes: number; readonly offset: number }
  | { readonly event: 'upload.discarded'; readonly device: string; readonly seq: number; readonly cause: 'device' | 'expired' }
  | { readonly event: 'pack.accepted'; readonly device: string; readonly seq: number; readonly packBytes: number }
  | { readonly event: 'pack.refused'; readonly device: string; readonly seq: number; readonly code: RefusalCode }
  | { readonly event: 'request.refused'; readonly code: RefusalCode; readonly address: string; readonly device?: string }
  | { readonly event: 'refusals.omitted'; readonly count: number }

export type EmitCollector = (event: CollectorEvent) => void
