// Claim: whatever the worker sets, no stream may be sent or prepared more than without it, nor get more bytes, except by what is
// documented: `send-now`, within hard caps, and saying that a network is free, which changes what the sensor says.
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Ledger } from '../../src/budget/ledger.ts'
import { checkConfig } from '../../config/parse.ts'
import { Journal } from '../../src/journal/journal.ts'
import { emptySettings, type Settings } from '../../src/journal/settings.ts'
import { capName, type Cap } from '../../src/budget/cap.ts'
import type { NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Decision } from '../../src/scheduler/gate.ts'
import { Judge } from '../../src/scheduler/judge.ts'
import { reasons } from '../../src/scheduler/reasons.ts'
import { fixed } from '../../src/scheduler/sensor.ts'
import { streamsOf } from '../../src/scheduler/queues.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const now = Date.UTC(2026, 10, 23, 12)
const hour = 3_600_000
const streams = ['log', 'shots', 'mail'] as const
const networks = [{ id: '0123456789ab', name: 'home' }, { id: 'ba9876543210', name: 'office' }] as const

const checked = checkConfig(`
destination: file:///out
state: /state
timeZone: UTC
network: { onMetered: trickle }
power: { onPowerSaver: trickle }
caps: [{ limit: 4 MB, per: day, network: home }, { limit: 9 MB, per: month, pace: yes }, { limit: 3 MB, per: week, stream: mail }]
exemptions: [{ because: no-charger, streams: [mail] }]
streams:
  - { name: log, path: /log, purpose: tests, files: append }
  - { name: shots, path: /shots, purpose: tests, files: whole, optional: yes, networks: [free] }
  - { name: mail, path: /mail, purpose: tests, files: whole }
`, '/c.yaml', { home: '/', hostname: 'h', timeZone: 'UTC', cwd: '/' })

const span = fc.integer({ min: -3, max: 3 })
const caps: fc.Arbitrary<readonly Cap[]> = fc.uniqueArray(fc.record({
  limitBytes: fc.integer({ min: 1, max: 5_000_000 }),
  per: fc.constantFrom('day' as const, 'week' as const, 'month' as const),
  network: fc.constantFrom('home', 'office'),
  on: fc.constantFrom('free' as const, 'metered' as const),
  stream: fc.constantFrom(...streams),
}, { requiredKeys: ['limitBytes', 'per'] }).map((cap) => ({ id: capName(cap), ...cap })), { selector: ({ id }) => id, maxLength: 4 })

const settings: fc.Arbitrary<Settings> = fc.record({
  pause: fc.option(fc.tuple(span, span).map(([since, until]) => ({ since: now + since * hour, until: now + until * hour, captures: 'hold' as const })), { nil: undefined }),
  caps,
  networks: fc.subarray(networks.map((network) => ({ ...network, cost: 'auto' as const }))),
  off: fc.subarray([...streams]),
}).map(({ pause, off, ...rest }) => ({ ...emptySettings, ...rest, ...(pause && { pause }), streamsOff: off.map((stream) => ({ stream, since: now - hour })) }))

const conditions = fc.record({
  power: fc.constantFrom<PowerState>({ supply: 'mains', saver: 'off' }, { supply: 'battery', percent: 80, saver: 'on' }, { supply: 'unknown', saver: 'unknown' }),
  network: fc.record({ cost: fc.constantFrom<NetworkState['cost']>('free', 'metered', 'unknown', 'roaming'), id: fc.constantFrom(...networks.map(({ id }) => id)) }),
})

const used = fc.array(fc.record({ stream: fc.constantFrom(...streams), network: fc.constantFrom(...networks.map(({ id }) => id)), bytes: fc.integer({ min: 1, max: 3_000_000 }) }), { maxLength: 3 })

const rank = { hold: 0, trickle: 1, full: 2 } as const

test('no settings make any decision looser than without settings', async () => {
  if ('problems' in checked) throw new Error(JSON.stringify(checked.problems))
  const { config } = checked
  let tightened = 0
  await fc.assert(fc.asyncProperty(settings, conditions, used, async (chosen, machine, spent) => {
    using journal = new Journal(join(await temporaryFolder(), 'journal.sqlite'))
    const ledger = new Ledger(journal)
    spent.forEach(({ stream, network, bytes }, index) => ledger.reserve({ now: now - hour, queue: 'any', pack: `p${index}`, bytes, network, on: 'free', streams: [stream] }))
    const sensors = { power: fixed(machine.power, () => now), network: fixed(machine.network, () => now) }
    const decisionsWith = async (all: Settings): Promise<(stream: string) => Decision> => {
      const judge = new Judge({ config, journal, ledger, sensors, wireBytes: (bytes) => bytes })
      const decisions = judge.decide(now, await judge.conditions(), all, [])
      const queues = judge.queuesFor(all)
      return (stream) => {
        const queue = queues.find((each) => streamsOf(each, new Map(), []).includes(stream))
        const decision = decisions.get(queue?.name ?? '')
        if (!decision) throw new Error(`nothing was decided for ${stream}`)
        return decision
      }
    }
    const [without, withThem] = [await decisionsWith(emptySettings), await decisionsWith(chosen)]
    for (const stream of streams) {
      const [before, after] = [without(stream), withThem(stream)]
      expect(rank[after.send]).toBeLessThanOrEqual(rank[before.send])
      expect(rank[after.prepare]).toBeLessThanOrEqual(rank[before.prepare])
      expect(after.maxBytes).toBeLessThanOrEqual(before.maxBytes)
      if (rank[after.send] < rank[before.send] || after.maxBytes < before.maxBytes) tightened++
    }
    const asked = await decisionsWith({ ...chosen, sendNow: { since: now - 1, until: now + hour } })
    for (const stream of streams) {
      const hard = withThem(stream).reasons.filter(({ code, level }) => level === 'hold' && /^(paused|stream-off|cap-|exempt-)/.test(code))
      expect(asked(stream).reasons.map(({ code }) => code)).toEqual(expect.arrayContaining(hard.map(({ code }) => code)))
      for (const { code } of hard) expect(Object.keys(reasons)).toContain(code)
    }
  }), { numRuns: 100 })
  expect(tightened).toBeGreaterThan(10)
})
