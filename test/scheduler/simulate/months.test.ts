import { describe, expect, test } from 'vitest'
import type { Decision } from '../../../src/scheduler/gate.ts'
import type { SentPiece } from '../../../src/scheduler/simulate/simulation.ts'
import type { TraceEvent } from '../../../src/scheduler/simulate/trace.ts'
import type { Month } from './months.ts'
import { reasonOrder, reasons } from '../../../src/scheduler/reasons.ts'
import { defaultRatio, Simulation } from '../../../src/scheduler/simulate/simulation.ts'
import { dayMs, Dice, randomMonth } from './months.ts'
import { capsOf, exceededCaps, exceededShares, history, sentWhileHeld, usedAt, windowShown } from './oracle.ts'

/** CI plays ten thousand; `SLUICE_SEED=n` plays that one again. */
const { CI, SLUICE_SEED } = process.env
const firstSeed = Number(SLUICE_SEED ?? 1)
const months = SLUICE_SEED ? 1 : CI ? 10_000 : 300

type Decisions = ReadonlyMap<string, Decision>

interface Played {
  readonly pieces: readonly SentPiece[]
  readonly last: Decisions
  readonly log: string
  readonly overtaken: readonly string[]
  /** Windows that were open, and held. */
  readonly closed: readonly string[]
  readonly codes: ReadonlySet<string>
  readonly backlogBytes: number
  readonly sentBytes: number
}

function play(month: Month, events: readonly TraceEvent[] = month.events, onDecided?: (at: number, decisions: Decisions, hasSent: boolean) => void): Played {
  let hasSent = false
  const pieces: SentPiece[] = []
  const codes = new Set<string>()
  const log: string[] = []
  const overtaken: string[] = []
  const closed: string[] = []
  const { windows, timeZone } = month.config
  let last: Decisions = new Map()
  const simulation = new Simulation({
    ...month,
    observe: {
      sent: (piece) => {
        hasSent = true
        pieces.push(piece)
      },
      decided: (at, decisions) => {
        onDecided?.(at, decisions, hasSent)
        hasSent = false
        last = decisions
        const isClosed = [...decisions.values()].some(({ reasons: found }) => found.some(({ code }) => code === 'outside-window'))
        if (isClosed && !month.hasClockSteps && windowShown(windows, at, timeZone) === 'inside') closed.push(`at ${at}`)
        for (const [queue, { send, prepare, reasons: found, setAside, maxBytes }] of decisions) {
          for (const { code } of found) codes.add(code)
          log.push(`${at} ${queue} ${send} ${prepare} ${maxBytes} ${found.map(({ code, since, until }) => `${code} ${since} ${until}`).join()} ${setAside.length}`)
        }
      },
      began: (at, queue, others) => {
        const since = others.find((other) => other.queue === queue)?.since ?? 0
        // Two priorities apart, and each day of waiting counts as one: three days at most.
        for (const other of others) if (since > other.since + 3 * dayMs) overtaken.push(`${other.queue} by ${queue} at ${at}`)
      },
    },
  })
  for (const event of events) simulation.add(event)
  const { totals } = simulation.finish()
  return {
    pieces, last, log: log.join('\n'), overtaken, closed, codes, backlogBytes: totals.backlogBytes, 
    sentBytes: totals.sentBytes.free + totals.sentBytes.metered,
  }
}

/** Bytes on the wire that a queue captured and was to send: what a pause dropped is not of them. */
function captured(month: Month, streams: readonly string[]): number {
  return history(month).reduce((sum, { at, machine, captured: found }) => {
    const { pause, clockAheadMs } = machine
    if (pause?.captures === 'drop' && pause.until > at + clockAheadMs) return sum
    return sum + found.filter(({ stream }) => streams.includes(stream))
      .reduce((bytes, each) => bytes + each.bytes * (month.header.ratio[each.stream] ?? defaultRatio) * 1.06, 0)
  }, 0)
}

/** Queues that still wait after the good time, although nothing that lasts speaks against them. */
function leftBehind(month: Month, { pieces, last, backlogBytes }: Played): string[] {
  const lasting = new Set(['stream-off', 'exempt-work', 'stream-network', 'plan'])
  const end = month.events.at(-1)?.at ?? 0
  return [...last].flatMap(([queue, decision]) => {
    const queueOf = month.config.streams.filter(({ name }) => streamsOf(queue, month).includes(name))
    const expected = captured(month, queueOf.map(({ name }) => name))
    const arrived = arrivedOf(queue, pieces)
    if (arrived >= expected - 1 || decision.reasons.some(({ code }) => lasting.has(code))) return []
    const caps = capsOf(month).filter((cap) => cap.stream === undefined || streamsOf(queue, month).join() === cap.stream)
    if (caps.length === 0) return [`${queue}: ${arrived} of ${expected} without a cap, ${JSON.stringify(decision.reasons)}`]
    // What is dated ahead of the clock, or waits for a window, is held by more than what this can see.
    if (month.hasClockSteps || month.config.windows.length > 0) return []
    const full = decision.reasons.some(({ code }) => caps.some((cap) =>
      code === 'pace' ? cap.pace : code === `cap-${cap.per}` && usedAt(cap, end - 1, pieces, month) > cap.limitBytes - (64 << 10)))
    return full ? [] : [`${queue}: ${arrived} of ${expected}, ${backlogBytes} waiting, ${JSON.stringify(decision.reasons)}`]
  })
}

