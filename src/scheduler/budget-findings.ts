import type { CapUse } from '../budget/cap.ts'
import type { Finding, GateInput } from './gate.ts'
import { formatBytes } from '../../config/units.ts'

const capWords = {
  day: ['cap-day', 'today'],
  week: ['cap-week', 'this week'],
  month: ['cap-month', 'this month'],
  rolling: ['cap-rolling', 'in the last'],
} as const

/** Which caps, and what of the person's own plan, leave nothing to send. Pure. */
export function budgetFindings({ caps, plan, leastBytes = 1 }: GateInput): Finding[] {
  const found = caps.flatMap((cap) => capFinding(cap, leastBytes) ?? [])
  if (plan === 'unknown') {
    found.push({ code: 'plan', evidence: 'this machine’s counters cannot be read, so nobody knows what is left of your plan' })
  } else if (plan && plan.limitBytes - plan.usedBytes < plan.keepBytes) {
    const evidence = `${formatBytes(plan.usedBytes)} of your plan of ${formatBytes(plan.limitBytes)} used, the last ${formatBytes(plan.keepBytes)} are kept for you`
    found.push({ code: 'plan', evidence, until: plan.end })
  }
  return found
}

function capFinding(cap: CapUse, leastBytes: number): Finding | undefined {
  const { today } = cap
  if (cap.limitBytes - cap.usedBytes < leastBytes) {
    const [code, when] = capWords[cap.per]
    const period = cap.per === 'rolling' ? `${when} ${cap.days} days` : when
    return { code, evidence: `${formatBytes(cap.usedBytes)} of ${formatBytes(cap.limitBytes)} used ${period}${scopeInWords(cap)}`, until: cap.end }
  }
  if (!today || today.shareBytes - today.usedBytes >= leastBytes) return undefined
  const evidence = `${formatBytes(today.usedBytes)} of today’s share of ${formatBytes(today.shareBytes)} used${scopeInWords(cap)}`
  return { code: 'pace', evidence, until: today.end }
}

/** ` on network home`, or nothing for a cap of the whole device. */
function scopeInWords({ network, on, stream }: CapUse): string {
  return [
    network === undefined ? '' : ` on network ${network}`,
    on === undefined ? '' : ` on ${on} networks`,
    stream === undefined ? '' : ` by stream ${stream}`,
  ].join('')
}
