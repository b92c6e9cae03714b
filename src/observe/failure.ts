import type { EventOf } from './events.ts'
import { SluiceError, systemCode } from './error.ts'

/** The event of an error that ends the service. Words of an unexpected error may name a capture file; so only its place is told. */
export function failureOf(error: unknown): EventOf<'service.failed'> {
  if (error instanceof SluiceError) return { event: 'service.failed', code: error.code, message: error.message }
  const kind = error instanceof Error ? error.name : typeof error
  const errno = systemCode(error)
  const place = error instanceof Error ? placeOf(error) : undefined
  const message = `${kind}${errno === undefined ? '' : ` ${errno}`}${place === undefined ? '' : ` at ${place}`}`
  return { event: 'service.failed', code: 'unexpected', message }
}

/** `src/scheduler/service.ts:120`: the first frame of the stack that is of Sluice's own. */
function placeOf({ stack = '', message }: Error): string | undefined {
  const frames = stack.slice(Math.max(0, stack.indexOf(message)) + message.length)
  return /^ +at .*?\b((?:src|daemon|cli|config)\/[\w./-]+\.ts:\d+)/m.exec(frames)?.[1]
}
