import type { SluiceEvent } from '../src/observe/events.ts'
import { counted } from './output.ts'
import { formatBytes, formatDuration } from '../config/units.ts'

/** An event as one line for a person, with the time of day in front where `at` is given. */
export function eventLine(event: SluiceEvent, at?: number): string {
  const time = at === undefined ? '' : `${new Date(at).toTimeString().slice(0, 8)}  `
  return `${time}${words(event)}`
}

function words(event: SluiceEvent): string {
  switch (event.event) {
    case 'service.started':
      return `started for ${event.device}, ${counted(event.streams, 'stream')}`
    case 'service.stopped':
      return `stopped (${event.cause})`
    case 'service.failed':
      return `failed: ${event.message}`
    case 'journal.rebuilt':
      return `journal rebuilt from ${event.packsFromDestination} sent and ${event.packsFromSpool} waiting packs; ${event.files} files known again${event.use === 'unknown' ? '; what was used of caps is lost, so they count as used up' : ''}`
    case 'spool.swept':
      return `removed ${event.files} leftover files from the spool (${formatBytes(event.bytes)}); their captures are packed again`
    case 'spool.lost':
      return `${counted(event.packs, 'waiting pack')} (${formatBytes(event.packBytes)}) cannot be sent, for the spool has lost packs; their captures are packed again`
    case 'control.unavailable':
      return `other programs cannot ask this service: ${event.message}`
    case 'pack.sealed':
      return `sealed ${formatBytes(event.rawBytes)} of captures into a pack of ${formatBytes(event.packBytes)}`
    case 'pack.stamped':
      return `sending pack ${event.seq}, ${formatBytes(event.packBytes)}`
    case 'pack.sent':
      return `pack ${event.seq} arrived, ${formatBytes(event.packBytes)}`
    case 'pack.resent':
      return `${formatBytes(event.againBytes)} of pack ${event.seq} had to be sent again`
    case 'metrics.listening':
      return `metrics at ${event.url}`
    case 'metrics.unavailable':
      return `metrics cannot be told: ${event.what === 'listen' ? 'the address cannot be used' : 'the text file cannot be written'} (${event.errno})`
    case 'send.held':
      return `held (${event.reasons.join(', ')}), ${formatBytes(event.backlogBytes)} waiting`
    case 'work.slowed':
      return `slowed (${event.reasons.join(', ')})`
    case 'cap.warned':
      return `${event.percent} % of cap ${event.cap} used: ${formatBytes(event.usedBytes)} of ${formatBytes(event.limitBytes)}`
    case 'machine.suspended':
      return 'the machine goes to sleep'
    case 'machine.resumed':
      return `the machine is awake again, after ${formatDuration(event.sleptMs)}`
    case 'send.resumed':
      return 'nothing is held any more'
    case 'send.failed':
      return `${event.message} (${event.code}); next try in ${formatDuration(event.retryMs)}`
    case 'config.reloaded':
      return `goes on with the changed config (${event.keys.join(', ')})`
    case 'config.refused':
      return `a changed config is refused, the last good one stays: ${event.file}:${event.line} ${event.key}: ${event.reason}`
    case 'log.failed':
      return `the log files cannot be written (${event.errno}); it is tried again every minute`
    case 'log.lost':
      return `${counted(event.lines, 'line')} of the log could not be written`
    case 'upload.summary':
      return `the last ${event.period}: read ${formatBytes(event.capturedBytes)}, ${counted(event.packs, 'pack')} arrived, ${formatBytes(event.sentBytes)} on the wire; ${formatBytes(event.backlogBytes)} waiting`
    case 'capture.unreadable':
    case 'capture.folder-missing':
    case 'capture.folder-back':
    case 'capture.rescan':
    case 'capture.renamed':
    case 'capture.truncated':
    case 'capture.replaced':
    case 'capture.deleted':
    case 'capture.torn':
    case 'capture.dropped':
    case 'capture.reclaimed':
    case 'capture.not-reclaimed':
      return captureWords(event)
  }
}

type CaptureEvent = Extract<SluiceEvent, { readonly event: `capture.${string}` }>

function captureWords(event: CaptureEvent): string {
  const where = `stream ${event.stream}`
  switch (event.event) {
    case 'capture.unreadable':
      return `${where}: a ${event.what} cannot be read (${event.errno}); it is skipped until that changes`
    case 'capture.folder-missing':
      return `${where}: its folder is missing; captures go on when it is back`
    case 'capture.folder-back':
      return `${where}: its folder is back`
    case 'capture.rescan':
      return `${where}: looking through the whole folder (${event.cause})`
    case 'capture.renamed':
      return `${where}: a file was renamed`
    case 'capture.truncated':
      return `${where}: a file was truncated and begins anew`
    case 'capture.replaced':
      return `${where}: a file was replaced by another`
    case 'capture.deleted':
      return `${where}: a file was deleted${event.unreadBytes > 0 ? `, ${formatBytes(event.unreadBytes)} of it unread` : ''}`
    case 'capture.torn':
      return `${where}: a file changed while it was read; it is taken again`
    case 'capture.dropped':
      return `${where}: ${formatBytes(event.bytes)} in ${counted(event.files, 'file')} that were, or may have been, captured while you paused are never read`
    case 'capture.reclaimed':
      return `${where}: deleted ${event.files} ${event.files === 1 ? 'file' : 'files'} that had arrived (${formatBytes(event.bytes)})`
    case 'capture.not-reclaimed':
      return `${where}: a file that has arrived cannot be deleted (${event.errno}); it stays where it is`
  }
}
