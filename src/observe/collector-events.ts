import type { RefusalCode } from '../collector/refusal.ts'
import type { EventIn, EventRule } from './fields.ts'
import { statuses } from '../collector/refusal.ts'
import { bytes, code as codeOf, count, oneOf, optional, problemsOf, text, yesNo } from './fields.ts'

const code = codeOf<RefusalCode>(statuses, '[code of a refusal](collector-api.md)', 'why')
const address = text('the peer’s, or what a trusted proxy says it is')
const device = text('the device’s name')
const maybeDevice = optional(text('the device’s name, where it is known'))
const seq = count('place in the device log, from 1')
const packBytes = bytes('size of the pack')
const message = text('a sentence for people; it may change')

const upload = { device: 'laptop-17', seq: 121 }

/** Everything a collector can say happened. No event carries a token, a credential, a header or a query. */
export const collectorCatalogue = {
  'collector.started': {
    level: 'info', doc: 'The collector listens.',
    fields: { url: text('where'), metrics: optional(text('where metrics are')) },
    example: { url: 'https://packs.example.com/' },
  },
  'collector.stopping': {
    level: 'info', doc: 'The collector takes nothing new and ends what it has begun.',
    fields: { requests: count('under way') }, example: { requests: 4 },
  },
  'collector.stopped': { level: 'info', doc: 'The collector has ended.', fields: { cutRequests: count('that were cut off') }, example: { cutRequests: 0 } },
  'collector.failed': {
    level: 'error', doc: 'Something failed that should not have; the collector goes on, or ends as it was asked to (`stop`).',
    fields: { what: text('request or chore'), message }, example: { what: 'sweep', message: 'ENOSPC: no space left on device, write' },
  },
  'certificate.reloaded': { level: 'info', doc: 'Another certificate is used.', fields: { validTo: text('when it ends') }, example: { validTo: 'Feb  1 12:00:00 2027 GMT' } },
  'certificate.not-reloaded': { level: 'error', doc: 'The files of the certificate cannot be used; the former one stays.', fields: { message }, example: { message: 'The key does not fit the certificate.' } },
  'device.enrolled': { level: 'info', doc: 'A device got a credential.', fields: { device, again: yesNo('whether it had enrolled before') }, example: { device: 'laptop-17', again: false } },
  'enrolment.refused': { level: 'warn', doc: 'A device was not enrolled.', fields: { code, address, device: maybeDevice }, example: { code: 'token-refused', address: '192.0.2.7' } },
  'credential.refused': { level: 'warn', doc: 'A credential was not accepted.', fields: { code, address, device: maybeDevice }, example: { code: 'credential-refused', address: '192.0.2.7' } },
  'upload.created': {
    level: 'debug', doc: 'A device began, or took up again, to send a pack.',
    fields: { device, seq, packBytes, offset: bytes('received before') }, example: { ...upload, packBytes: 524_288, offset: 0 },
  },
  'upload.received': {
    level: 'debug', doc: 'Part of a pack was received.',
    fields: { device, seq, bytes: bytes('received now'), offset: bytes('received in all') }, example: { ...upload, bytes: 262_144, offset: 262_144 },
  },
  'upload.discarded': {
    level: 'info', doc: 'What was received of a pack was thrown away.',
    fields: { device, seq, cause: oneOf(['device', 'expired'], 'the device asked for it, or nobody went on with it') }, example: { ...upload, cause: 'expired' },
  },
  'pack.accepted': { level: 'info', doc: 'A pack is whole, checked and in its log.', fields: { device, seq, packBytes }, example: { ...upload, packBytes: 524_288 } },
  'pack.refused': { level: 'warn', doc: 'A pack was received and is not taken into the log.', fields: { device, seq, code }, example: { ...upload, code: 'hash-mismatch' } },
  'request.refused': { level: 'warn', doc: 'A request was refused.', fields: { code, address, device: maybeDevice }, example: { code: 'rate-limited', address: '192.0.2.7' } },
  'refusals.omitted': { level: 'warn', doc: 'More refusals of the last minute than are told one by one.', fields: { count: count('refusals') }, example: { count: 340 } },
} as const satisfies Readonly<Record<string, EventRule>>

export type CollectorEvent = EventIn<typeof collectorCatalogue, keyof typeof collectorCatalogue>

export type EmitCollector = (event: CollectorEvent) => void

/** What is wrong with a line that a collector wrote, in sentences; none when it is right. */
export function checkCollectorLine(line: string): string[] {
  const { time, level, ...event } = JSON.parse(line) as { readonly time?: unknown; readonly level?: unknown; readonly event: keyof typeof collectorCatalogue }
  const problems = problemsOf(collectorCatalogue, event)
  if (problems.length === 0 && collectorCatalogue[event.event].level !== level) problems.push(`${event.event}: level is ${String(level)}`)
  return typeof time === 'string' && !Number.isNaN(Date.parse(time)) ? problems : [...problems, 'no time']
}
