// Model: a valid config and a valid set of policies, of which one file is changed in one place so that it cannot be right: a key
// that does not exist, a value of another kind, nothing, an alias of nothing. Claim: the whole set is refused, with a problem
// in that file and line that names the key and says what is allowed; nothing throws. And a running service that looks at
// such files, right ones between them, is always told of exactly one set: the last that was right, never a part of another.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import fc from 'fast-check'
import { expect, test } from 'vitest'

import { checkEffective } from '../../config/load.ts'
import { checkWithPolicies } from '../../config/parse.ts'
import { Reload } from '../../daemon/reload.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { wrongTexts } from './mutations.ts'
import type { Wrong } from './mutations.ts'
import { environment } from './sample.ts'

const read = (name: string): string => readFileSync(new URL(`../../config/${name}`, import.meta.url), 'utf8')

/** The config, then its policies in order. */
const files = [
  { file: '/c.yaml', text: read('example.yaml') },
  { file: '/it/10-fleet.yaml', text: read('policy-example.yaml') },
  { file: '/it/20-site.yaml', text: 'streams:\n  - { name: screens, optional: yes, networks: [free], priority: low }\nrate:\n  max: 400 kB/s\nconditions: { power: mains }\n' },
] as const

const wrong: readonly (Wrong & { readonly at: number })[] = files.flatMap(({ text }, at) => wrongTexts(text).map((each) => ({ ...each, at })))

function check(texts: readonly string[]) {
  const [config = '', ...policies] = texts
  return checkWithPolicies({ file: files[0].file, text: config }, policies.map((text, index) => ({ file: files[index + 1]?.file ?? '', text })), environment)
}

test('the set that is changed is valid', () => {
  expect(check(files.map(({ text }) => text))).toHaveProperty('config')
})

test(`${wrong.length} wrong sets are refused where they are wrong`, () => {
  expect(wrong.length).toBeGreaterThan(1000)
  const missed: string[] = []
  for (const { at, text, line, what } of wrong) {
    const checked = check(files.map((file, index) => index === at ? text : file.text))
    const problems = 'problems' in checked ? checked.problems : []
    const isNamed = problems.some((problem) => problem.file === files[at]?.file && problem.line === line && problem.key !== '' && /\S/.test(problem.allowed))
    if (!isNamed) missed.push(`${files[at]?.file}:${line} ${what}: ${JSON.stringify(problems.slice(0, 2))}`)
  }
  expect(missed).toEqual([])
})

test('a service that looks at sets, right and wrong, is given whole ones, and is told of each that is wrong', { timeout: 120_000 }, async () => {
  const folder = await temporaryFolder()
  const policyFolder = join(folder, 'policy.d')
  mkdirSync(policyFolder, { mode: 0o755 })
  const paths = [join(folder, 'c.yaml'), join(policyFolder, '10-fleet.yaml'), join(policyFolder, '20-site.yaml')] as const
  const write = (at: number, text: string): void => { writeFileSync(paths[at] ?? '', text, { mode: 0o644 }) }
  const effort = (value: number): string => files[0].text.replace(/^effort: \d+$/m, `effort: ${value}`)
  const trickle = (value: number): string => files[2].text.replace('400 kB/s', `${400 + value} kB/s`)
  const step = fc.oneof(
    fc.record({ right: fc.constant(true as const), value: fc.integer({ min: 1, max: 19 }) }),
    fc.record({ right: fc.constant(false as const), value: fc.nat({ max: wrong.length - 1 }) }),
  )
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
    files.forEach(({ text }, at) => write(at, text))
    const loaded = await checkEffective(paths[0], policyFolder)
    if ('problems' in loaded) throw new Error(JSON.stringify(loaded.problems))
      const told: SluiceEvent[] = []
    const { signal } = new AbortController()
    using reload = await Reload.start({ loaded, policyFolder }, (event) => told.push(event))
    let expected = loaded.config
    for (const { right, value } of steps) {
      if (right) {
        write(0, effort(value))
        write(2, trickle(value))
        const now = await checkEffective(paths[0], policyFolder)
        if ('problems' in now) throw new Error(JSON.stringify(now.problems))
        expected = now.config
        expect([expected.effort, expected.rate.maxBytesPerSecond]).toEqual([value, 400_000 + value * 1000])
        await reload.look()
        expect(told).toEqual([])
      } else {
        // Something that is right in the same moment must not be taken alone.
        write(0, effort(1))
        write(wrong[value]?.at ?? 0, wrong[value]?.text ?? '')
        await reload.look()
        expect(told.splice(0)).toMatchObject([{ event: 'config.refused', file: paths[wrong[value]?.at ?? 0] }])
        files.forEach(({ text }, at) => write(at, text))
        write(0, effort(Number(expected.effort)))
        write(2, expected.rate.maxBytesPerSecond === 400_000 ? files[2].text : trickle(Number(expected.effort)))
        await reload.look()
      }
      expect(reload.begin(signal).config).toEqual(expected)
    }
  }), { numRuns: 30 })
})
