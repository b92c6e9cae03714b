import type { Codec } from '../compress/codec.ts'
import type { Destination, PackName } from '../transfer/destination.ts'
import type { Unlock } from './identities.ts'
import type { ReadPack } from './read-pack.ts'
import { SluiceError } from '../observe/error.ts'
import { packFileName } from '../transfer/destination.ts'
import { DeviceLog, placeProblem, type Taken } from './device-log.ts'
import { Versions } from './versions.ts'

export interface LogProblem {
  readonly pack: string
  readonly error: SluiceError
}

/** A device log that was read from end to end. */
export interface LogContent {
  readonly log: DeviceLog
  readonly versions: Versions
  readonly packs: number
  readonly packBytes: number
  readonly problems: readonly LogProblem[]
  /** Encrypted packs that nothing opened: `identity-missing`. Their places in the log and hashes were checked all the same. */
  readonly closed: readonly LogProblem[]
}

export interface ReadLogOptions {
  readonly destination: Destination
  readonly device: string
  readonly zstd: Codec
  /** Decode every block and check every chunk too. Without it the packs, the chain and the references are checked. */
  readonly content: boolean
  /** Opens encrypted packs. */
  readonly unlock?: Unlock
  readonly signal?: AbortSignal
  /** Called after each pack, with its header unless it is damaged, and with what it holds unless it is closed as well. */
  readonly onPack?: (progress: {
    readonly done: number
    readonly of: number
    readonly header: ReadPack['header'] | undefined
    readonly pack: ReadPack | undefined
  }) => void
}

/** Reads a whole device log and names everything that is wrong with it. Throws only when the destination fails. */
export async function readLog(options: ReadLogOptions): Promise<LogContent> {
  const { destination, device, zstd, content, unlock, signal, onPack } = options
  const names = await destination.list(device)
  const log = new DeviceLog((name) => destination.open(name), zstd, unlock)
  const versions = new Versions()
  const problems: LogProblem[] = []
  const closed: LogProblem[] = []
  let packBytes = 0
  for (const [index, name] of names.entries()) {
    if (signal?.aborted) throw new SluiceError('aborted', 'reading the device log was stopped')
    const taken = await readOne(log, versions, name, content, { problems, closed })
    // A pack that cannot be read still tells by its name what is missing before it.
    const misplaced = taken ? undefined : placeProblem(names[index - 1], name)
    if (misplaced) problems.push({ pack: packFileName(name), error: misplaced })
    packBytes += taken?.header.bodyBytes ?? 0
    onPack?.({ done: index + 1, of: names.length, header: taken?.header, pack: taken?.pack })
  }
  return { log, versions, packs: names.length, packBytes, problems, closed }
}

async function readOne(log: DeviceLog, versions: Versions, name: PackName, content: boolean, found: Record<'problems' | 'closed', LogProblem[]>): Promise<Pick<Taken, 'header' | 'pack'> | undefined> {
  const where = packFileName(name)
  const report = (error: SluiceError): void => void found.problems.push({ pack: where, error })
  try {
    const taken = await log.add(name)
    const { pack, closed, segments, problems } = taken
    problems.forEach(report)
    if (closed) found.closed.push({ pack: where, error: closed })
    for (const segment of segments) {
      const problem = versions.add(segment, where)
      // What a file lacks may stand in a pack that is closed.
      if (problem && found.closed.length === 0) report(problem)
    }
    if (content && pack) await log.verifyContent(pack)
    return taken
  } catch (error) {
    if (!(error instanceof SluiceError) || !['pack-invalid', 'log-gap'].includes(error.code)) throw error
    report(error)
    return undefined
  }
}
