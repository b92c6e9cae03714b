import type { Command } from 'commander'
import type { Config } from '../../config/options.ts'
import type { Emit, SluiceEvent } from '../../src/observe/events.ts'
import type { Decision } from '../../src/scheduler/gate.ts'
import type { ConfigOptions } from '../options.ts'
import { counted, type Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { queuesOf } from '../../src/scheduler/queues.ts'
import { eventLine } from '../event-line.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import { withServiceLog, type ServiceLog } from '../service-log.ts'

interface RunOptions extends ConfigOptions {
  readonly once?: boolean
}

export function register(program: Command, io: Io): void {
  const command = program.command('run').option('--once', 'take every file as it stands, send what may go, and exit')
  describe(addJson(addConfig(command)), 'Run the service in the foreground.', [
    ['sluice run', 'until Ctrl-C; one line for everything that happens'],
    ['sluice run --once', 'exits with 0 when all is sent, with 75 when something is held'],
    ['sluice run --config sluice.yaml --json', 'events as JSON lines, for a program'],
  ]).action((options: RunOptions) => (options.once ? once(options, io) : forever(options, io)))
}

async function forever(options: RunOptions, io: Io): Promise<void> {
  if (process.env['NOTIFY_SOCKET'] !== undefined) {
    const { waitAfterFailures } = await import('../../daemon/service/back-off.ts')
    await waitAfterFailures(process.env, io.now, io.signal)
  }
  const [loaded, { runService }, { policyFolder }] = await Promise.all([
    configFor(options), import('../../daemon/run-service.ts'), import('../../config/policy-folder.ts'),
  ])
  const { config } = loaded
  const source = { loaded, policyFolder: policyFolder(), onRequest: (reload: () => void) => io.onHangup(reload) }
  await withServiceLog({ config, to: options.json ? 'json' : 'stderr', io }, async ({ emit, follow }) => {
    await runService({ config, source, emit, signal: io.signal, onConfig: follow })
  })
}

/** What one `run --once` did, in bytes and counts. */
interface Tally {
  readBytes: number
  newBytes: number
  sealedPacks: number
  sealedBytes: number
  sentPacks: number
  sentBytes: number
  /** Capture files and folders that the system let nobody read. */
  unreadable: number
}

async function once(options: RunOptions, io: Io): Promise<void> {
  const { config } = await configFor(options)
  await withServiceLog({ config, to: 'files', io }, async (log) => { await onceWith(config, log, options, io) })
}

async function onceWith(config: Config, log: ServiceLog, options: RunOptions, io: Io): Promise<void> {
  const { runOnce } = await import('../../daemon/run-service.ts')
  const tally: Tally = { readBytes: 0, newBytes: 0, sealedPacks: 0, sealedBytes: 0, sentPacks: 0, sentBytes: 0, unreadable: 0 }
  const progress = io.progress()
  const emit: Emit = (event) => {
    log.emit(event)
    count(tally, event)
    const line = worthSaying(event)
    if (line && !options.json) io.note(line)
  }
  const onProgress = ({ readBytes = 0, sentBytes = 0 }): void => {
    tally.readBytes += readBytes
    tally.sentBytes += sentBytes
    progress.show(`read ${formatBytes(tally.readBytes)}, sent ${formatBytes(tally.sentBytes)}`)
  }
  try {
    const { decisions, backlog, unsettledFiles } = await runOnce({ config, emit, onProgress, signal: io.signal })
    progress.end()
    if (io.signal.aborted) throw new SluiceError('aborted', 'stopped; what was sealed is kept and goes with the next run')
    const held = heldQueues(decisions, config)
    if (unsettledFiles > 0) io.note(`held: ${counted(unsettledFiles, 'file')} changed while being read, or could not be read; the next run takes them`)
    if (tally.unreadable > 0) io.note(`held: ${tally.unreadable === 1 ? 'a file or folder' : `${tally.unreadable} files or folders`} cannot be read; the next run tries again`)
    print(options, io, { ...tally, unsettledFiles }, backlog, held)
    if (held.length > 0 || backlog.packs > 0 || unsettledFiles > 0 || tally.unreadable > 0) io.exit(75)
  } catch (error) {
    progress.end()
    if (!(error instanceof SluiceError) || !error.transient) throw error
    log.fail(error)
    io.note(`held: ${error.message} (${error.code})`)
    io.result(options.json, { version: 1, ...tally, unsettledFiles: 0, backlogPacks: 0, backlogBytes: 0, held: [{ streams: [], reasons: [error.code] }] }, [])
    io.exit(75)
  }
}

function count(tally: Tally, event: SluiceEvent): void {
  if (event.event === 'pack.sealed') {
    tally.sealedPacks++
    tally.sealedBytes += event.packBytes
    tally.newBytes += event.newBytes
  } else if (event.event === 'pack.sent') {
    tally.sentPacks++
  } else if (event.event === 'capture.unreadable') {
    tally.unreadable++
  }
}

/** Events of a single run that the summary does not cover. */
function worthSaying(event: SluiceEvent): string | undefined {
  return /^(pack|send|service)\./.test(event.event) ? undefined : eventLine(event)
}

interface Held {
  readonly streams: readonly string[]
  readonly decision: Decision
}

/** What merely slows is not held. */
function heldQueues(decisions: ReadonlyMap<string, Decision>, config: Config): Held[] {
  // A queue that holds but one stream is named after it.
  const alone = new Set([...decisions.keys()].flatMap((name) => name.split('/').slice(1)))
  return queuesOf(config.streams, alone).flatMap(({ name, streams }) => {
    const decision = decisions.get(name)
    return decision?.send === 'hold' || decision?.prepare === 'hold' ? [{ streams: streams.map((stream) => stream.name), decision }] : []
  })
}

function print({ json }: RunOptions, io: Io, tally: Tally & { readonly unsettledFiles: number }, backlog: { packs: number; bytes: number }, held: readonly Held[]): void {
  const holding = held.flatMap(({ decision }) => decision.reasons.filter(({ level }) => level === 'hold'))
  const reasons = [...new Map(holding.map((reason) => [reason.code, reason])).values()]
  for (const reason of reasons) io.note(`held: ${reason.evidence} (${reason.code})`)
  if (reasons.length > 0) io.note('See: sluice why')
  const shape = {
    version: 1, ...tally, backlogPacks: backlog.packs, backlogBytes: backlog.bytes,
    held: held.map(({ streams, decision }) => ({ streams, reasons: decision.reasons.filter(({ level }) => level === 'hold').map(({ code }) => code) })),
  }
  io.result(json, shape, [
    `read ${formatBytes(tally.readBytes)}, ${formatBytes(tally.newBytes)} of it new`,
    `sealed ${counted(tally.sealedPacks, 'pack')}, ${formatBytes(tally.sealedBytes)}`,
    `sent ${counted(tally.sentPacks, 'pack')}, ${formatBytes(tally.sentBytes)}`,
    ...(backlog.packs > 0 ? [`waiting ${counted(backlog.packs, 'pack')}, ${formatBytes(backlog.bytes)}`] : []),
  ])
}
