import type { Config } from '../../config/options.ts'
import type { CapUse } from '../budget/cap.ts'
import type { Conditions } from '../scheduler/conditions.ts'
import type { Decision, Fault } from '../scheduler/gate.ts'
import type { Sensors } from '../scheduler/judge.ts'
import { existsSync, statfsSync } from 'node:fs'
import { Ledger } from '../budget/ledger.ts'
import { Journal } from '../journal/journal.ts'
import { journalPath } from '../journal/open-state.ts'
import { readSettings } from '../journal/settings.ts'
import { serviceNote } from '../journal/state-lock.ts'
import { Judge } from '../scheduler/judge.ts'

/** With less than this the journal cannot take a pack in: a transaction writes some pages of 4 KiB. */
const leastFreeBytes = 64 << 10

/** What `status` and `why` show; the shape of `status --json` (version 1). Sizes are bytes, times milliseconds since the epoch. */
export interface Status {
  readonly version: 1
  readonly device: string
  readonly destination: string
  /** The service of this state folder, if one runs. */
  readonly running?: { readonly pid: number; readonly startedAt: number }
  readonly conditions: Conditions
  /** One decision per group of streams that are sent under the same rules. */
  readonly queues: readonly { readonly streams: readonly string[]; readonly decision: Decision }[]
  readonly caps: readonly CapUse[]
  readonly backlog: { readonly packs: number; readonly bytes: number }
  readonly sent: { readonly packs: number; readonly packBytes: number; readonly rawBytes: number; readonly lastAt?: number }
}

/**
 * Looks at a state folder and the machine as they are now. The running service is not asked, so this answers also when
 * none runs. Undefined when nothing ever ran on the folder. Throws what opening the journal throws, `settings-damaged`.
 */
export async function readStatus(config: Config, sensors: Sensors, now: number): Promise<Status | undefined> {
  const path = journalPath(config.stateFolder)
  if (!existsSync(path)) return undefined
  using journal = new Journal(path, 'read')
  const ledger = new Ledger(journal.db)
  const judge = new Judge({ config, journal, ledger, sensors })
  const settings = readSettings(config.stateFolder)
  const conditions = await judge.conditions()
  const note = serviceNote(config.stateFolder)
  const running = note && isAlive(note.pid) ? note : undefined
  const decisions = judge.decide(now, conditions, settings, running ? [...judge.rememberedFaults(), ...fullState(config.stateFolder, now)] : [])
  const { packs, packBytes, rawBytes, lastSentAt } = journal.totals()
  return {
    version: 1,
    device: config.device,
    destination: config.destination,
    ...(running && { running }),
    conditions,
    queues: judge.queues.flatMap(({ name, streams }) => {
      const decision = decisions.get(name)
      return decision ? [{ streams: streams.map((stream) => stream.name), decision }] : []
    }),
    caps: [...config.caps, ...settings.caps].map((cap) => ledger.use(cap, now, config.timeZone)),
    backlog: journal.waiting(),
    sent: { packs, packBytes, rawBytes, ...(lastSentAt !== undefined && { lastAt: lastSentAt }) },
  }
}

/** On a full disk the service cannot write down that it is full, so this looks for itself. */
function fullState(stateFolder: string, now: number): Fault[] {
  const { bavail, bsize } = statfsSync(stateFolder)
  const freeBytes = bavail * bsize
  return freeBytes < leastFreeBytes ? [{ code: 'state-full', since: now, evidence: `${freeBytes} bytes left on the disk that holds ${stateFolder}` }] : []
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
