import type { Emit, SluiceEvent } from '../events.ts'
import type { Level } from '../fields.ts'
import type { LogFormat } from './line.ts'
import type { LogOutput } from './output.ts'
import type { RollingOptions } from './rolling-files.ts'
import { pino } from 'pino'
import { errorCodes } from '../error-codes.ts'
import { forIt } from '../for-it.ts'
import { levelField, levelOf, lineFields } from './line.ts'

/** Lines of what happens, as IT reads them. */
export interface Log {
  readonly emit: Emit
  close(): void
}

export interface LogOptions {
  readonly device: string
  readonly version: string
  readonly format: LogFormat
  /** What a message must not name. */
  readonly captureFolders: readonly string[]
  readonly now: () => number
  /** Where lines go, with the least level that does. */
  readonly outputs: readonly { readonly output: LogOutput; readonly level: Level }[]
  readonly files?: Omit<RollingOptions, 'onTrouble'> & { readonly level: Level }
}

interface Target {
  readonly output: LogOutput
  readonly write: (event: SluiceEvent) => void
}

/** Opens a log. Files that cannot be written are told of elsewhere and tried again; nothing here throws because of them. */
export async function openLog(options: LogOptions): Promise<Log> {
  const { files, captureFolders } = options
  const targets = options.outputs.map(({ output, level }) => targetOf(options, output, level))
  let told = ''
  const emit: Emit = (happened) => {
    const seen = forIt(happened, told)
    told = seen.told
    if (!seen.event) return
    const event = withoutFolders(seen.event, captureFolders)
    for (const { output, write } of targets) {
      const lines = output.takeLost()
      if (lines > 0) write({ event: 'log.lost', lines })
      write(event)
    }
  }
  if (files) {
    const { openRollingFiles } = await import('./rolling-files.ts')
    const output = await openRollingFiles({ ...files, onTrouble: (errno) => emit({ event: 'log.failed', errno }) })
    targets.push(targetOf(options, output, files.level))
  }
  return { emit, close: () => { for (const { output } of targets) output.close() } }
}

function targetOf({ format, device, version, now }: LogOptions, output: LogOutput, least: Level): Target {
  let level: Level = 'info'
  const logger = pino(
    { level: least, base: null, timestamp: false, formatters: { level: (label) => levelField(format, label) } },
    { write: (line: string) => output.write(line, level) },
  )
  return {
    output,
    write(event) {
      level = levelOf(event)
      logger[level](lineFields(format, event, { time: now(), device, version }))
    },
  }
}

/** Messages name no capture file; one that did would be replaced by what its code means. */
function withoutFolders(event: SluiceEvent, folders: readonly string[]): SluiceEvent {
  if (!('message' in event) || !folders.some((folder) => event.message.includes(folder))) return event
  return { ...event, message: 'code' in event && event.code !== 'unexpected' ? errorCodes[event.code] : 'Sluice failed.' }
}
