import type { ErrorCode } from './error-codes.ts'
import type { EventIn, EventRule } from './fields.ts'
import { errorCodes } from './error-codes.ts'
import { bytes, code, count, milliseconds, numbersBy, oneOf, percent, problemsOf, records, seconds, text, texts, time, yesNo } from './fields.ts'

const stream = text('the stream’s name in the config')
const errno = text('the operating system’s code')
const errorCode = code<ErrorCode>(errorCodes, '[error code](errors.md)', 'what went wrong')
const message = text('a sentence for people; it may change')
const seq = count('place in the device log, from 1')
const packBytes = bytes('size of the pack')

/**
 * Everything the service can say happened: names, levels and fields are API, and docs/events.md is written from here. No event
 * carries content, a capture file's name, an SSID or a token; `stream` names come from the config.
 */
export const catalogue = {
  'service.started': {
    level: 'info', doc: 'The service runs.',
    fields: { device: text('the device’s name'), streams: count('streams of the config') },
    example: { device: 'laptop-17', streams: 3 },
  },
  'service.stopped': {
    level: 'info', doc: 'The service ended because somebody asked it to.',
    fields: { cause: text('the signal') },
    example: { cause: 'SIGTERM' },
  },
  'service.failed': {
    level: 'fatal', doc: 'The service could not go on. With a damaged journal or spool it begins again at once; else the process ends.',
    fields: { code: code<ErrorCode | 'unexpected'>({ ...errorCodes, unexpected: '' }, '[error code](errors.md), or `unexpected`', 'what went wrong'), message },
    example: { code: 'journal-damaged', message: 'The journal is damaged. It is rebuilt.' },
  },
  'journal.rebuilt': {
    level: 'warn', doc: 'The journal was lost or damaged and has been made anew.',
    fields: {
      packsFromDestination: count('packs learnt from the device log'),
      packsFromSpool: count('packs found waiting in the spool'),
      files: count('capture files known again'),
      use: oneOf(['ledger', 'log', 'unknown'], 'what tells how much of the caps is used; with `unknown` they count as used up'),
    },
    example: { packsFromDestination: 120, packsFromSpool: 2, files: 34, use: 'ledger' },
  },
  'spool.swept': {
    level: 'info', doc: 'Leftovers of a crash were removed from the spool; their captures are packed again.',
    fields: { files: count('files removed'), bytes: bytes('their size') },
    example: { files: 1, bytes: 65_536 },
  },
  'spool.lost': {
    level: 'error', doc: 'Packs that waited are gone from the spool; their captures are packed again where they are still there.',
    fields: { packs: count('packs lost'), packBytes: bytes('their size') },
    example: { packs: 1, packBytes: 4_194_304 },
  },
  'capture.unreadable': {
    level: 'warn', doc: 'The system does not let a capture file or folder be read; it is skipped until that changes.',
    fields: { stream, errno, what: oneOf(['file', 'folder'], 'what cannot be read') },
    example: { stream: 'screens', errno: 'EACCES', what: 'file' },
  },
  'capture.folder-missing': { level: 'warn', doc: 'A stream’s folder is not there.', fields: { stream }, example: { stream: 'screens' } },
  'capture.folder-back': { level: 'info', doc: 'A stream’s folder is there again.', fields: { stream }, example: { stream: 'screens' } },
  'capture.rescan': {
    level: 'debug', doc: 'A stream’s whole folder is looked through, as single changes could not be followed.',
    fields: { stream, cause: oneOf(['overflow', 'watch-limit', 'error'], 'why') },
    example: { stream: 'screens', cause: 'overflow' },
  },
  'capture.renamed': { level: 'debug', doc: 'A capture file has another name and goes on under it.', fields: { stream }, example: { stream: 'keys' } },
  'capture.truncated': {
    level: 'info', doc: 'A capture file was cut short and begins anew.',
    fields: { stream, packedBytes: bytes('what was packed of it before') },
    example: { stream: 'keys', packedBytes: 81_920 },
  },
  'capture.replaced': {
    level: 'debug', doc: 'A capture file was replaced by another.',
    fields: { stream, packedBytes: bytes('what was packed of the former') },
    example: { stream: 'keys', packedBytes: 81_920 },
  },
  'capture.deleted': {
    level: 'info', doc: 'A capture file was deleted by somebody else.',
    fields: { stream, packedBytes: bytes('what was packed of it'), unreadBytes: bytes('what was never read of it') },
    example: { stream: 'keys', packedBytes: 81_920, unreadBytes: 0 },
  },
  'capture.torn': { level: 'debug', doc: 'A capture file changed while it was read, and is read again.', fields: { stream }, example: { stream: 'screens' } },
  'capture.reclaimed': {
    level: 'debug', doc: 'Capture files that had arrived were deleted, as `onSent: delete` says.',
    fields: { stream, files: count('files deleted'), bytes: bytes('their size') },
    example: { stream: 'screens', files: 12, bytes: 1_572_864 },
  },
  'capture.not-reclaimed': {
    level: 'warn', doc: 'A capture file that has arrived cannot be deleted.',
    fields: { stream, errno }, example: { stream: 'screens', errno: 'EPERM' },
  },
  'capture.dropped': {
    level: 'info', worker: true, doc: 'What was captured while the worker paused with `--drop` is never read.',
    fields: { stream, files: count('files'), bytes: bytes('what is never read of them') },
    example: { stream: 'screens', files: 4, bytes: 524_288 },
  },
  'control.unavailable': {
    level: 'warn', doc: 'Other programs cannot ask this service; it works without.',
    fields: { code: errorCode, message },
    example: { code: 'state-unusable', message: 'The path of the socket is too long.' },
  },
  'metrics.listening': {
    level: 'info', doc: 'Prometheus may ask for metrics.',
    fields: { url: text('where') }, example: { url: 'http://127.0.0.1:9464/metrics' },
  },
  'metrics.unavailable': {
    level: 'warn', doc: 'Metrics cannot be told; the service works without.',
    fields: { what: oneOf(['listen', 'textfile'], 'the key of the config'), errno }, example: { what: 'listen', errno: 'EADDRINUSE' },
  },
  'pack.sealed': {
    level: 'info', doc: 'Captures were packed; the pack waits to be sent.',
    fields: {
      pack: text('beginning of the hash of its body'),
      rawBytes: bytes('read from capture files'),
      newBytes: bytes('of these, what was not known before'),
      packBytes,
    },
    example: { pack: '9f86d081884c', rawBytes: 6_291_456, newBytes: 2_097_152, packBytes: 524_288 },
  },
  'pack.stamped': {
    level: 'debug', doc: 'A pack has its place in the device log and is sent for the first time.',
    fields: { seq, packBytes }, example: { seq: 121, packBytes: 524_288 },
  },
  'pack.sent': { level: 'info', doc: 'A pack arrived whole.', fields: { seq, packBytes }, example: { seq: 121, packBytes: 524_288 } },
  'pack.resent': {
    level: 'debug', doc: 'Parts of a pack that arrived were sent more than once since the service started.',
    fields: { seq, againBytes: bytes('of the pack, sent once more') }, example: { seq: 121, againBytes: 65_536 },
  },
  'send.held': {
    level: 'info', doc: 'Something is held, or held for other reasons than before.',
    fields: { reasons: texts('[reasons](reasons.md), in alphabetical order'), backlogBytes: bytes('packs that wait') },
    example: { reasons: ['metered'], backlogBytes: 8_388_608 },
  },
  'work.slowed': {
    level: 'info', doc: 'Nothing is held, but something is slowed, or slowed for other reasons than before.',
    fields: { reasons: texts('[reasons](reasons.md), in alphabetical order') },
    example: { reasons: ['on-battery'] },
  },
  'send.resumed': { level: 'info', doc: 'Nothing is held or slowed any more.', fields: {}, example: {} },
  'cap.warned': {
    level: 'warn', doc: 'A cap is nearly used up.',
    fields: { cap: text('the cap’s id'), percent: percent('how much of it is used'), usedBytes: bytes('used so far'), limitBytes: bytes('its limit') },
    example: { cap: 'month', percent: 80, usedBytes: 4_000_000_000, limitBytes: 5_000_000_000 },
  },
  'machine.suspended': { level: 'debug', doc: 'The machine goes to sleep.', fields: {}, example: {} },
  'machine.resumed': {
    level: 'debug', doc: 'The machine is awake again.',
    fields: { sleptMs: milliseconds('how long it slept') }, example: { sleptMs: 28_800_000 },
  },
  'send.failed': {
    level: 'warn', doc: 'Something went wrong that waiting may mend.',
    fields: { code: errorCode, message, retryMs: milliseconds('until the next try') },
    example: { code: 'destination-unreachable', message: 'packs.example.com did not answer.', retryMs: 30_000 },
  },
  'config.reloaded': {
    level: 'info', doc: 'The config or a policy changed, and the service goes on with what it says now.',
    fields: { keys: texts('what changed, without its values; at most 20') },
    example: { keys: ['caps[0].limit'] },
  },
  'config.refused': {
    level: 'error', doc: 'The config or a policy changed and is not taken up; the service goes on with the last good one.',
    fields: {
      file: text('the config or policy'),
      line: count('where in it, from 1'),
      key: text('the key of the config'),
      reason: text('a sentence for people; it may change'),
      problems: count('how many there are; this is the first'),
    },
    example: { file: '/etc/sluice/policy.d/10-fleet.yaml', line: 3, key: 'caps[0].per', reason: 'found "…"; allowed: day, week, month, rolling', problems: 1 },
  },
  'log.failed': {
    level: 'error', doc: 'The log files cannot be written now; the service goes on, and tries again every minute.',
    fields: { errno }, example: { errno: 'ENOSPC' },
  },
  'log.lost': {
    level: 'warn', doc: 'Lines of this log were not written, as its disk was full or nobody read it.',
    fields: { lines: count('how many') }, example: { lines: 12 },
  },
  'upload.summary': {
    level: 'info', doc: 'What an hour or a day came to, in the time zone of the config; also at a clean stop, for the hour so far.',
    fields: {
      period: oneOf(['hour', 'day'], 'which'),
      from: time('its beginning'),
      to: time('its end'),
      capturedBytes: bytes('read from capture files'),
      newBytes: bytes('of these, what was not known before'),
      packedBytes: bytes('packs sealed'),
      sentBytes: bytes('on the wire, both directions, as charged to the caps'),
      sentPackBytes: bytes('packs that arrived'),
      againBytes: bytes('of packs, sent once more'),
      packs: count('packs that arrived'),
      backlogBytes: bytes('packs that wait at its end'),
      backlogPacks: count('packs that wait at its end'),
      oldestWaitingMs: milliseconds('how long the oldest of them has waited; 0 when none waits'),
      heldBytes: numbersBy('bytes by reason', 'what waits at its end, by the [reasons](reasons.md) that hold it; `held` stands for what the worker decided'),
      caps: records({ cap: text(''), limitBytes: bytes(''), usedBytes: bytes(''), atRisk: yesNo('') }, 'each cap; at risk when the forecast says that it is used up before its period ends'),
      batteryMs: milliseconds('spent on battery'),
      meteredMs: milliseconds('spent on metered networks'),
      cpuSeconds: seconds('CPU time of the service, user and system'),
      errors: numbersBy('counts by code', 'failures, by [error code](errors.md)'),
      uptimeMs: milliseconds('since the service started'),
    },
    example: {
      period: 'hour', from: 1_795_464_000_000, to: 1_795_467_600_000, capturedBytes: 62_914_560, newBytes: 20_971_520, packedBytes: 5_242_880,
      sentBytes: 5_400_000, sentPackBytes: 5_242_880, againBytes: 0, packs: 10, backlogBytes: 524_288, backlogPacks: 1, oldestWaitingMs: 95_000,
      heldBytes: { metered: 524_288 }, caps: [{ cap: 'month', limitBytes: 5_000_000_000, usedBytes: 1_200_000_000, atRisk: false }],
      batteryMs: 1_200_000, meteredMs: 600_000, cpuSeconds: 4.2, errors: { 'destination-unreachable': 2 }, uptimeMs: 36_000_000,
    },
  },
} as const satisfies Readonly<Record<string, EventRule>>

export type EventName = keyof typeof catalogue

/** The event of that name. */
export type EventOf<N extends EventName> = EventIn<typeof catalogue, N>

export type SluiceEvent = EventOf<EventName>

/** Where events go: the log, the terminal, a test's array. */
export type Emit = (event: SluiceEvent) => void

/** What is wrong with what should be an event, in sentences; none when it is one. */
export function checkEvent(value: unknown): string[] {
  return problemsOf(catalogue, value)
}