/** Bytes of whole packs: what was begun and given up for another queue does not count. */
function arrivedOf(queue: string, pieces: readonly SentPiece[]): number {
  let whole = 0
  let begun = 0
  for (const piece of pieces) {
    begun = piece.queue.name === queue ? begun + piece.bytes : 0
    if (!piece.arrived || piece.queue.name !== queue) continue
    whole += begun
    begun = 0
  }
  return whole
}

/** The streams that a queue of this name holds, as they were when its bytes left. */
function streamsOf(queue: string, month: Month): string[] {
  const [, apart] = queue.split('/')
  if (apart !== undefined) return [apart]
  const isApart = (name: string): boolean => month.config.streams.some((stream) => stream.name === name && stream.optional)
    || capsOf(month).some(({ stream }) => stream === name) || month.config.exemptions.some(({ streams }) => streams?.includes(name))
    || month.settings.streamsOff.some(({ stream }) => stream === name)
  const [networks = 'any', priority = 'normal'] = queue.split('.')
  return month.config.streams.filter((stream) => !isApart(stream.name) && stream.priority === priority
    && (stream.networks?.toSorted().join('+') ?? 'any') === networks).map(({ name }) => name)
}

/** The same events; those of one time in another order. */
function reordered(month: Month, dice: Dice): TraceEvent[] {
  return [...Map.groupBy(month.events, ({ at }) => at).values()].flatMap((together) => dice.shuffled(together))
}

/**
 * Asks the gate again at times at which nothing happened. A decision that differs from the last one, though nothing was
 * sent meanwhile, should have been made before: `changesAt` did not say when.
 */
function lateDecisions(month: Month, dice: Dice): string[] {
  const [start = 0, end = 0] = [month.events[0]?.at, month.events.at(-1)?.at]
  const taken = new Set(month.events.map(({ at }) => at))
  const asked = new Set(Array.from({ length: 40 }, () => dice.int(start, end)).filter((at) => !taken.has(at)))
  let clockAheadMs = 0
  const events = [...month.events, ...[...asked].map((at): TraceEvent => ({ at, clockAheadMs: NaN }))].sort((a, b) => a.at - b.at).map((event) => {
    if (event.clockAheadMs !== undefined && !asked.has(event.at)) ({ clockAheadMs } = event)
    return asked.has(event.at) ? { ...event, clockAheadMs } : event
  })
  const late: string[] = []
  let before: Decisions = new Map()
  play(month, events, (at, decisions, hasSent) => {
    for (const [queue, { send, prepare, reasons: found }] of hasSent || !asked.has(at) ? [] : decisions) {
      const old = before.get(queue)
      const isSame = !old || (old.send === send && old.prepare === prepare && codesOf(old.reasons) === codesOf(found))
      if (!isSame) late.push(`${queue} at ${at}: ${codesOf(old.reasons)} until ${old.changesAt}, now ${codesOf(found)}`)
    }
    before = decisions
  })
  return late
}

function codesOf(found: Decision['reasons']): string {
  return found.map(({ code }) => code).join()
}

describe(`${months} random months from seed ${firstSeed}`, () => {
  test('no cap is exceeded, nothing leaves while held, all that may leave does, no queue is left behind, order within a moment never shows, and changesAt is right', { timeout: 900_000 }, () => {
    const codes = new Set<string>()
    let sentBytes = 0
    let waits = 0
    for (let seed = firstSeed; seed < firstSeed + months; seed++) {
      const month = randomMonth(seed)
      const played = play(month)
      const asked = month.events.some(({ sendNow }) => sendNow)
      const wrong = {
        exceeded: exceededCaps(month, played.pieces),
        shares: asked || month.hasClockSteps ? [] : exceededShares(month, played.pieces),
        held: sentWhileHeld(month, played.pieces),
        leftBehind: leftBehind(month, played),
        overtaken: month.hasClockSteps ? [] : played.overtaken,
        closed: played.closed,
        late: seed % 4 === 1 ? lateDecisions(month, new Dice(seed)) : [],
        unequal: seed % 4 === 0 && play(month, reordered(month, new Dice(seed))).log !== played.log ? ['decisions differ'] : [],
      }
      if (Object.values(wrong).some((list) => list.length > 0)) {
        expect.fail(`SLUICE_SEED=${seed}: ${JSON.stringify(Object.fromEntries(Object.entries(wrong).map(([what, list]) => [what, list.slice(0, 3)])), undefined, 2)}`)
      }
      expect(played.pieces.reduce((sum, { bytes }) => sum + bytes, 0), `SLUICE_SEED=${seed}`).toBe(played.sentBytes)
      for (const code of played.codes) codes.add(code)
      sentBytes += played.sentBytes
      waits += Number(played.backlogBytes > 0)
    }
    if (SLUICE_SEED) return
    // The months are worth something: much left, some had to wait, and the gate found every reason that it knows.
    expect(sentBytes / months).toBeGreaterThan(1e6)
    expect(waits).toBeGreaterThan(months / 20)
    expect(reasonOrder.filter((code) => reasons[code].raised === 'gate' && !codes.has(code))).toEqual([])
  })
})
