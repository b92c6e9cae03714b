import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { endAfter, Summaries, type Counters, type Ended, type Look, type Sums } from '../../src/observe/summary.ts'

const second = 1000
const minute = 60 * second
const hour = 60 * minute
const start = Date.parse('2026-11-23T09:40:00Z')
const none: Counters = { capturedBytes: 0, newBytes: 0, packedBytes: 0, sentBytes: 0, sentPackBytes: 0, packs: 0 }
const numbers = ['capturedBytes', 'newBytes', 'packedBytes', 'sentBytes', 'sentPackBytes', 'packs', 'againBytes', 'batteryMs', 'meteredMs', 'cpuMs'] as const

/** A machine with a clock of its own, what happens on it, and every summary it told. */
class Machine {
  now: number
  readonly told: Ended[] = []
  readonly zone: string
  counters = none
  /** What happened, however it was told. */
  readonly happened = { againBytes: 0, batteryMs: 0, meteredMs: 0, cpuMs: 0, errors: 0 }
  #monotonicMs = 0
  #cpuMs = 0
  #draws = { onBattery: false, metered: false }
  #saved: string | undefined
  summaries: Summaries

  constructor(zone = 'UTC', now = start) {
    this.zone = zone
    this.now = now
    this.summaries = this.begin()
  }

