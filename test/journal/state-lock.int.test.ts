import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { afterEach, beforeEach, expect, test } from 'vitest'

import { lockState } from '../../src/journal/state-lock.ts'
import { readSettings, updateSettings, watchSettings } from '../../src/journal/settings.ts'

let folder: string
const children: ChildProcess[] = []
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'sluice-')) })
afterEach(async () => {
  for (const child of children.splice(0)) await end(child)
  rmSync(folder, { recursive: true })
})

/** Starts holder.ts and waits for its one line. */
async function start(...parameters: string[]): Promise<{ child: ChildProcess, line: string }> {
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, 'holder.ts'), ...parameters],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  children.push(child)
  const [line] = await once(createInterface(child.stdout), 'line') as [string]
  return { child, line }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

test('a second service on a state folder is refused and told the pid of the first', async () => {
  const { child } = await start('lock', folder)
  expect(() => lockState(folder, 0)).toThrow(expect.objectContaining({
    code: 'state-locked',
    data: { stateFolder: folder, pid: child.pid },
  }))
  expect(JSON.parse(readFileSync(join(folder, 'service.json'), 'utf8'))).toEqual({
    pid: child.pid,
    startedAt: expect.any(Number) as number,
  })
  expect(statSync(join(folder, 'service.lock.sqlite')).mode & 0o077).toBe(0)
})

test('a holder that is killed frees the lock at once, and its stale service.json does not matter', async () => {
  const { child } = await start('lock', folder)
  await end(child)
  expect(existsSync(join(folder, 'service.json'))).toBe(true)
  using lock = lockState(folder, 0)
  expect(lock).toBeDefined()
  expect(JSON.parse(readFileSync(join(folder, 'service.json'), 'utf8'))).toEqual({ pid: process.pid, startedAt: 0 })
})

test('a holder that is stopped keeps the lock', async () => {
  const { child } = await start('lock', folder)
  child.kill('SIGSTOP')
  expect(() => lockState(folder, 0)).toThrow(expect.objectContaining({ code: 'state-locked' }))
})

test('of ten that start at once exactly one wins', async () => {
  const started = await Promise.all(Array.from({ length: 10 }, () => start('lock', folder)))
  const lines = started.map(({ line }) => line)
  expect(lines.filter((line) => line === 'held')).toHaveLength(1)
  expect(lines.filter((line) => line.startsWith('state-locked: '))).toHaveLength(9)
})

test('the lock is one per process too, and giving it back frees it and takes the note away', () => {
  const first = lockState(folder, 0)
  expect(() => lockState(folder, 0)).toThrow(expect.objectContaining({ code: 'state-locked' }))
  first[Symbol.dispose]()
  expect(existsSync(join(folder, 'service.json'))).toBe(false)
  lockState(folder, 0)[Symbol.dispose]()
})

test('a garbled note or lock file is an error that names the file, never a lock that is not held', () => {
  writeFileSync(join(folder, 'service.json'), '{"pid":"x"')
  using lock = lockState(folder, 0)
  expect(lock).toBeDefined()
  writeFileSync(join(folder, 'service.json'), '{"pid":"x"')
  expect(() => lockState(folder, 0)).toThrow(`Another process is already running on ${folder}.`)
  const other = mkdtempSync(join(folder, 'other-'))
  writeFileSync(join(other, 'service.lock.sqlite'), 'no database, but long enough to have a header'.repeat(9))
  expect(() => lockState(other, 0)).toThrow(expect.objectContaining({ code: 'state-unusable' }))
})

test('updates from several processes at once all count', async () => {
  await Promise.all(Array.from({ length: 4 }, () => start('count', folder, '25')))
  expect(readSettings(folder).pause?.since).toBe(100)
})

test('a process killed amid updates strands no lock and damages nothing', async () => {
  for (let round = 0; round < 3; round++) {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'holder.ts'), 'count', folder, '100000'],
      { stdio: 'ignore' },
    )
    children.push(child)
    const before = readSettings(folder).pause?.since ?? 0
    while ((readSettings(folder).pause?.since ?? 0) < before + 5) await new Promise((resolve) => setImmediate(resolve))
    await end(child)
    const since = readSettings(folder).pause?.since ?? 0
    expect(updateSettings(folder, (old) => ({ ...old, pause: { since: since + 1, captures: 'hold' } })).pause?.since).toBe(since + 1)
  }
})

test('a watcher hears of a change by another process, and of none after it is disposed of', async () => {
  let calls = 0
  const heard = new Promise<void>((resolve) => {
    const watcher = watchSettings(join(folder, 'state'), () => {
      calls++
      watcher[Symbol.dispose]()
      resolve()
    })
  })
  await start('count', join(folder, 'state'), '2')
  await heard
  expect(readSettings(join(folder, 'state')).pause?.since).toBe(2)
  expect(calls).toBe(1)
})
