import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { formatBytes, formatDuration, parseBytes, parseClock, parseDuration, parsePercent } from '../../config/units.ts'

describe('sizes', () => {
  test.each([
    ['5 GB', 5e9], ['5 GiB', 5 * 2 ** 30], ['500 kB', 500_000], ['500kb', 500_000], ['4096', 4096], ['1.5 MB', 1_500_000],
    ['0.1 KiB', 102], ['1 byte', 1], ['12 B', 12], ['2 TB', 2e12],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  test.each([
    '', ' ', 'GB', '-1', '-5 GB', '+5 GB', '5 Gb', '5 Mb', '5  GB', '5 GB/month', '1e9', '0x10', '.5 GB', '5. GB', '1,5 GB', 'NaN',
    'Infinity', '5 XB', '9007199254740992', '9008 TB', '1'.repeat(60), `${'1'.repeat(100)} GB`, '５ GB', '5\nGB',
  ])('%j is refused', (text) => {
    expect(parseBytes(text)).toBeUndefined()
  })

  test('every safe whole number of bytes reads back, in every unit', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 9_000_000 }), fc.constantFrom(['kB', 1e3], ['MiB', 2 ** 20], ['B', 1], ['', 1]), (count, [unit, factor]) => {
      expect(parseBytes(`${count} ${unit}`.trim())).toBe(count * Number(factor))
    }))
  })

  test('no text gives anything but undefined or a safe size that is not negative', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'0123456789. -+eEkKMGTiBb') }), (text) => {
      const bytes = parseBytes(text)
      expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true)
    }))
  })

  test('a size for people is short and within 5 % of the truth', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }), (bytes) => {
      const text = formatBytes(bytes)
      expect(text).toMatch(/^\d{1,4}(\.[1-9])? (B|kB|MB|GB|TB|PB)$/)
      const [amount, unit] = text.split(' ')
      const factor = 1000 ** ['B', 'kB', 'MB', 'GB', 'TB', 'PB'].indexOf(unit ?? '')
      expect(Math.abs(Number(amount) * factor - bytes)).toBeLessThanOrEqual(bytes * 0.05)
    }))
    expect([0, 999, 1000, 12_345_678, 999_949, 999_950, 5e9].map(formatBytes))
      .toEqual(['0 B', '999 B', '1 kB', '12.3 MB', '999.9 kB', '1 MB', '5 GB'])
  })
})

describe('durations', () => {
  test.each([
    ['30m', 1_800_000], ['2h', 7_200_000], ['5 minutes', 300_000], ['1h30m', 5_400_000], ['1 h 30 min', 5_400_000], ['2s', 2000],
    ['250ms', 250], ['2d', 172_800_000], ['1 week', 604_800_000], ['0s', 0],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms)
  })

  test.each(['', '5', 'm', '-5m', '1.5h', '30m1h', '5m5m', '5 fortnights', '1h-30m', '99999999999999999w', '1H', `${'1'.repeat(70)}s`])('%j is refused', (text) => {
    expect(parseDuration(text)).toBeUndefined()
  })

  test('what is shown reads back as the same duration or less, by less than the smaller unit shown', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (ms) => {
      const back = parseDuration(formatDuration(ms))
      expect(back).toBeLessThanOrEqual(ms)
      expect(ms - (back ?? 0)).toBeLessThanOrEqual(ms * 0.5)
      expect(formatDuration(back ?? 0)).toBe(formatDuration(ms))
    }))
  })

  test('any order but larger to smaller, or a unit twice, is refused', () => {
    const units = ['w', 'd', 'h', 'm', 's', 'ms']
    fc.assert(fc.property(fc.array(fc.nat({ max: 5 }), { minLength: 2, maxLength: 4 }), (indexes) => {
      const ordered = indexes.every((unit, at) => at === 0 || unit > (indexes[at - 1] ?? 0))
      expect(parseDuration(indexes.map((unit) => `3${units[unit]}`).join('')) !== undefined).toBe(ordered)
    }))
  })
})

test('percent is whole and at most 100, with or without the sign', () => {
  fc.assert(fc.property(fc.integer({ min: -20, max: 1200 }), fc.constantFrom('', '%', ' %'), (percent, sign) => {
    expect(parsePercent(`${percent}${sign}`)).toBe(percent >= 0 && percent <= 100 ? percent : undefined)
  }))
  expect(['0.4', '40.5%', '%', '', '1e1'].map(parsePercent)).toEqual(Array(5).fill(undefined))
})

test('a time of day is every minute of 24 hours and nothing else', () => {
  for (let minute = 0; minute < 1440; minute++) {
    expect(parseClock(`${Math.floor(minute / 60)}:${String(minute % 60).padStart(2, '0')}`)).toBe(minute)
  }
  expect(['24:00', '12:60', '6pm', '1800', '18:0', ''].map(parseClock)).toEqual(Array(6).fill(undefined))
})
