import type { CapUse } from '../budget/cap.ts'
import type { Conditions, NetworkClass } from './conditions.ts'
import type { FaultCode, Holds, ReasonCode } from './reasons.ts'
import type { WindowState } from './windows.ts'
import { grant } from '../budget/cap.ts'
import { budgetFindings } from './budget-findings.ts'
import { networkFindings } from './network-findings.ts'
import { powerFindings } from './power-findings.ts'
import { reasonOrder, reasons, yieldsToSendNow } from './reasons.ts'

/** How much a lane may do: all it can, a little, or nothing. */
export type Level = 'full' | 'trickle' | 'hold'

/** What to do about something that speaks against sending. */
export type Answer = 'hold' | 'trickle' | 'send'

/** What IT sets about power and network; the same keys as in the config. */
export interface GatePolicy {
  readonly power: {
    /** On battery, send only while the charge is above this. */
    readonly sendAboveBatteryPercent: number
    /** On battery, at or below this charge everything stops. */
    readonly lowBatteryPercent: number
    readonly onPowerSaver: Answer
    readonly onUnknown: Answer
  }
  readonly network: {
    /** What a network of unknown cost counts as. */
    readonly onUnknown: NetworkClass
    readonly onMetered: Answer
  }
  /** Whom IT spares. */
  readonly exemptions: readonly Exemption[]
}

export interface Exemption {
  /** `limited-line`: only networks known to be free. `no-charger`: nothing on battery. `sensitive-work`: nothing at all. */
  readonly because: 'limited-line' | 'no-charger' | 'sensitive-work'
  /** Names of the streams that it spares; all when missing. */
  readonly streams?: readonly string[]
  readonly until?: number
}

/** Something a part of the machinery reports: it cannot go on, and why. */
export interface Fault {
  readonly code: FaultCode
  readonly since: number
  /** When it is tried again by itself. */
  readonly until?: number
  /** One line of facts for the person; no content, no names of capture files. */
  readonly evidence: string
}

/** What is left of the person's whole data plan, by the machine's own counters. */
export interface PlanUse {
  readonly limitBytes: number
  readonly usedBytes: number
  /** Kept for the person: less than this left, and nothing is sent. */
  readonly keepBytes: number
  readonly end: number
}

/** The streams that a decision is for: they are sent under the same rules. */
export interface GateQueue {
  readonly streams: readonly string[]
  /** Network classes on which they may be sent; undefined: whatever the rest allows. */
  readonly networks?: readonly NetworkClass[] | undefined
  /** The worker turned them off, and when. */
  readonly offSince?: number | undefined
}

export interface GateInput {
  readonly now: number
  readonly conditions: Conditions
  readonly queue: GateQueue
  /** The worker's pause; over once `now` reaches `until`. */
  readonly pause?: { readonly since: number, readonly until?: number } | undefined
  /** The worker asked to send what waits, whatever is merely inconvenient; over once `now` reaches `until`. */
  readonly sendNow?: { readonly since: number, readonly until: number } | undefined
  readonly policy: GatePolicy
  /** Whether sending is allowed at this time of day; missing: always. */
  readonly window?: WindowState | undefined
  /** Fewest bytes worth sending: a cap that leaves less is used up. Default 1. */
  readonly leastBytes?: number | undefined
  /** The caps that count for this queue on this network. */
  readonly caps: readonly CapUse[]
  readonly plan?: PlanUse | 'unknown' | undefined
  readonly faults: readonly Fault[]
  /** The last decision for this queue: keeps `since`, and thresholds from flapping. */
  readonly previous?: Decision | undefined
}

/** Why a lane is held, or slowed. */
export interface Reason {
  readonly code: ReasonCode
  readonly holds: Holds
  /** What the reason leaves of the lanes it names. */
  readonly level: Exclude<Level, 'full'>
  readonly since: number
  /** When it ends by itself, where that is known; later than `now`. */
  readonly until?: number
  /** What was seen and what would be needed, as `battery 32 % (sysfs, 2 s ago), sending needs more than 40 %`. */
  readonly evidence: string
}

export interface Decision {
  readonly prepare: Level
  readonly send: Level
  /** Every reason that applies, gravest first. */
  readonly reasons: readonly Reason[]
  /** Reasons that apply and do not count, because the worker asked to send now. */
  readonly setAside: readonly Reason[]
  /** Bytes that the tightest cap leaves; Infinity without caps. */
  readonly maxBytes: number
  /** Earliest time after `now` at which this can change by itself. */
  readonly changesAt?: number
}

