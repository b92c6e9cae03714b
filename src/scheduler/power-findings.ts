import type { Finding, GateInput } from './gate.ts'
import { ageInWords } from './words.ts'

/** Points above a battery threshold at which work starts again, so that a charge near it does not start and stop it. */
const rearmPoints = 5

/** What power says against working now. Pure. */
export function powerFindings(input: GateInput): Finding[] {
  const { now, conditions, policy } = input
  const { value: power, source, at } = conditions.power
  const seen = `(${source}, ${ageInWords(now - at)})`
  const found: Finding[] = []
  const { onPowerSaver, onUnknown } = policy.power
  if (power.saver === 'on' && onPowerSaver !== 'send') {
    found.push({ code: 'power-saver', level: onPowerSaver, evidence: `power saver is on ${seen}` })
  }
  if (power.supply === 'mains' && !power.weakCharger) return found
  if (power.supply === 'unknown' || (power.percent === undefined && power.supply === 'battery')) {
    const what = power.supply === 'unknown' ? 'power supply unknown' : 'on battery, charge unknown'
    if (onUnknown !== 'send') found.push({ code: 'power-unknown', level: onUnknown, evidence: `${what} ${seen}` })
    if (power.supply === 'battery') found.push({ code: 'on-battery', level: 'trickle', evidence: `${what} ${seen}` })
    return found
  }
  const isBelow = batteryBelow(input, seen, found)
  isBelow('battery-low', policy.power.lowBatteryPercent, 'any work')
  if (power.supply === 'mains') {
    found.push({ code: 'weak-charger', level: 'trickle', evidence: `plugged in, but the battery drains ${seen}` })
    return found
  }
  isBelow('battery', policy.power.sendAboveBatteryPercent, 'sending')
  found.push({ code: 'on-battery', level: 'trickle', evidence: `on battery, ${power.percent} % ${seen}` })
  return found
}

function batteryBelow({ conditions, previous }: GateInput, seen: string, found: Finding[]) {
  const { percent } = conditions.power.value
  return (code: 'battery' | 'battery-low', threshold: number, what: string): void => {
    if (percent === undefined) return
    const held = [...previous?.reasons ?? [], ...previous?.setAside ?? []].some((reason) => reason.code === code)
    const rearm = Math.min(threshold + rearmPoints, 100)
    const isEnough = percent > threshold && (!held || percent >= rearm)
    const needs = held ? `${rearm} % to start again` : `more than ${threshold} %`
    if (!isEnough) found.push({ code, evidence: `battery ${percent} % ${seen}, ${what} needs ${needs}` })
  }
}
