import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { type Finished, json, root, runProcess } from '../../cli/run.ts'
import { dayMs, hourMs, monday, plainLine } from './lines.ts'

interface Folder extends Disposable {
  readonly path: string
  write(name: string, content: string | Buffer): string
}

function folder(): Folder {
  const path = mkdtempSync(join(tmpdir(), 'sluice-'))
  return {
    path,
    write: (name, content) => {
      mkdirSync(join(path, name, '..'), { recursive: true })
      writeFileSync(join(path, name), content)
      return join(path, name)
    },
    [Symbol.dispose]: () => { rmSync(path, { recursive: true }) },
  }
}

const launcher = join(root, 'cli/launch.mjs')
const until = '2026-11-22'

function sluice(...parameters: string[]): Promise<Finished> {
  return runProcess(process.execPath, [launcher, 'report', '--until', until, ...parameters], { TZ: 'UTC' })
}

/** Two days of a device; 48 hours with 1 MB sent each. */
function hours(device: string, from = 0, to = 48): string {
  return Array.from({ length: to - from }, (_, at) => `${plainLine(device, monday + (from + at) * hourMs, { capturedBytes: 2e7, sentBytes: 1e6 })}\n`).join('')
}

interface Shape {
  readonly version: number
  readonly devices: number
  readonly totals: { readonly sentBytes: number }
  readonly read: { readonly files: number, readonly summaries: number, readonly counted: number, readonly unreadableLines: number }
}

describe('sluice report', () => {
  test('reads folders, rotated and compressed logs; nothing counts twice', async () => {
    using box = folder()
    box.write('a/sluice.2026-11-16.1.log', hours('a', 0, 24))
    box.write('a/sluice.log.2.gz', gzipSync(hours('a', 20, 40)))
    box.write('b/deep/b.ndjson.zst', Buffer.concat([zstdCompressSync(hours('b', 0, 30)), zstdCompressSync(hours('b', 30, 48))]))
    box.write('b/notes.txt', hours('x'))
    const named = box.write('c', Buffer.concat([gzipSync(hours('a', 0, 44)), gzipSync(hours('a', 44, 48))]))
    symlinkSync(box.path, join(box.path, 'a/loop'))
    const { version, devices, totals, read } = json(await sluice(box.path, named, named, '--json')) as Shape
    expect({ version, devices, sent: totals.sentBytes, files: read.files, counted: read.counted }).toEqual({ version: 1, devices: 2, sent: 96e6, files: 4, counted: 96 })
  })

  test('reads standard input, also packed', async () => {
    for (const input of [Buffer.from(hours('a')), gzipSync(hours('a'))]) {
      const child = spawn(process.execPath, [launcher, 'report', '-', '--until', until, '--json'], { stdio: ['pipe', 'pipe', 'inherit'] })
      let stdout = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
      child.stdin.end(input)
      await new Promise((resolve) => { child.on('close', resolve) })
      expect((JSON.parse(stdout) as Shape).totals.sentBytes).toBe(48e6)
    }
  })

  test('prints tables of at most 80 columns and writes a page', async () => {
    using box = folder()
    const log = box.write('fleet.log', Array.from({ length: 30 }, (_, device) => hours(`${'long-name-'.repeat(9)}${device}`)).join(''))
    const page = join(box.path, 'report.html')
    const { code, stdout, stderr } = await sluice(log, '--html', page, '--silent-after', '1h')
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^Mon 16 Nov 2026 to Tue 17 Nov 2026: 30 devices, 1,440 summaries\.\n/)
    expect(stdout.split('\n').filter((line) => line.length > 80 && !line.includes(page))).toEqual([])
    expect(readFileSync(page, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/)
  })

  test('counts what comes before the cut of a file, and says what it could not read', async () => {
    using box = folder()
    const log = Array.from({ length: 400 }, (_, device) => hours(`d${device}-${Math.sin(device)}`)).join('')
    const packed = gzipSync(log)
    const cut = box.write('cut.log.gz', packed.subarray(0, packed.length / 2))
    const plain = box.write('plain.log', `${hours('a')}no json\n{"event":"upload.summary"\n`)
    const { code, stdout, stderr } = await sluice(cut, plain)
    expect(code).toBe(0)
    expect(stderr.replaceAll('\n  ', ' ').replaceAll('\n', ' ')).toMatch(/cut\.log\.gz ends early or is damaged \(Z_BUF_ERROR\); what comes before that is counted\. [23] lines of [12] files? could not be read\. $/)
    expect(stdout).toMatch(/ (1\d\d|2\d\d) devices, /)
  })

  test('exits with 1 when a file cannot be read at all, and tells of the others', async () => {
    using box = folder()
    const log = box.write('a.log', hours('a'))
    const none = box.write('b.log.gz', gzipSync(hours('b')).subarray(0, 11))
    const { code, stdout, stderr } = await sluice(join(box.path, 'nowhere.log'), none, log)
    expect(code).toBe(1)
    expect(stderr).toMatch(/nowhere\.log cannot be read\s+\(ENOENT\)/)
    expect(stderr.replaceAll(/\s+/g, ' ')).toContain('b.log.gz ends early or is damaged')
    expect(stdout).toContain('1 device, 48 summaries.')
  })

  test('--since and --until take days, times and how long ago', async () => {
    using box = folder()
    const log = box.write('a.log', hours('a'))
    const counted = async (...span: string[]): Promise<number> => (json(await runProcess(process.execPath, [launcher, 'report', log, '--json', ...span], { TZ: 'UTC' })) as Shape).read.counted
    expect(await counted('--since', '2026-11-17', '--until', '2026-11-17')).toBe(24)
    expect(await counted('--since', '2026-11-16T10:00:00Z', '--until', '2026-11-16T12:00:00Z')).toBe(2)
    expect(await counted('--until', new Date(monday - dayMs).toISOString())).toBe(0)
  })

  test.each([
    [['report'], /missing required argument 'logs'/],
    [['report', '.', '--since', 'monday'], /--since "monday" is no time: allowed are days/],
    [['report', '.', '--since', '2026-11-02', '--until', '2026-11-01'], /--since 2026-11-02 is not before --until 2026-11-01/],
    [['report', '.', '--silent-after', '3'], /--silent-after "3" is no duration/],
    [['report', join(root, 'src/observe/report')], /there are no logs in /],
  ])('%j is wrong usage', async (parameters, message) => {
    const { code, stderr } = await runProcess(process.execPath, [launcher, ...parameters])
    expect([code, stderr.replaceAll(/\s+/g, ' ')]).toEqual([2, expect.stringMatching(message)])
  })
})
