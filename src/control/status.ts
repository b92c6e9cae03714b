import type { Config } from '../../config/options.ts'
import type { CapUse } from '../budget/cap.ts'
import type { Forecast } from '../budget/forecast.ts'
import type { NamedNetwork, Settings } from '../journal/settings.ts'
import type { Conditions } from '../scheduler/conditions.ts'
import type { Decision, Fault, PlanUse } from '../scheduler/gate.ts'
import type { JudgeParts } from '../scheduler/judge.ts'
import type { UsedNetwork } from './networks.ts'
import type { WindowState } from '../scheduler/windows.ts'
import { existsSync, statfsSync } from 'node:fs'
import { periodAt } from '../budget/cap.ts'
import { forecast } from '../budget/forecast.ts'
import { Ledger } from '../budget/ledger.ts'
import { capUse } from '../budget/usage.ts'
import { Journal } from '../journal/journal.ts'
import { journalPath } from '../journal/open-state.ts'
import { readSettings } from '../journal/settings.ts'
import { serviceNote } from '../journal/state-lock.ts'
import { Judge } from '../scheduler/judge.ts'
import { windowAt } from '../scheduler/windows.ts'

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
  /** The network that is used now, if the worker named it. */
  readonly network?: NamedNetwork
  readonly pause?: NonNullable<Settings['pause']>
  readonly sendNow?: NonNullable<Settings['sendNow']>
  /** Missing where sending is allowed at any time. */
  readonly window?: WindowState
  /** One decision per group of streams that are sent under the same rules, with what of theirs is packed and waits. */
  readonly queues: readonly QueueStatus[]
  readonly caps: readonly CapStatus[]
  readonly backlog: Amount
  readonly sent: { readonly packs: number; readonly packBytes: number; readonly rawBytes: number; readonly lastAt?: number }
  /** The person's own data plan, where the config names one that pays for this network. */
  readonly plan?: PlanUse
  /** Bytes on the wire since midnight on the worker’s clock, with all that is reserved. */
  readonly today: { readonly usedBytes: number }
}

interface Amount {
  readonly packs: number
  readonly bytes: number
}

export interface QueueStatus {
  readonly streams: readonly string[]
  readonly decision: Decision
  readonly waiting: Amount
}

export interface CapStatus extends CapUse {
  readonly from: 'policy' | 'worker'
  /** What comes of it if bytes are used on as they were. */
  readonly forecast: Forecast
}

/** What a look at a state folder takes besides the folder. */
export interface StatusParts extends Omit<JudgeParts, 'journal' | 'ledger' | 'plan'> {
  /** The person's data plan by what the service counted. */
  readonly plan?: (journal: Journal) => JudgeParts['plan']
  /** The settings to assume, given those that are there. */
  readonly change?: ((settings: Settings) => Settings) | undefined
}

/**
 * Looks at a state folder and the machine as they are now; with `change` as they would be with other settings. The running
 * service is not asked, so this answers also when none runs. Undefined when nothing ever ran on the folder. Throws what
 * opening the journal throws, `settings-damaged`.
 */
export async function readStatus(parts: StatusParts, now: number): Promise<Status | undefined> {
  const path = journalPath(parts.config.stateFolder)
  if (!existsSync(path)) return undefined
  using journal = new Journal(path, 'read')
  return await statusOf({ ...parts, journal, ledger: new Ledger(journal) }, now)
}

/** As `readStatus` with a journal that is open, as in the service itself. */
export async function statusOf(
  { change = (settings) => settings, plan: openPlan, journal, ledger, ...parts }: StatusParts & Pick<JudgeParts, 'journal' | 'ledger'>, now: number,
): Promise<Status> {
  const { config } = parts
  const watch = openPlan?.(journal)
  const judge = new Judge({ ...parts, journal, ledger, ...(watch && { plan: watch }) })
  const settings = change(readSettings(config.stateFolder))
  const conditions = await judge.conditions()
  const running = runningService(config.stateFolder)
  const faults = running ? [...judge.rememberedFaults(), ...fullState(config.stateFolder, now)] : []
  const decisions = judge.decide(now, conditions, settings, faults)
  const { packs, packBytes, rawBytes, lastSentAt } = journal.totals()
  const backlog = new Map(journal.backlog().map(({ queue, packs, bytes }) => [queue, { packs, bytes }]))
  const named = settings.networks.find(({ id }) => id === conditions.network.value.id)
  const { pause, sendNow } = settings
  const plan = watch?.use(now, conditions.network.value.id)
  return {
    version: 1,
    device: config.device,
    destination: config.destination,
    ...(running && { running }),
    conditions,
    ...(named && { network: named }),
    ...(pause && (pause.until === undefined || pause.until > now) && { pause }),
    ...(sendNow && sendNow.until > now && { sendNow }),
    ...(config.windows.length > 0 && { window: windowAt(config.windows, now, config.timeZone) }),
    queues: judge.queuesFor(settings).flatMap(({ name, streams }) => {
      const decision = decisions.get(name)
      const waiting = backlog.get(name) ?? { packs: 0, bytes: 0 }
      return decision ? [{ streams: streams.map((stream) => stream.name), decision, waiting }] : []
    }),
    caps: capStatus(config, settings, ledger, now),
    backlog: journal.waiting(),
    sent: { packs, packBytes, rawBytes, ...(lastSentAt !== undefined && { lastAt: lastSentAt }) },
    ...(plan && plan !== 'unknown' && { plan }),
    today: { usedBytes: ledger.usedSince(periodAt({ per: 'day' }, now, config.timeZone).start) },
  }
}

/** Every cap with its use under these settings; undefined when nothing ever ran on the folder. Throws as `readStatus` does. */
export function readCaps(config: Config, settings: Settings, now: number): readonly CapStatus[] | undefined {
  const path = journalPath(config.stateFolder)
  if (!existsSync(path)) return undefined
  using journal = new Journal(path, 'read')
  return capStatus(config, settings, new Ledger(journal), now)
}

/**
 * The networks that bytes went over, with those of this calendar month; none before anything ran on the folder. Throws as
 * `readStatus` does.
 */
export function readNetworks(config: Config, now: number): UsedNetwork[] {
  const path = journalPath(config.stateFolder)
  if (!existsSync(path)) return []
  using journal = new Journal(path, 'read')
  return usedNetworks(config, new Ledger(journal), now)
}

/** As `readNetworks` with a ledger that is open. */
export function usedNetworks(config: Config, ledger: Ledger, now: number): UsedNetwork[] {
  const { start } = periodAt({ per: 'month' }, now, config.timeZone)
  return ledger.networks().map(({ id, lastAt }) => ({ id, lastAt, monthBytes: ledger.usedSince(start, { network: id }) }))
}

/** As `readCaps` with a ledger that is open. */
export function capStatus(config: Config, settings: Settings, ledger: Ledger, now: number): CapStatus[] {
  const ids = new Map(settings.networks.map(({ name, id }) => [name, id]))
  const all = [
    ...config.caps.map((cap) => ({ cap, from: 'policy' as const })),
    ...settings.caps.map((cap) => ({ cap, from: 'worker' as const })),
  ]
  return all.map(({ cap, from }) => {
    const use = capUse(cap, now, config.timeZone, ledger, ids)
    return { ...use, from, forecast: forecast(use, now) }
  })
}

/** The service of a state folder as it wrote itself down, if its process is alive. */
export function runningService(stateFolder: string): Status['running'] {
  const note = serviceNote(stateFolder)
  return note && isAlive(note.pid) ? note : undefined
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