/** A reason before it knows since when it holds. */
export interface Finding {
  readonly code: ReasonCode
  /** Default: hold. */
  readonly level?: Exclude<Level, 'full'>
  readonly evidence: string
  readonly since?: number
  readonly until?: number | undefined
}

/** How much may be prepared and sent now, how many bytes, and every reason against more. Pure. */
export function decide(input: GateInput): Decision {
  const { now, sendNow } = input
  const asked = sendNow !== undefined && sendNow.since <= now && sendNow.until > now
  const found = [
    ...workerFindings(input), ...exemptionFindings(input), ...input.faults, ...powerFindings(input), ...budgetFindings(input),
    ...networkFindings(input), ...windowFindings(input),
  ].map((finding) => toReason(input, finding)).sort(bySeverity)
  const counts = found.filter((reason) => !asked || !yieldsToSendNow(reason.code))
  const setAside = found.filter((reason) => !counts.includes(reason))
  const changes = [...found.map((reason) => reason.until), ...input.caps.map((cap) => cap.end), input.window?.changesAt, asked ? sendNow.until : undefined]
    .filter((time) => time !== undefined && Number.isFinite(time) && time > now)
  return {
    prepare: levelOf(counts, 'send'),
    send: levelOf(counts, 'prepare'),
    reasons: counts,
    setAside,
    // What a person asked to send now may use all that is left: each day's share of it is a comfort.
    maxBytes: grant(Infinity, input.caps, asked),
    ...(changes.length > 0 && { changesAt: Math.min(...changes as number[]) }),
  }
}

/** The strictest level of the reasons that are not only for the other lane. */
function levelOf(found: readonly Reason[], otherLane: Holds): Level {
  const levels = found.filter((reason) => reason.holds !== otherLane).map((reason) => reason.level)
  if (levels.includes('hold')) return 'hold'
  return levels.includes('trickle') ? 'trickle' : 'full'
}

function toReason({ now, previous }: GateInput, finding: Finding): Reason {
  const before = [...previous?.reasons ?? [], ...previous?.setAside ?? []].find((reason) => reason.code === finding.code)
  return {
    code: finding.code,
    holds: reasons[finding.code].holds,
    level: finding.level ?? 'hold',
    since: Math.min(finding.since ?? before?.since ?? now, now),
    ...(finding.until !== undefined && finding.until > now && Number.isFinite(finding.until) && { until: finding.until }),
    evidence: finding.evidence,
  }
}

/** By code; several of one code by what tells them apart, so that the order of the input never shows. */
function bySeverity(a: Reason, b: Reason): number {
  return reasonOrder.indexOf(a.code) - reasonOrder.indexOf(b.code)
    || (a.until ?? Infinity) - (b.until ?? Infinity)
    || a.since - b.since
    || (a.evidence < b.evidence ? -1 : Number(a.evidence > b.evidence))
}

/** What the worker decided. */
function workerFindings({ now, pause, queue }: GateInput): Finding[] {
  const found: Finding[] = []
  if (pause && (pause.until === undefined || pause.until > now)) {
    const evidence = pause.until === undefined ? 'paused until you resume' : 'paused for a time'
    found.push({ code: 'paused', evidence, since: pause.since, until: pause.until })
  }
  if (queue.offSince !== undefined) {
    found.push({ code: 'stream-off', evidence: `${queue.streams.join(', ') || 'these streams'}: turned off by you`, since: queue.offSince })
  }
  return found
}

function exemptionFindings({ now, conditions, policy, queue }: GateInput): Finding[] {
  const { power, network } = conditions
  return policy.exemptions.flatMap(({ because, streams, until }): Finding[] => {
    if (until !== undefined && until <= now) return []
    // Streams of one queue share packs: what spares one of them spares all.
    if (streams && !queue.streams.some((stream) => streams.includes(stream))) return []
    switch (because) {
      case 'sensitive-work':
        return [{ code: 'exempt-work', evidence: 'exempted by policy: sensitive work', until }]
      case 'no-charger':
        return power.value.supply === 'mains' && !power.value.weakCharger ? [] : [{ code: 'exempt-charger', evidence: 'exempted by policy: no charger', until }]
      case 'limited-line':
        return network.value.cost === 'free' ? [] : [{ code: 'exempt-line', evidence: 'exempted by policy: limited line', until }]
    }
  })
}

function windowFindings({ window }: GateInput): Finding[] {
  return !window || window.isOpen ? [] : [{ code: 'outside-window', evidence: 'outside the times that the config allows', until: window.changesAt }]
}
