import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { statFields } from '../../bench/lib/measure.ts'
import { selectByName } from '../../bench/lib/peers.ts'
import { contextSwitches } from '../../bench/lib/procfs.ts'
import { parseSize } from '../../bench/lib/program.ts'
import { ratio, table } from '../../bench/lib/table.ts'

describe('tables', () => {
  test('every line fits 80 columns or the table is refused', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', '1', ' ', '×'), maxLength: 24 })
    fc.assert(fc.property(fc.array(fc.array(cell, { minLength: 5, maxLength: 5 }), { minLength: 1, maxLength: 6 }), (rows) => {
      let text: string
      try { text = table(['a', 'b', 'c', 'd', 'e'], rows) } catch { return }
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    }))
    expect(() => table(['x'.repeat(81)], [])).toThrow(/81 columns wide/)
  })

  test('numbers are aligned at the right, names at the left', () => {
    expect(table(['', 'n'], [['one', '1'], ['x', '100']])).toBe('       n\n---  ---\none    1\nx    100')
  })

  test('a ratio without a reference is a dash', () => {
    expect([ratio(3, 2), ratio(3, undefined), ratio(undefined, 2)]).toEqual(['1.50×', '–', '–'])
  })
})

describe('--only', () => {
  const all = [{ name: 'restic' }, { name: 'restic-max', onRequest: true as const }, { name: 'borg-3' }, { name: 'borg-19' }]
  const select = (only?: string): string[] => selectByName(all, only).map(({ name }) => name)

  test('selects by name or family, and on-request contenders by their full name alone', () => {
    expect(select()).toEqual(['restic', 'borg-3', 'borg-19'])
    expect(select('borg')).toEqual(['borg-3', 'borg-19'])
    expect(select('borg-19, restic')).toEqual(['restic', 'borg-19'])
    expect(select('restic-max')).toEqual(['restic-max'])
  })

  test('an unknown name is refused with the names there are', () => {
    expect(() => select('tar')).toThrow(/--only tar: there are restic, restic-max/)
  })
})

test('sizes are read in decimal and binary units, anything else is refused', () => {
  expect(['2GiB', '64 MiB', '1.5MB', '1000'].map(parseSize)).toEqual([2 ** 31, 2 ** 26, 1_500_000, 1000])
  for (const wrong of ['', 'two', '-1MB', '5XB']) expect(() => parseSize(wrong)).toThrow(/is no size/)
})

test('the fields of /proc/PID/stat are found behind any process name', () => {
  const [state, parent] = statFields('12 (a) (b) c) S 1 12')
  expect([state, parent]).toEqual(['S', '1'])
})

test('both kinds of context switches are counted', () => {
  expect(contextSwitches('Name:\tx\nvoluntary_ctxt_switches:\t40\nnonvoluntary_ctxt_switches:\t2\n')).toBe(42)
})
