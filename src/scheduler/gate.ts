import { formatBytes } from '../../config/units.ts'
import { grant } from '../budget/cap.ts'
import type { CapUse } from '../budget/cap.ts'
import type { Conditions } from './conditions.ts'
import { reasonOrder, reasons } from './reasons.ts'
import type { FaultCode, Holds, ReasonCode } from './reasons.ts'
import { ageInWords } from './words.ts'

/** What IT sets about power and network; the same keys as in the config. */
export interface GatePolicy {
  readonly power: {
    /** On battery, send only while the charge is above this. */
    readonly sendAboveBatteryPercent: number
    /** On battery, at or below this charge everything stops. */
    readonly lowBatteryPercent: number
    readonly onPowerSaver: 'hold' | 'send'
    readonly onUnknown: 'hold' | 'send'
  }
  readonly network: {
    /** What a network of unknown cost counts as. */
    readonly onUnknown: 'metered' | 'free'
    readonly onMetered: 'hold' | 'send'
  }
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

export interface GateInput {
  readonly now: number
  readonly conditions: Conditions
  /** The worker's pause; over once `now` reaches `until`. */
  readonly pause?: { readonly since: number, readonly until?: number } | undefined
  readonly policy: GatePolicy
  /** Network costs on which this send queue may send; undefined: whatever the rest allows. */
  readonly networks?: readonly ('free' | 'metered')[] | undefined
  /** Fewest bytes worth sending: a cap that leaves less is used up. Default 1. */
  readonly leastBytes?: number | undefined
  readonly caps: readonly CapUse[]
  readonly faults: readonly Fault[]
  /** The last decision for this queue: keeps `since`, and thresholds from flapping. */
  readonly previous?: Decision | undefined
}

/** Why a lane is held. */
export interface Reason {
  readonly code: ReasonCode
  readonly holds: Holds
  readonly since: number
  /** When it ends by itself, where that is known; later than `now`. */
  readonly until?: number
  /** What was seen and what would be needed, as `battery 32 % (sysfs, 2 s ago), sending needs more than 40 %`. */
  readonly evidence: string
}

export interface Decision {
  readonly prepare: 'full' | 'hold'
  readonly send: 'full' | 'hold'
  /** Every reason that applies, gravest first. */
  readonly reasons: readonly Reason[]
  /** Bytes that the tightest cap leaves; Infinity without caps. */
  readonly maxBytes: number
  /** Earliest time after `now` at which this can change by itself. */
  readonly changesAt?: number
}

/** A finding: a reason before it knows since when it holds. */
interface Finding {
  readonly code: ReasonCode
  readonly evidence: string
  readonly since?: number
  readonly until?: number | undefined
}

/** Points above a battery threshold at which work starts again, so that a charge near it does not start and stop it. */
const rearmPoints = 5

/** Whether packs may be prepared and sent now, how many bytes, and every reason against it. Pure. */
export function decide(input: GateInput): Decision {
  const found = [...pauseFindings(input), ...input.faults, ...powerFindings(input), ...capFindings(input), ...networkFindings(input)]
    .map((finding) => toReason(input, finding))
    .sort(bySeverity)
  const changes = [...found.map((reason) => reason.until), ...input.caps.map((cap) => cap.end)]
    .filter((time) => time !== undefined)
    .filter((time) => time > input.now)
  return {
    prepare: found.some((reason) => reason.holds !== 'send') ? 'hold' : 'full',
    send: found.some((reason) => reason.holds !== 'prepare') ? 'hold' : 'full',
    reasons: found,
    maxBytes: grant(Infinity, input.caps),
    ...(changes.length > 0 && { changesAt: Math.min(...changes) }),
  }
}

function toReason({ now, previous }: GateInput, finding: Finding): Reason {
  const before = previous?.reasons.find((reason) => reason.code === finding.code)
  return {
    code: finding.code,
    holds: reasons[finding.code].holds,
    since: Math.min(finding.since ?? before?.since ?? now, now),
    ...(finding.until !== undefined && finding.until > now && { until: finding.until }),
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

function pauseFindings({ now, pause }: GateInput): Finding[] {
  if (!pause || (pause.until !== undefined && pause.until <= now)) return []
  const evidence = pause.until === undefined ? 'paused until you resume' : 'paused for a time'
  return [{ code: 'paused', evidence, since: pause.since, until: pause.until }]
}

function powerFindings({ now, conditions, policy, previous }: GateInput): Finding[] {
  const { value: power, source, at } = conditions.power
  const seen = `(${source}, ${ageInWords(now - at)})`
  const found: Finding[] = []
  if (power.saver === 'on' && policy.power.onPowerSaver === 'hold') {
    found.push({ code: 'power-saver', evidence: `power saver is on ${seen}` })
  }
  if (power.supply === 'mains') return found
  if (power.supply === 'unknown' || power.percent === undefined) {
    const what = power.supply === 'unknown' ? 'power supply unknown' : 'on battery, charge unknown'
    if (policy.power.onUnknown === 'hold') found.push({ code: 'power-unknown', evidence: `${what} ${seen}` })
    return found
  }
  const below = (code: 'battery' | 'battery-low', threshold: number, what: string) => {
    const held = previous?.reasons.some((reason) => reason.code === code) ?? false
    const rearm = Math.min(threshold + rearmPoints, 100)
    const needs = held ? `${rearm} % to start again` : `more than ${threshold} %`
    const enough = Number(power.percent) > threshold && (!held || Number(power.percent) >= rearm)
    if (!enough) found.push({ code, evidence: `battery ${power.percent} % ${seen}, ${what} needs ${needs}` })
  }
  below('battery-low', policy.power.lowBatteryPercent, 'any work')
  below('battery', policy.power.sendAboveBatteryPercent, 'sending')
  return found
}

const capWords = {
  day: ['cap-day', 'today'],
  week: ['cap-week', 'this week'],
  month: ['cap-month', 'this month'],
} as const

function capFindings({ caps, leastBytes = 1 }: GateInput): Finding[] {
  return caps
    .filter((cap) => cap.limitBytes - cap.usedBytes < leastBytes)
    .map((cap) => {
      const [code, period] = capWords[cap.per]
      return { code, evidence: `${formatBytes(cap.usedBytes)} of ${formatBytes(cap.limitBytes)} used ${period}`, until: cap.end }
    })
}

function networkFindings({ now, conditions, policy, networks }: GateInput): Finding[] {
  const { value: { cost }, source, at } = conditions.network
  const seen = `(${source}, ${ageInWords(now - at)})`
  if (cost === 'offline') return [{ code: 'offline', evidence: `no network ${seen}` }]
  const counts = cost === 'unknown' ? policy.network.onUnknown : cost
  const words = cost === 'unknown' ? `network cost unknown ${seen}, counts as ${counts}` : `network is ${cost} ${seen}`
  const found: Finding[] = []
  if (counts === 'metered' && policy.network.onMetered === 'hold') {
    found.push({ code: cost === 'unknown' ? 'network-unknown' : 'metered', evidence: words })
  }
  if (networks && !networks.includes(counts)) {
    found.push({ code: 'stream-network', evidence: `${words}; allowed: ${networks.join(', ') || 'none'}` })
  }
  return found
}
