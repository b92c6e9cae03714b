import { readFileSync } from 'node:fs'

import Ajv from 'ajv'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { checkConfig, checkPolicy } from '../../config/parse.ts'
import { wrongTexts } from './mutations.ts'
import { environment, smallest } from './sample.ts'

const read = (name: string): string => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8')

function validator(name: string): (text: string) => boolean {
  const validate = new Ajv().compile(JSON.parse(read(name)) as object)
  // As editors read it: YAML 1.2.
  return (text) => validate(parse(text, { version: '1.2', schema: 'core' })) === true
}

const isConfig = validator('schema.json')
const isPolicy = validator('policy-schema.json')
const isTaken = (text: string): boolean => !('problems' in checkConfig(text, 'c', environment))

/** Each of them is right in a config. */
const lines = [
  'device: 17', 'device: a.b-c_d', 'effort: 19', 'effort: "3"', 'timeZone: Europe/Berlin', 'caps: []', 'windows: []', 'exemptions: [{ because: no-charger, streams: [notes], until: 2026-12-31 }]',
  'caps: [{ limit: 5GiB, per: month, resetDay: 31, pace: true }]', 'caps: [{ limit: 4000000, per: rolling, days: 30, on: metered }]', 'caps: [{ limit: 1.5 MB, per: day, stream: notes, network: home }]',
  'caps: [{ limit: "500 kb", per: week, pace: no }]', 'power: { sendAboveBattery: 40, lowBattery: 5 %, onPowerSaver: trickle }', 'power: {}', 'seal: { size: 65536, age: 1h30m }', 'seal: { age: 5 minutes }',
  'rate: { max: 1MB/s, trickle: 5 kB/s, yield: TRUE }', 'windows: [{ days: "fri-mon,wed", from: "9:00", to: "17:30" }]', 'plan: { limit: 50 GB, keep: 20% }', 'connection: { http2: "yes", direct: false }',
  `connection: { pin: sha256/${'A'.repeat(43)}= }`, 's3: { region: eu-central-1, partSize: 8 MiB }', 'conditions: { power: mains, network: offline }',
] as const

describe('the schema for editors', () => {
  test('takes the examples', () => {
    expect(isConfig(read('example.yaml'))).toBe(true)
    expect(isPolicy(read('policy-example.yaml'))).toBe(true)
    expect(isConfig(smallest)).toBe(true)
    expect(isPolicy('streams: [{ name: screens, optional: yes }]\npause: { longest: 8h }')).toBe(true)
  })

  test.each(lines)('takes what Sluice takes: %s', (line) => {
    expect(isTaken(`${smallest}${line}\n`)).toBe(true)
    expect(isConfig(`${smallest}${line}\n`)).toBe(true)
    expect(checkPolicy({ file: 'p', text: line }, environment)).toEqual([])
    expect(isPolicy(line)).toBe(true)
  })

  test('never refuses what Sluice takes', () => {
    const value = fc.oneof(fc.string({ maxLength: 12 }), fc.integer(), fc.boolean(), fc.constantFrom('5 GB', '1h', '40%', 'yes', 'free', '20:00', 'mon-fri', '1 kB/s', 'UTC'))
    const key = fc.constantFrom(...lines.map((line) => /^\w+(: \{ \w+)?/.exec(line)?.[0] ?? ''))
    let taken = 0
    fc.assert(fc.property(key, value, (name, written) => {
      const text = `${smallest}${name}: ${JSON.stringify(written)}${name.includes('{') ? ' }' : ''}\n`
      if (!isTaken(text)) return
      taken++
      expect(isConfig(text)).toBe(true)
    }), { numRuns: 3000 })
    expect(taken).toBeGreaterThan(30)
  })

  test('refuses unknown and missing keys, other kinds of values, and keys of policies in a config', () => {
    const marked = wrongTexts(read('example.yaml')).filter(({ text }) => {
      try {
        return !isConfig(text)
      } catch {
        return true // no YAML at all
      }
    })
    expect(marked.length).toBeGreaterThan(wrongTexts(read('example.yaml')).length * 0.9)
    expect(isConfig(smallest.replace('purpose', 'porpoise'))).toBe(false)
    expect(isConfig(smallest.replace(/ +purpose.*\n/, ''))).toBe(false)
    expect(isConfig(`${smallest}pause: { longest: 8h }\n`)).toBe(false)
  })
})
