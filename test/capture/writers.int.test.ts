import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { factsOf } from '../../src/capture/facts.ts'
import type { FileFacts } from '../../src/capture/take.ts'
import { openForWriting } from '../../src/capture/writers.ts'

let base = ''
let proc = ''

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'sluice-'))
  proc = join(base, 'proc')
  mkdirSync(proc)
})

afterEach(() => rmSync(base, { recursive: true }))

const facts = (name: string): FileFacts => factsOf(statSync(join(base, name), { bigint: true }))
const later = (): number => Date.now() + 1_000

test.skipIf(process.platform !== 'linux')('tells files open for writing from files closed or open for reading', async () => {
  symlinkSync('/proc/self', join(proc, '1'))
  for (const name of ['closed', 'read']) writeFileSync(join(base, name), 'x')
  const open = [openSync(join(base, 'written'), 'w'), openSync(join(base, 'appended'), 'a'), openSync(join(base, 'read'), 'r')]
  const writers = await openForWriting(later, proc)
  const verdicts = ['closed', 'read', 'written', 'appended'].map((name) => writers.closed(facts(name)))
  open.forEach((fd) => closeSync(fd))
  expect(verdicts).toEqual([true, true, false, false])
})

test.skipIf(process.platform !== 'linux')('a file that changed after the look began is not proven closed', async () => {
  symlinkSync('/proc/self', join(proc, '1'))
  writeFileSync(join(base, 'closed'), 'x')
  expect((await openForWriting(() => Date.now() - 1_000, proc)).closed(facts('closed'))).toBe(false)
})

test.skipIf(process.platform !== 'linux')('nothing is proven when a process hides its files, or processes are hidden', async () => {
  writeFileSync(join(base, 'closed'), 'x')
  mkdirSync(join(proc, '2'))
  symlinkSync('/proc/self', join(proc, '3'))
  expect((await openForWriting(later, proc)).closed(facts('closed'))).toBe(false)
  symlinkSync('/proc/self', join(proc, '1'))
  writeFileSync(join(proc, '2', 'fd'), 'not a folder')
  expect((await openForWriting(later, proc)).closed(facts('closed'))).toBe(false)
})
