import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Stream } from '../../src/capture/stream.ts'
import { formerQueue, queuesOf, sendingOrder } from '../../src/scheduler/queues.ts'
import type { Waiting } from '../../src/scheduler/queues.ts'

const stream = (name: string, rules: Partial<Stream> = {}): Stream => ({
  name, folder: `/${name}`, include: ['**'], purpose: 'tests', files: 'whole', fidelity: 'bytes', quietMs: 0, onSent: 'keep',
  priority: 'normal', optional: false, ...rules,
})
const names = (streams: readonly Stream[], apart?: ReadonlySet<string>) =>
  queuesOf(streams, apart).map(({ name, streams: members }) => [name, members.map((member) => member.name)])

describe('queues', () => {
  test('streams share one exactly when they are sent under the same rules', () => {
    expect(names([
      stream('a'), stream('b'), stream('c', { networks: ['free'] }), stream('d', { networks: ['metered', 'free'] }),
      stream('e', { networks: ['free'], priority: 'low' }), stream('f', { networks: [] }), stream('g', { optional: true }),
    ])).toEqual([
      ['any', ['a', 'b']], ['free', ['c']], ['free+metered', ['d']], ['free.low', ['e']], ['none', ['f']], ['any/g', ['g']],
    ])
  })
  test('a stream that is set apart shares no pack with others', () => {
    expect(names([stream('a'), stream('b')], new Set(['b']))).toEqual([['any', ['a']], ['any/b', ['b']]])
  })
  test('the rules of a queue can be read back from its name', () => {
    const rules = fc.record({
      networks: fc.option(fc.subarray<'free' | 'metered'>(['free', 'metered']), { nil: undefined }),
      priority: fc.constantFrom('high', 'normal', 'low'),
      optional: fc.boolean(),
    })
    fc.assert(fc.property(rules, ({ networks, ...rest }) => {
      const streams = [stream('x.y-z', { ...rest, ...(networks && { networks }) })]
      const [queue] = queuesOf(streams)
      const former = formerQueue(queue?.name ?? '', streams)
      expect([former.networks?.toSorted(), former.priority]).toEqual([networks?.toSorted(), rest.priority])
      expect(former.streams).toEqual(rest.optional ? streams : [])
    }))
  })
})

const day = 86_400_000
const waiting = (queue: string, fields: Partial<Waiting> = {}): Waiting => ({ queue, priority: 'normal', value: 1, since: 0, ...fields })
const order = (...queues: Waiting[]) => sendingOrder(queues, 0).map(({ queue }) => queue)

describe('the order of sending', () => {
  test('priority first, then what a byte of data plan buys, then age', () => {
    expect(order(waiting('low', { priority: 'low', value: 9 }), waiting('poor'), waiting('rich', { value: 5 }), waiting('high', { priority: 'high' })))
      .toEqual(['high', 'rich', 'poor', 'low'])
    expect(order(waiting('young', { since: -1 }), waiting('old', { since: -2 }))).toEqual(['old', 'young'])
  })
  test('what has waited for two days goes before the highest priority of today', () => {
    const low = waiting('low', { priority: 'low', since: -3 * day })
    expect(order(waiting('high', { priority: 'high' }), low)).toEqual(['low', 'high'])
  })
  test('it does not depend on the order in which the queues are given', () => {
    const queues = fc.uniqueArray(fc.record({
      queue: fc.string({ minLength: 1 }), priority: fc.constantFrom('high', 'normal', 'low'), value: fc.integer({ min: 0, max: 3 }), since: fc.integer({ min: -4 * day, max: 0 }),
    }), { selector: ({ queue }) => queue })
    fc.assert(fc.property(queues, fc.gen(), (list, gen) => {
      const shuffled = gen(fc.shuffledSubarray<Waiting>, list, { minLength: list.length })
      expect(sendingOrder(shuffled, 0)).toEqual(sendingOrder(list, 0))
    }))
  })
})
