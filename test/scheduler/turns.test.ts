import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Turns } from '../../src/scheduler/turns.ts'

/** A loop that takes one turn at a time, as the test says. */
function loop() {
  const turns = new Turns(() => 0)
  const told: string[] = []
  return {
    turns, told,
    ask: (name: string) => void turns.next().then(() => told.push(name)),
    begin: () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const taken = turns.take(() => promise)
      return {
        end: async () => {
          resolve()
          await taken
          await setImmediate()
        },
        fail: async () => {
          reject(new Error('turn'))
          await expect(taken).rejects.toThrow('turn')
          await setImmediate()
        },
      }
    },
  }
}

test('who asks before a turn hears of it when it has ended, not when it begins', async () => {
  const { ask, begin, told } = loop()
  ask('early')
  const turn = begin()
  await setImmediate()
  expect(told).toEqual([])
  await turn.end()
  expect(told).toEqual(['early'])
})

test('who asks during a turn hears of the next one, which begins without rest', async () => {
  const { ask, begin, told, turns } = loop()
  const turn = begin()
  ask('late')
  await turn.end()
  expect(told).toEqual([])
  await turns.restUntil(Infinity)
  await begin().end()
  expect(told).toEqual(['late'])
})

test('nobody hears of a turn that failed', async () => {
  const { ask, begin, told } = loop()
  ask('anybody')
  await begin().fail()
  expect(told).toEqual([])
})

test('a loop that rests is woken by who asks, and by the time', async () => {
  const { ask, begin, told, turns } = loop()
  const rest = turns.restUntil(Infinity)
  ask('sleeper')
  await rest
  await begin().end()
  expect(told).toEqual(['sleeper'])
  await turns.restUntil(1)
})
