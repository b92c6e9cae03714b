import { expect, test } from 'vitest'
import { includes } from '../../src/capture/globs.ts'

const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')

test.each([
  [[], '.hidden/\n\xff', true],
  [['**'], 'a/.hidden', true],
  [['*.jsonl'], 'a.jsonl', true],
  [['*.jsonl'], 'a/b.jsonl', false],
  [['**/*.jsonl'], 'a/b.jsonl', true],
  [['**/*.jsonl'], 'b.jsonl', true],
  [['*'], '.hidden', false],
  [['.*'], '.hidden', true],
  [['a?c'], 'abc', true],
  [['a?c'], latin1('aüc'), true],
  [['größe*'], latin1('größe.log'), true],
  [['*.{png,jpg}'], 'a.jpg', true],
  [['*.{png,jpg}'], 'a.gif', false],
  [['*.png', '*.gif'], 'a.gif', true],
  [['a*'], 'a\n\xff', true],
  [['*.log'], 'b.log\n', false],
])('%j over %j: %j', (globs, key, matches) => {
  expect(includes(globs)(key)).toBe(matches)
})
