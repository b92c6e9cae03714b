import type { Config } from '../../config/options.ts'
import type { Emit } from '../observe/events.ts'
import type { Codec } from '../compress/codec.ts'
import type { Destination } from '../transfer/destination.ts'
import type { Disk } from './disk.ts'
import { dirname, join } from 'node:path'
import { Ledger } from '../budget/ledger.ts'
import { SluiceError, systemCode } from '../observe/error.ts'
import { toHex } from '../pack/sha256.ts'
import { queuesOf, setApart, strictestQueue } from '../scheduler/queues.ts'
import { keepAside, putAside, readAside } from './aside.ts'
import { Journal, type PackRow } from './journal.ts'
import { Lineages } from './lineages.ts'
import { rebuild } from './rebuild.ts'
import { readSettings } from './settings.ts'
import { Spool } from './spool.ts'

/** What lives in a state folder, opened by the one service that may write it. */
export interface State {
  readonly journal: Journal
  readonly ledger: Ledger
  readonly spool: Spool
  readonly lineages: Lineages
  /** The journal was made anew, and knows only what destination, spool and the old ledger could tell. */
  readonly isNew: boolean
}

export interface OpenStateOptions {
  readonly config: Config
  readonly destination: Destination
  readonly zstd: Codec
  readonly disk: Disk
  readonly now: () => number
  readonly emit: Emit
  /** Ends a rebuild. */
  readonly signal?: AbortSignal
}

export const journalPath = (stateFolder: string): string => join(stateFolder, 'journal.sqlite')

const spoolName = 'spool'

/**
 * Opens the state of a service that holds the folder's lock. A journal that is missing or damaged is rebuilt from what
 * can be read of it, the spool and a destination that is read without a network; packs whose bodies the spool has lost are dropped, and what they
 * captured is taken again. Events say so. Leftovers in the spool are swept. Throws `state-other-destination`,
 * `state-newer`, `state-full`, `state-unusable`, and when a rebuild reads the destination its errors, and `aborted`.
 */
export async function openState(options: OpenStateOptions): Promise<State> {
  const { config, disk, emit } = options
  const path = journalPath(config.stateFolder)
  const spool = new Spool(join(config.stateFolder, spoolName), disk)
  const sound = await openSound(path, disk)
  const journal = sound ?? (await rebuilt(options, path, spool))
  checkOwner(journal, config, path)
  await keepAside(path, disk, options.now())
  await dropLost(journal, spool, emit)
  const swept = await spool.sweep(new Set(journal.unsent().map((pack) => toHex(pack.bodyHash))))
  if (swept.files > 0) emit({ event: 'spool.swept', ...swept })
  const lineages = new Lineages(join(config.stateFolder, 'lineages'), disk)
  if (config.recipients) await lineages.clear()
  return { journal, ledger: new Ledger(journal), spool, lineages, isNew: sound === undefined }
}

/** The journal if it is there and sound; a damaged one is put aside under another name. */
async function openSound(path: string, disk: Disk): Promise<Journal | undefined> {
  if ((await disk.size(path)) === undefined) return undefined
  try {
    const journal = new Journal(path)
    if (journal.meta('device') !== undefined) return journal
    // A journal is named as ours before it comes to its place: this one is empty, or somebody else's.
    journal[Symbol.dispose]()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'journal-damaged') throw error
  }
  await putAside(path, disk)
  return undefined
}

/** Only the destination knows whether it has a stamped pack: the sender asks, and one that it has not is found at the next start. */
async function dropLost(journal: Journal, spool: Spool, emit: Emit): Promise<void> {
  const lost: PackRow[] = []
  for (const pack of journal.unsent()) {
    if (pack.state === 'sealed' && !(await spool.holds(pack.bodyHash, pack.bodyBytes))) lost.push(pack)
  }
  if (lost.length === 0) return
  const dropped = journal.dropLost(lost)
  emit({ event: 'spool.lost', packs: dropped.length, packBytes: dropped.reduce((sum, { bodyBytes }) => sum + bodyBytes, 0) })
}

/** As much as the largest cap, so that whatever was used no cap is overspent. */
function mostUse({ caps, stateFolder }: Config): number {
  let worker: Config['caps'] = []
  try {
    worker = readSettings(stateFolder).caps
  } catch (error) {
    // Everything is held until somebody mends them.
    if (!(error instanceof SluiceError)) throw error
  }
  return Math.max(0, ...[...caps, ...worker].map(({ limitBytes }) => limitBytes))
}

/** Builds a new journal beside its place and moves it there when it is complete. */
async function rebuilt(options: OpenStateOptions, path: string, spool: Spool): Promise<Journal> {
  const { config, destination, zstd, disk, emit, signal } = options
  const draft = `${path}.new`
  for (const suffix of ['', '-wal', '-shm']) await disk.remove(`${draft}${suffix}`)
  try {
    using journal = new Journal(draft)
    const queues = queuesOf(config.streams, setApart(config))
    const queueOf = (stream: string): string => queues.find((queue) => queue.streams.some(({ name }) => name === stream))?.name ?? strictestQueue
    const salvage = await readAside(path, disk)
    // The spool's folder stays when it is empty: where it is, a journal was.
    const isNew = !salvage && !(await disk.list(dirname(path))).includes(spoolName)
    const report = await rebuild({
      journal, ledger: new Ledger(journal), spool, destination, device: config.device, streams: config.streams, queueOf, zstd,
      salvage, unknownUseBytes: isNew ? 0 : mostUse(config), now: options.now,
      ...(signal && { signal }),
    })
    journal.setMeta('device', config.device)
    journal.setMeta('destination', destination.url)
    if (!isNew || report.packsFromDestination > 0) emit({ event: 'journal.rebuilt', ...report })
  } catch (error) {
    if (systemCode(error) !== 'ENOSPC') throw error
    throw new SluiceError('state-full', `the disk that holds ${path} is full: free some space`, { transient: true, cause: error })
  }
  // The log of a journal that was lost without it: SQLite would play it into the new one.
  for (const suffix of ['-wal', '-shm']) await disk.remove(`${path}${suffix}`)
  await disk.syncFolder(join(path, '..'))
  await disk.rename(draft, path)
  await disk.syncFolder(join(path, '..'))
  return new Journal(path)
}

function checkOwner(journal: Journal, config: Config, path: string): void {
  const [device, destination] = [journal.meta('device'), journal.meta('destination')]
  if (device === config.device && destination === config.destination) return
  journal[Symbol.dispose]()
  throw new SluiceError(
    'state-other-destination',
    `${path} belongs to device ${device} at ${destination}, the config says ${config.device} at ${config.destination}. ` +
      'Let it send its backlog with the old config, then set another `state` folder in the new one.',
  )
}
