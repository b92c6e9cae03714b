import { expect, test } from 'vitest'
import { Names } from '../../../src/compress/json-lines/names.ts'
import { Random } from '../../pack/mutate.ts'

test('names are numbered by tag, and forgotten as if they had never been learned', () => {
  for (let seed = 0; seed < 30; seed++) {
    const random = new Random(seed)
    const pool = Buffer.from('abcdefghij'.repeat(40))
    const names = new Names(pool)
    /** What was learned, in order, as `tag text`. */
    const learned: string[] = []
    const nameOf = (tag: number, start: number, end: number): string => `${tag} ${pool.toString('latin1', start, end)}`
    const numberOf = (name: string): number => learned.filter(each => each.split(' ')[0] === name.split(' ')[0]).indexOf(name)
    for (let step = 0; step < 3000; step++) {
      const [tag, start] = [random.below(3), random.below(300)]
      const end = start + random.below(90)
      const name = nameOf(tag, start, end)
      expect(names.find(tag, start, end), `seed ${seed}, step ${step}`).toBe(numberOf(name))
      if (random.below(2) === 0) {
        if (!learned.includes(name)) learned.push(name)
        expect(names.learn(tag, start, end)).toBe(numberOf(name))
      }
      if (random.below(60) === 0) {
        learned.splice(random.below(learned.length + 1))
        names.forget(learned.length)
      }
      expect(names.count).toBe(learned.length)
    }
  }
})

test('learning and forgetting can go on for ever', () => {
  const pool = Buffer.from(Array.from({ length: 4000 }, (_, n) => String(n).padStart(4, '0')).join(''))
  const names = new Names(pool)
  for (let round = 0; round < 20; round++) {
    for (let at = 0; at < pool.length; at += 4) names.learn(round, at, at + 4)
    names.forget(0)
    expect(names.find(round, 0, 4)).toBe(-1)
  }
})
