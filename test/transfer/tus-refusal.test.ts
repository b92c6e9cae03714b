import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { refusalOf } from '../../src/transfer/refusal.ts'

const hash = 'a'.repeat(64)
const of = (body: unknown, status = 409) => refusalOf({ status, text: typeof body === 'string' ? body : JSON.stringify(body) })

describe('a refusal', () => {
  test('is read with its message and head', () => {
    expect(of({ code: 'log-gap', message: 'Not next.', head: { seq: 3, hash } })).toEqual({ code: 'log-gap', message: 'Not next.', head: { seq: 3, hash } })
    expect(of({ code: 'log-gap', head: null })).toEqual({ code: 'log-gap' })
  })

  test('has a message of one line that a terminal can show', () => {
    expect(of({ code: 'x', message: ' a\u001b[31m\n\u202eb\0 ' })?.message).toBe('a [31m b')
    expect(of({ code: 'x', message: 'y'.repeat(5000) })?.message).toHaveLength(300)
  })

  test.each([
    '', 'null', '[]', '7', '"log-gap"', '{', '<html>', '{}', '{"code":7}', '{"code":""}', '{"code":"Log Gap"}', '{"code":"\\u001b[31m"}', `{"code":"${'x'.repeat(65)}"}`,
  ])('is not found in %j', (text) => {
    expect(of(text)).toBeUndefined()
  })

  test('is none in an answer that succeeds', () => {
    expect(of({ code: 'log-gap' }, 200)).toBeUndefined()
  })

  test.each([{ seq: 0, hash }, { seq: 1.5, hash }, { seq: '1', hash }, { seq: 1, hash: '../x' }, { seq: 1 }, 'x', 7, []])('whose head is %j has none', (head) => {
    expect(of({ code: 'log-gap', head })).toEqual({ code: 'log-gap' })
  })

  test('of any text or JSON is read or not, and never fails', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => { of(text) }))
    fc.assert(fc.property(fc.jsonValue(), fc.jsonValue(), (message, head) => {
      expect(of({ code: 'log-gap', message, head })?.code).toBe('log-gap')
    }))
  })
})