  /** A new process. What is over is told at once. */
  begin(): Summaries {
    this.#monotonicMs = 0
    this.#draws = { onBattery: false, metered: false }
    this.#cpuMs = 0
    this.summaries = new Summaries(this.zone, this.#look(), this.#saved)
    this.look()
    return this.summaries
  }

  #look(): Look {
    const cpuMs = this.#cpuMs
    this.#cpuMs = 0
    return { now: this.now, monotonicMs: this.#monotonicMs, cpuMs, counters: this.counters }
  }

  look(): void {
    this.told.push(...this.summaries.take(this.#look()))
    this.#saved = this.summaries.state
  }

  pass(ms: number): void {
    this.now += ms
    this.#monotonicMs += ms
    if (this.#draws.onBattery) this.happened.batteryMs += ms
    if (this.#draws.metered) this.happened.meteredMs += ms
  }

  draw(onBattery: boolean, metered: boolean): void {
    this.#draws = { onBattery, metered }
    this.summaries.draw(this.#monotonicMs, this.#draws)
  }

  work(bytes: number): void {
    const { counters } = this
    this.counters = {
      capturedBytes: counters.capturedBytes + 10 * bytes, newBytes: counters.newBytes + 4 * bytes, packedBytes: counters.packedBytes + 2 * bytes,
      sentBytes: counters.sentBytes + 3 * bytes, sentPackBytes: counters.sentPackBytes + 2 * bytes, packs: counters.packs + 1,
    }
    this.#cpuMs += bytes % 7
    this.happened.cpuMs += bytes % 7
  }

  fail(): void {
    this.summaries.failed('destination-unreachable')
    this.happened.errors++
  }

  resend(bytes: number): void {
    this.summaries.sentAgain(bytes)
    this.happened.againBytes += bytes
  }

  stop(): void {
    this.told.push(...this.summaries.stop(this.#look()))
    this.#saved = this.summaries.state
  }
}

function total(ended: readonly { readonly sums: Sums }[]): Record<string, number> {
  const sum = (of: (sums: Sums) => number): number => ended.reduce((all, { sums }) => all + of(sums), 0)
  return {
    ...Object.fromEntries(numbers.map((name) => [name, sum((sums) => sums[name])])),
    errors: sum(({ errors }) => Object.values(errors).reduce((all, count) => all + count, 0)),
  }
}

const of = (told: readonly Ended[], period: Ended['period']): Ended[] => told.filter((one) => one.period === period)
const iso = (at: number): string => new Date(at).toISOString()

type Step =
  | { readonly do: 'pass' | 'sleep' | 'jump' | 'work' | 'resend'; readonly by: number }
  | { readonly do: 'look' | 'fail' | 'restart' | 'crash' }
  | { readonly do: 'draw'; readonly onBattery: boolean; readonly metered: boolean }

function play(machine: Machine, step: Step): void {
  switch (step.do) {
    case 'pass': return machine.pass(step.by)
    // Time that no process sees.
    case 'sleep': case 'jump': return void (machine.now += step.by)
    case 'work': return machine.work(step.by)
    case 'resend': return machine.resend(step.by)
    case 'look': return machine.look()
    case 'fail': return machine.fail()
    case 'draw': return machine.draw(step.onBattery, step.metered)
    case 'restart':
      machine.stop()
      return void machine.begin()
    case 'crash': return void machine.begin()
  }
}

const amount = fc.integer({ min: 1, max: 10_000 })
const steps: fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant('pass' as const), by: fc.integer({ min: 1, max: 3 * hour }) }),
  fc.record({ do: fc.constant('sleep' as const), by: fc.integer({ min: 1, max: 40 * hour }) }),
  fc.record({ do: fc.constant('jump' as const), by: fc.integer({ min: -60 * hour, max: 60 * hour }) }),
  fc.record({ do: fc.constantFrom('work' as const, 'resend' as const), by: amount }),
  fc.record({ do: fc.constantFrom('look' as const, 'look' as const, 'fail' as const, 'restart' as const) }),
  fc.record({ do: fc.constant('draw' as const), onBattery: fc.boolean(), metered: fc.boolean() }),
]
const crash: fc.Arbitrary<Step> = fc.record({ do: fc.constant('crash' as const) })
const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'Australia/Lord_Howe', 'America/St_Johns', 'Africa/Cairo')
const moment = fc.integer({ min: Date.parse('2026-01-01'), max: Date.parse('2028-01-01') })

describe('whatever happens', () => {
  test('each count is in one hour, and no hour misses any', () => {
    fc.assert(fc.property(zone, moment, fc.array(fc.oneof(...steps), { maxLength: 60 }), (name, at, played) => {
      const machine = new Machine(name, at)
      for (const step of played) play(machine, step)
      machine.stop()
      expect(total(of(machine.told, 'hour'))).toEqual({ ...machine.counters, ...machine.happened })
    }), { numRuns: 400 })
  })
  test('a crash loses nothing of what journal and ledger count, and tells nothing twice', () => {
    fc.assert(fc.property(zone, moment, fc.array(fc.oneof(...steps, crash), { maxLength: 60 }), (name, at, played) => {
      const machine = new Machine(name, at)
      for (const step of played) play(machine, step)
      machine.stop()
      const told = total(of(machine.told, 'hour'))
      expect(told).toMatchObject({ ...machine.counters })
      for (const [what, amount] of Object.entries(machine.happened)) expect(told[what]).toBeLessThanOrEqual(amount)
    }), { numRuns: 400 })
  })
  test('the hours of a day make up the day', () => {
    fc.assert(fc.property(zone, moment, fc.array(fc.oneof(...steps, crash), { maxLength: 80 }), (name, at, played) => {
      const machine = new Machine(name, at)
      for (const step of played) play(machine, step)
      let hours: Ended[] = []
      for (const one of machine.told) {
        if (one.period === 'hour') hours.push(one)
        else {
          expect(total([one])).toEqual(total(hours))
          hours = []
        }
      }
    }), { numRuns: 400 })
  })
  test('no summary ends before it begins, and hours of a clock that is never set do not overlap', () => {
    const calm = fc.oneof(...steps.filter((_, index) => index !== 2), crash)
    fc.assert(fc.property(zone, moment, fc.array(fc.oneof(calm), { maxLength: 60 }), (name, at, played) => {
      const machine = new Machine(name, at)
      for (const step of played) play(machine, step)
      const hours = of(machine.told, 'hour')
      for (const { from, to } of machine.told) expect(to).toBeGreaterThanOrEqual(from)
      for (const [index, { from }] of hours.entries()) expect(from).toBeGreaterThanOrEqual(hours[index - 1]?.to ?? 0)
    }), { numRuns: 200 })
  })
})

describe('an hour', () => {
  test('ends on the hour of the worker’s clock, a day at their midnight, and hours come before their day', () => {
    const machine = new Machine('Asia/Kathmandu', Date.parse('2026-11-23T16:40:00Z'))
    for (let minutes = 0; minutes < 120; minutes += 5) {
      machine.pass(5 * minute)
      machine.look()
    }
    expect(machine.told.map(({ period, from, to }) => [period, iso(from), iso(to)])).toEqual([
      ['hour', '2026-11-23T16:40:00.000Z', '2026-11-23T17:15:00.000Z'],
      ['hour', '2026-11-23T17:15:00.000Z', '2026-11-23T18:15:00.000Z'],
      ['day', '2026-11-23T16:40:00.000Z', '2026-11-23T18:15:00.000Z'],
    ])
  })
  test.each([
    ['of 25 hours', 'Europe/Berlin', '2026-10-24T22:00:00Z', 25],
    ['of 23 hours', 'Europe/Berlin', '2026-03-28T23:00:00Z', 23],
    ['whose clock goes back by half an hour', 'Australia/Lord_Howe', '2026-04-04T13:00:00Z', 24],
    ['without a midnight', 'Africa/Cairo', '2026-04-23T22:00:00Z', 23],
  ])('of a day %s is told once', (_, name, at, hours) => {
    const machine = new Machine(name, Date.parse(at))
    while (of(machine.told, 'day').length === 0) {
      machine.pass(5 * minute)
      machine.look()
    }
    expect(of(machine.told, 'hour')).toHaveLength(hours)
    expect(machine.told.at(-1)?.to).toBe(machine.told.at(-2)?.to)
  })
  test('over whose end the machine slept is told when it is awake, and the next begins then', () => {
    const machine = new Machine()
    machine.work(100)
    machine.now += 5 * hour
    machine.look()
    machine.work(1)
    machine.stop()
    expect(machine.told.map(({ from, to, sums }) => [iso(from), iso(to), sums.capturedBytes])).toEqual([
      ['2026-11-23T09:40:00.000Z', '2026-11-23T10:00:00.000Z', 1000],
      ['2026-11-23T14:40:00.000Z', '2026-11-23T14:40:00.000Z', 10],
    ])
  })
  test('goes on when the clock is put right by seconds, and ends when it is set back by hours', () => {
    const machine = new Machine('UTC', Date.parse('2026-11-23T10:00:01Z'))
    machine.now -= 5 * second
    machine.look()
    expect(machine.told).toEqual([])
    machine.now -= 20 * hour
    machine.look()
    expect(machine.told.map(({ period, from, to }) => [period, iso(from), iso(to)])).toEqual([
      ['hour', '2026-11-23T10:00:01.000Z', '2026-11-23T10:00:01.000Z'],
      ['day', '2026-11-23T10:00:01.000Z', '2026-11-23T10:00:01.000Z'],
    ])
  })
  test('that a stop cut short is not counted in the next one, and both are in their day', () => {
    const machine = new Machine()
    machine.work(1)
    machine.stop()
    machine.begin()
    machine.work(2)
    machine.now = Date.parse('2026-11-24T00:00:00Z')
    machine.look()
    expect(machine.told.map(({ period, sums }) => [period, sums.capturedBytes])).toEqual([['hour', 10], ['hour', 20], ['day', 30]])
  })
  test('counts time on battery and on metered networks as it was, not as it became', () => {
    const machine = new Machine()
    machine.draw(true, false)
    machine.pass(5 * minute)
    machine.draw(false, true)
    machine.pass(2 * minute)
    machine.draw(false, false)
    machine.pass(minute)
    machine.stop()
    expect(machine.told[0]?.sums).toMatchObject({ batteryMs: 5 * minute, meteredMs: 2 * minute })
  })
})

test.each([JSON.stringify({ version: 2, hour: 'noon' }), '', 'null', '{"version":1'])('what another version wrote, or nobody, is not gone on with: %j', (saved) => {
  const look = { now: start, monotonicMs: 0, cpuMs: 0, counters: none }
  const summaries = new Summaries('UTC', look, saved)
  expect(summaries.take({ ...look, now: start + hour })).toHaveLength(1)
})

test('a total that shrank adds nothing, and what comes after it counts', () => {
  const machine = new Machine()
  machine.work(5)
  machine.look()
  machine.counters = none
  machine.look()
  machine.work(3)
  machine.stop()
  expect(machine.told[0]?.sums.capturedBytes).toBe(80)
})

test('in a zone whose offset is no quarter of an hour there is an end to every hour', () => {
  expect(endAfter('hour', 0, 'Africa/Monrovia')).toBeGreaterThan(0)
})
