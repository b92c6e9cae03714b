import type { Config } from '../config/options.ts'
import type { Emit, EventOf } from '../src/observe/events.ts'
import type { Log, LogOptions } from '../src/observe/log/log.ts'
import type { Io } from './output.ts'
import { fstatSync } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { SluiceError } from '../src/observe/error.ts'
import { failureOf } from '../src/observe/failure.ts'
import { eventLine } from './event-line.ts'
import { exitCodeOf } from './exit-code.ts'
import { programVersion } from '../daemon/version.ts'

interface ServiceLogOptions {
  readonly config: Config
  /** `files`: only into `log.folder`. */
  readonly to: 'json' | 'stderr' | 'files'
  readonly io: Io
}

export interface ServiceLog {
  readonly emit: Emit
  /** stderr holds lines as IT reads them, and nothing else. */
  readonly isForIt: boolean
  /** Writes what ends the service, before it returns. */
  fail(error: unknown): EventOf<'service.failed'>
  /** Goes on as another config says. */
  readonly follow: (config: Config) => Promise<void>
  close(): void
}

/**
 * What `sluice run` writes: with `--json` every event on stdout; on a terminal sentences for the person, who sees their own
 * pause; elsewhere lines as IT reads them, on stderr. And lines in `log.folder` in any case.
 */
async function openServiceLog({ config, to, io }: ServiceLogOptions): Promise<ServiceLog> {
  const isForPerson = to === 'stderr' && process.stderr.isTTY
  const opened = async (next: Config): Promise<Log | undefined> => {
    const outputs = isForPerson || to === 'files' ? [] : [await streamFor(to, next)]
    return outputs.length > 0 || next.log.folder !== undefined ? await open(next, outputs, io) : undefined
  }
  let current = config
  let log = await opened(config)
  const emit: Emit = (event) => {
    if (isForPerson) io.log(eventLine(event, io.now()))
    log?.emit(event)
  }
  return {
    emit,
    isForIt: to === 'stderr' && !isForPerson,
    fail(error) {
      const event = failureOf(error)
      log?.emit(event)
      return event
    },
    follow: async (next) => {
      const [before, after] = [current, next].map((each) => [each.log, each.streams.map(({ folder }) => folder)])
      current = next
      if (isDeepStrictEqual(before, after)) return
      const old = log
      log = await opened(next)
      old?.close()
    },
    close: () => log?.close(),
  }
}

async function streamFor(to: 'json' | 'stderr', { log }: Config): Promise<LogOptions['outputs'][number]> {
  const { isJournal, streamOutput } = await import('../src/observe/log/stream-output.ts')
  if (to === 'json') return { output: streamOutput(process.stdout), level: 'debug' }
  const prioritized = isJournal(process.env['JOURNAL_STREAM'], fstatSync(process.stderr.fd))
  return { output: streamOutput(process.stderr, prioritized), level: log.level }
}

async function open({ device, log: { folder, level, format, maxBytes, keep }, streams }: Config, outputs: LogOptions['outputs'], io: Io): Promise<Log> {
  const { openLog } = await import('../src/observe/log/log.ts')
  return await openLog({
    device, version: programVersion(), format, now: io.now, outputs,
    captureFolders: streams.map((stream) => stream.folder),
    ...(folder !== undefined && { files: { folder, maxBytes, keep, level, monotonic: () => performance.now() } }),
  })
}

/**
 * Does `work` with a log. What ends it is written before this throws; where stderr is the log, it is not said there again in other
 * words. What nobody caught, a promise that nobody awaited included, is written before the process ends with 1.
 */
export async function withServiceLog(options: ServiceLogOptions, work: (log: ServiceLog) => Promise<void>): Promise<void> {
  const { io } = options
  const log = await openServiceLog(options)
  const crash = (error: unknown): void => {
    const { message } = log.fail(error)
    if (!log.isForIt) io.note(`sluice: ${message} (this should not happen; SLUICE_DEBUG=1 shows where it did)`)
    if (process.env['SLUICE_DEBUG']) io.log(error instanceof Error ? error.stack ?? String(error) : String(error))
    process.exit(1)
  }
  process.on('uncaughtException', crash)
  try {
    await work(log)
  } catch (error) {
    if (error instanceof SluiceError && error.code === 'aborted') throw error
    const { code } = log.fail(error)
    if (!log.isForIt) throw error
    io.exit(exitCodeOf(code))
  } finally {
    process.off('uncaughtException', crash)
    log.close()
  }
}
