import type { Codec } from '../compress/codec.ts'
import type { Destination, PackName } from '../transfer/destination.ts'
import type { ReadPack } from './read-pack.ts'
import { SluiceError } from '../observe/error.ts'
import { packFileName } from '../transfer/destination.ts'
import { DeviceLog, placeProblem } from './device-log.ts'
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
}

export interface ReadLogOptions {
  readonly destination: Destination
  readonly device: string
  readonly zstd: Codec
  /** Decode every block and check every chunk too. Without it the packs, the chain and the references are checked. */
  readonly content: boolean
  readonly signal?: AbortSignal
  /** Called after each pack, with what it holds unless it is damaged. */
  readonly onPack?: (progress: { readonly done: number; readonly of: number; readonly pack: ReadPack | undefined }) => void
}

/** Reads a whole device log and names everything that is wrong with it. Throws only when the destination fails. */
export async function readLog(options: ReadLogOptions): Promise<LogContent> {
  const { destination, device, zstd, content, signal, onPack } = options
  const names = await destination.list(device)
  const log = new DeviceLog((name) => destination.open(name), zstd)
  const versions = new Versions()
  const problems: LogProblem[] = []
  let packBytes = 0
  for (const [index, name] of names.entries()) {
    if (signal?.aborted) throw new SluiceError('aborted', 'reading the device log was stopped')
    const pack = await readOne(log, versions, name, content, problems)
    // A pack that cannot be read still tells by its name what is missing before it.
    const misplaced = pack ? undefined : placeProblem(names[index - 1], name)
    if (misplaced) problems.push({ pack: packFileName(name), error: misplaced })
    packBytes += pack?.header.bodyBytes ?? 0
    onPack?.({ done: index + 1, of: names.length, pack })
  }
  return { log, versions, packs: names.length, packBytes, problems }
}

async function readOne(log: DeviceLog, versions: Versions, name: PackName, content: boolean, problems: LogProblem[]): Promise<ReadPack | undefined> {
  const where = packFileName(name)
  const report = (error: SluiceError): void => void problems.push({ pack: where, error })
  try {
    const { pack, segments, problems: found } = await log.add(name)
    found.forEach(report)
    for (const segment of segments) {
      const problem = versions.add(segment, where)
      if (problem) report(problem)
    }
    if (content) await log.verifyContent(pack)
    return pack
  } catch (error) {
    if (!(error instanceof SluiceError) || !['pack-invalid', 'log-gap'].includes(error.code)) throw error
    report(error)
    return undefined
  }
}
