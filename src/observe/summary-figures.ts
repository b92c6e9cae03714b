import type { Config } from '../../config/options.ts'
import type { Ledger } from '../budget/ledger.ts'
import type { Journal } from '../journal/journal.ts'
import type { Settings } from '../journal/settings.ts'
import type { Decisions, Reserved } from '../scheduler/judge.ts'
import type { ReasonCode } from '../scheduler/reasons.ts'
import type { EventOf } from './events.ts'
import type { Counters } from './summary.ts'
import { forecast } from '../budget/forecast.ts'
import { capUse } from '../budget/usage.ts'
import { networkIds } from '../scheduler/judge.ts'
import { publicCap, publicReason } from './for-it.ts'

type Summary = EventOf<'upload.summary'>

/** How things stand at one moment; fields as in `upload.summary`, reasons and caps as IT reads them. */
export type Standing = Pick<Summary, 'backlogBytes' | 'backlogPacks' | 'heldBytes' | 'caps'> & {
  /** When the oldest pack that waits was sealed. */
  readonly oldestAt?: number
  readonly lastSentAt?: number
  /** By reason for which anything is held, with or without packs. */
  readonly reasons: readonly string[]
}

export interface FigureSources {
  readonly config: Config
  readonly journal: Journal
  readonly ledger: Pick<Ledger, 'usedSince' | 'oldestSince'>
  /** What is set aside for the transfer under way and has not gone out. */
  readonly reserved: () => Reserved | undefined
  readonly decisions: () => Decisions
  readonly settings: () => Settings
}

type PackCounters = Omit<Counters, 'sentBytes'>

const noPacks: PackCounters = { capturedBytes: 0, newBytes: 0, packedBytes: 0, sentPackBytes: 0, packs: 0 }

/** Reads what summaries and metrics tell out of journal, ledger and decisions. Throws what the journal throws. */
export class Figures {
  readonly #sources: FigureSources
  /** Packs up to this number have arrived, and stay as they are. */
  #arrived = { id: 0, counters: noPacks }
  /** Of a transfer under way the kernel may say later that less went out. A total that goes back is read as one that began at 0. */
  #sentBytes = 0

  constructor(sources: FigureSources) {
    this.#sources = sources
  }

  counters(): Counters {
    const { journal: { db }, ledger, reserved } = this.#sources
    const packs = this.#sources.journal.guarded(() => {
      const since = db.prepare(`SELECT coalesce(sum(raw_bytes), 0) AS capturedBytes, coalesce(sum(new_bytes), 0) AS newBytes,
        coalesce(sum(body_bytes), 0) AS packedBytes, coalesce(sum(body_bytes) FILTER (WHERE state = 'sent'), 0) AS sentPackBytes,
        count(*) FILTER (WHERE state = 'sent') AS packs, coalesce(max(id), 0) AS last,
        coalesce(min(id) FILTER (WHERE state <> 'sent'), 0) AS waiting FROM pack WHERE id > ?`).get(this.#arrived.id)
      const { last = 0, waiting = 0, ...found } = since as Record<string, number>
      const all = plus(this.#arrived.counters, found as unknown as PackCounters)
      if (waiting === 0 && last > 0) this.#arrived = { id: last, counters: all }
      return all
    })
    this.#sentBytes = Math.max(this.#sentBytes, ledger.usedSince(0, {}) - (reserved()?.bytes ?? 0))
    return { ...packs, sentBytes: this.#sentBytes }
  }

  standing(now: number): Standing {
    const { journal, decisions } = this.#sources
    const backlog = journal.backlog()
    const { oldest, last } = journal.guarded(() => journal.db.prepare(`SELECT
      (SELECT min(sealed_at) FROM pack WHERE state IN ('sealed', 'stamped')) AS oldest,
      (SELECT sent_at FROM pack WHERE seq = ?) AS last`).get(journal.head()?.seq ?? 0)) ?? {}
    const heldBytes: Record<string, number> = {}
    const reasons = new Set<string>()
    for (const [queue, decision] of decisions()) {
      const holding = decision.reasons.filter(({ level }) => level === 'hold')
      const bytes = backlog.find((one) => one.queue === queue)?.bytes ?? 0
      for (const code of namesOf(holding)) reasons.add(code)
      const keeping = bytes === 0 ? [] : namesOf(holding.filter(({ holds }) => holds !== 'prepare'))
      for (const code of keeping) heldBytes[code] = (heldBytes[code] ?? 0) + bytes
    }
    return {
      backlogBytes: backlog.reduce((sum, { bytes }) => sum + bytes, 0),
      backlogPacks: backlog.reduce((sum, { packs }) => sum + packs, 0),
      heldBytes, reasons: [...reasons].sort(), caps: this.#caps(now),
      ...(oldest != null && { oldestAt: Number(oldest) }),
      ...(last != null && { lastSentAt: Number(last) }),
    }
  }

  #caps(now: number): Standing['caps'] {
    const { config, ledger } = this.#sources
    const settings = this.#sources.settings()
    const ids = networkIds(settings)
    return [...config.caps, ...settings.caps].map((cap) => {
      const use = capUse(cap, now, config.timeZone, ledger, ids)
      return { cap: publicCap(cap.id), limitBytes: cap.limitBytes, usedBytes: use.usedBytes, atRisk: forecast(use, now).exhaustedAt !== undefined }
    })
  }
}

function namesOf(reasons: readonly { readonly code: ReasonCode }[]): Set<string> {
  return new Set(reasons.map(({ code }) => publicReason(code)))
}

function plus(a: PackCounters, b: PackCounters): PackCounters {
  return {
    capturedBytes: a.capturedBytes + b.capturedBytes, newBytes: a.newBytes + b.newBytes, packedBytes: a.packedBytes + b.packedBytes,
    sentPackBytes: a.sentPackBytes + b.sentPackBytes, packs: a.packs + b.packs,
  }
}
