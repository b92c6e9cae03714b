/**
 * Log files where the disk, the folder or the process fails. Model: a full disk is a small tmpfs, filled by another file; a killed
 * process leaves half a line; days go by as files with the names of former days. Not modelled: a disk that loses what was synced.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { checkLine } from '../../src/observe/log/line.ts'
import { openLog } from '../../src/observe/log/log.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { memoryOutput } from './memory-output.ts'

const isRoot = process.getuid?.() === 0 && process.platform === 'linux'
const sent = (seq: number): SluiceEvent => ({ event: 'pack.sent', seq, packBytes: 1 })
const today = () => `${new Date().getFullYear()}-${String(new Date().getMonth() + 1).padStart(2, '0')}-${String(new Date().getDate()).padStart(2, '0')}`

interface Place {
  readonly folder: string
  readonly maxBytes?: number
  readonly keep?: number
}

async function open({ folder, maxBytes = 64 << 10, keep = 3 }: Place) {
  const beside = memoryOutput()
  let elapsedMs = 0
  const log = await openLog({
    device: 'laptop-1', version: '1', format: 'json', captureFolders: [], now: Date.now, outputs: [{ output: beside, level: 'debug' }],
    files: { folder, maxBytes, keep, level: 'info', monotonic: () => elapsedMs },
  })
  onTestFinished(() => log.close())
  return { ...log, beside, wait: (ms: number) => { elapsedMs += ms } }
}

const filesIn = (folder: string): string[] => readdirSync(folder).sort()
const linesIn = (folder: string): string[] => filesIn(folder).flatMap((name) => readFileSync(join(folder, name), 'utf8').split('\n')).filter((line) => line !== '')
const seqsIn = (folder: string): number[] => linesIn(folder).flatMap((line) => checkLine(line).length === 0 ? [(JSON.parse(line) as { seq?: number }).seq ?? -1] : [])
const turn = () => new Promise((resolve) => setImmediate(resolve))

test('files stay as many and as small as was asked for, and the newest lines are in them', { timeout: 60_000 }, async () => {
  const folder = join(await temporaryFolder(), 'log')
  const log = await open({ folder, maxBytes: 64 << 10, keep: 3 })
  for (let seq = 1; seq <= 4000; seq++) {
    log.emit(sent(seq))
    if (seq % 10 === 0) await turn()
  }
  await vi.waitFor(() => expect(filesIn(folder)).toHaveLength(3), { timeout: 20_000 })
  for (const name of filesIn(folder)) expect(statSync(join(folder, name)).size).toBeLessThan((64 << 10) + 4096)
  expect(Math.max(...seqsIn(folder))).toBe(4000)
  expect(statSync(folder).mode & 0o007).toBe(0)
})

test('a start each day, and never a full file, leaves no more files either', async () => {
  const folder = await temporaryFolder()
  for (let day = 1; day <= 20; day++) writeFileSync(join(folder, `sluice.2020-01-${String(day).padStart(2, '0')}.1.log`), '')
  writeFileSync(join(folder, 'notes.txt'), 'not ours')
  const log = await open({ folder, keep: 3 })
  log.emit(sent(1))
  expect(filesIn(folder)).toEqual(['notes.txt', 'sluice.2020-01-19.1.log', 'sluice.2020-01-20.1.log', `sluice.${today()}.1.log`])
})

test('after half a line, which a killed process leaves, whole lines go on', async () => {
  const folder = await temporaryFolder()
  const first = await open({ folder })
  first.emit(sent(1))
  first.close()
  const [name = ''] = filesIn(folder)
  appendFileSync(join(folder, name), '{"level":"info","time":"2026-')
  const second = await open({ folder })
  second.emit(sent(2))
  expect(seqsIn(folder)).toEqual([1, 2])
})

test('a folder that cannot be made is told of elsewhere, and tried again after a minute', async () => {
  const parent = await temporaryFolder()
  writeFileSync(join(parent, 'log'), 'in the way')
  const log = await open({ folder: join(parent, 'log') })
  log.emit(sent(1))
  expect(log.beside.lines.map((line) => JSON.parse(line) as SluiceEvent)).toMatchObject([{ event: 'log.failed', errno: 'EEXIST' }, { event: 'pack.sent' }])
  rmSync(join(parent, 'log'))
  log.wait(60_000)
  log.emit(sent(2))
  await vi.waitFor(() => expect(existsSync(join(parent, 'log'))).toBe(true), { timeout: 20_000 })
  await turn()
  await vi.waitFor(() => {
    log.emit(sent(3))
    expect(linesIn(join(parent, 'log')).join()).toMatch(/"log\.lost".*"lines":\d.*"seq":3/s)
  }, { timeout: 20_000 })
})

test.skipIf(!isRoot)('a full disk stops nobody, and lines go on when there is room again (skipped where a tmpfs cannot be mounted)', { timeout: 60_000 }, async (context) => {
  const folder = join(await temporaryFolder(), 'small')
  mkdirSync(folder)
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'none', folder]).status !== 0) return context.skip('no tmpfs here')
  try {
    const log = await open({ folder, maxBytes: 128 << 10 })
    log.emit(sent(1))
    spawnSync('dd', ['if=/dev/zero', `of=${join(folder, 'fill')}`, 'bs=4096'])
    for (let seq = 2; seq <= 200; seq++) log.emit(sent(seq))
    expect(log.beside.lines.filter((line) => line.includes('"log.failed"')).map((line) => JSON.parse(line) as SluiceEvent)).toMatchObject([{ errno: 'ENOSPC' }])
    expect(log.beside.lines.join()).toContain('"seq":200')
    rmSync(join(folder, 'fill'))
    log.wait(60_000)
    await vi.waitFor(() => {
      log.emit(sent(201))
      expect(linesIn(folder).join('\n')).toMatch(/"log\.lost".*"seq":201/s)
    }, { timeout: 20_000 })
    log.close()
  } finally {
    spawnSync('umount', ['-l', folder])
  }
})
