import { seededRandom } from './random.ts'

/** The first hour of every generated log. */
const startMs = Date.UTC(2026, 9, 1)
const hourMs = 3_600_000
const reasons = ['metered', 'on-battery', 'offline', 'cap-month', 'outside-window', 'held']

interface Period {
  readonly period: 'hour' | 'day'
  readonly from: number
  readonly to: number
}

/**
 * The `upload.summary` lines of one device, by seed: one an hour, cut in two where the service was started again, and one a
 * day. Office hours bring captures; something holds them for a part of the time.
 */
export function summaryLog(device: number, days: number): string {
  const random = seededRandom(device + 1)
  const below = (limit: number): number => Math.floor(random() * limit)
  const state = { backlogBytes: 0, oldestWaitingMs: 0, usedBytes: 0, heldBy: '' }
  const name = `laptop-${String(device).padStart(5, '0')}`
  const version = ['0.1.0', '0.1.0', '0.1.0', '0.2.0'][below(4)] ?? ''
  const size = 0.2 + 2 * random()
  const lines: string[] = []
  let day = empty()

  const hour = (from: number, to: number, isWork: boolean): void => {
    const capturedBytes = isWork ? below(60_000_000 * size * (to - from) / hourMs) : 0
    const packedBytes = Math.floor(capturedBytes * 0.07)
    state.backlogBytes += packedBytes
    if (random() < 0.3) state.heldBy = random() < 0.5 ? reasons[below(reasons.length)] ?? '' : ''
    const sentPackBytes = state.heldBy === '' ? Math.min(state.backlogBytes, 40_000_000) : 0
    state.backlogBytes -= sentPackBytes
    state.oldestWaitingMs = state.backlogBytes === 0 ? 0 : state.oldestWaitingMs + to - from
    const sentBytes = Math.floor(sentPackBytes * 1.05)
    state.usedBytes += sentBytes
    const sums = {
      capturedBytes, newBytes: Math.floor(capturedBytes * 0.6), packedBytes, sentBytes, sentPackBytes,
      againBytes: random() < 0.03 ? Math.floor(sentPackBytes * 0.1) : 0, packs: Math.ceil(sentPackBytes / 4_194_304),
      batteryMs: isWork ? below(to - from) : 0, meteredMs: state.heldBy === 'metered' ? to - from : 0, cpuSeconds: Math.floor(capturedBytes / 30_000) / 1000,
    }
    for (const [key, value] of Object.entries(sums) as [keyof typeof sums, number][]) day[key] += value
    lines.push(line({ period: 'hour', from, to }, sums))
  }
  const line = ({ period, from, to }: Period, sums: ReturnType<typeof empty>): string => {
    const { backlogBytes, oldestWaitingMs, usedBytes, heldBy } = state
    const { batteryMs, meteredMs, cpuSeconds, ...bytes } = sums
    return JSON.stringify({
      time: new Date(to).toISOString(), level: 'info', event: 'upload.summary', device: name, version, period, from, to, ...bytes,
      backlogBytes, backlogPacks: Math.ceil(backlogBytes / 4_194_304), oldestWaitingMs,
      heldBytes: heldBy === '' || backlogBytes === 0 ? {} : { [heldBy]: backlogBytes },
      caps: [{ cap: 'month', limitBytes: 600_000_000, usedBytes, atRisk: usedBytes > 500_000_000 }],
      batteryMs, meteredMs, cpuSeconds, errors: below(50) === 0 ? { 'destination-unreachable': 1 + below(5) } : {}, uptimeMs: to - startMs,
    })
  }

  for (let at = 0; at < days * 24; at += 1) {
    const from = startMs + at * hourMs
    const isWork = Math.floor(at / 24) % 7 < 5 && at % 24 >= 7 && at % 24 < 16
    const stopAt = at % 72 === 7 ? from + 1 + below(hourMs - 2) : from
    if (stopAt > from) hour(from, stopAt, isWork)
    hour(stopAt, from + hourMs, isWork)
    if (at % 24 !== 23) continue
    day.cpuSeconds = Math.round(day.cpuSeconds * 1000) / 1000
    lines.push(line({ period: 'day', from: from - 23 * hourMs, to: from + hourMs }, day))
    day = empty()
  }
  return `${lines.join('\n')}\n`
}

function empty() {
  return {
    capturedBytes: 0, newBytes: 0, packedBytes: 0, sentBytes: 0, sentPackBytes: 0, againBytes: 0, packs: 0, batteryMs: 0, meteredMs: 0,
    cpuSeconds: 0,
  }
}
