import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hasGnuTime, measure, measureOk } from '../../bench/lib/measure.ts'
import { readProcess } from '../../bench/lib/procfs.ts'

// Each part is busy until its own clock says how much CPU it has used, so that the truth is known whatever else runs.
const burn = `
const burnThread = (ms) => { const from = process.threadCpuUsage(); let used = 0
  do { for (let i = 0; i < 1e6; i++); const { user, system } = process.threadCpuUsage(from); used = user + system } while (used < ms * 1000) }`

const threadsAndChild = `${burn}
const { Worker, isMainThread } = require('node:worker_threads')
if (isMainThread && process.argv[2] !== 'child') {
  const { spawn } = require('node:child_process')
  const child = spawn(process.execPath, [__filename, 'child'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (piece) => { text += piece })
  const workers = [new Worker(__filename), new Worker(__filename)]
  burnThread(200)
  let open = 3
  const done = () => { if (--open === 0) process.stdout.write(String(own() + Number(text))) }
  child.on('close', done)
  for (const worker of workers) worker.on('exit', done)
} else burnThread(200)
function own() { const { user, system } = process.cpuUsage(); return (user + system) / 1e6 }
if (process.argv[2] === 'child') process.stdout.write(String(own()))
`

let folder: string
beforeAll(async () => { folder = await mkdtemp(join(tmpdir(), 'sluice-')) })
afterAll(async () => { await rm(folder, { recursive: true }) })

describe.skipIf(process.platform !== 'linux')('measuring a command (reads /proc, Linux only)', () => {
  test('CPU time counts the command, its threads and its children', async () => {
    const script = join(folder, 'busy.cjs')
    await writeFile(script, threadsAndChild)
    const { cpuSeconds, stdout } = await measureOk({ argv: [process.execPath, script] })
    const reported = Number(stdout)
    expect(reported).toBeGreaterThanOrEqual(0.8)
    expect(cpuSeconds).toBeGreaterThan(reported - 0.03)
    // What it cannot report itself is its own start and end, before the first and after the last line of the script.
    expect(cpuSeconds).toBeLessThan(reported + 0.4)
  })

  test.skipIf(!hasGnuTime)('the peak is that of the command and not of the process that measures it (needs GNU time)', async () => {
    const big = Buffer.alloc(300 << 20, 1)
    const small = await measureOk({ argv: ['/bin/true'] })
    expect(small.peakRssBytes).toBeLessThan(20 << 20)
    const large = await measureOk({ argv: [process.execPath, '-e', 'Buffer.alloc(200 << 20, 1)'] })
    expect(large.peakRssBytes).toBeGreaterThan(200 << 20)
    expect(large.peakRssBytes).toBeLessThan(300 << 20)
    expect(big.at(-1)).toBe(1)
  })

  test('a command gets none of the caller’s environment', async () => {
    const { stdout } = await measureOk({ argv: ['/usr/bin/env'], env: { HOME: '/nowhere' } })
    expect(stdout.trim().split('\n').map((line) => line.split('=')[0]).sort()).toEqual(['HOME', 'LANG', 'PATH'])
  })

  test('a status other than 0 is told, and measureOk throws with what the command said', async () => {
    const argv = ['/bin/sh', '-c', 'echo no room >&2; exit 75']
    expect((await measure({ argv })).status).toBe(75)
    await expect(measureOk({ argv })).rejects.toThrow(/status 75: no room/)
  })

  test('a program that is not there is an error', async () => {
    const { status } = await measure({ argv: ['/nowhere/at/all'] }).catch(() => ({ status: 127 }))
    expect(status).toBe(127)
  })

  test('reading a running process sums its threads and its children', async () => {
    const script = join(folder, 'waiting.cjs')
    await writeFile(script, `${burn}
      if (process.argv[2] !== 'child') require('node:child_process').spawn(process.execPath, [__filename, 'child'], { stdio: ['ignore', 'inherit', 'ignore'] })
      burnThread(200); process.stdout.write('.'); setInterval(() => {}, 1e9)`)
    const process1 = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'ignore'] })
    let children: number[] = []
    try {
      for (let dots = 0; dots < 2;) {
        const [text] = await once(process1.stdout, 'data') as [Buffer]
        dots += text.length
      }
      const reading = readProcess(process1.pid ?? 0)
      expect(reading.pids).toHaveLength(2)
      expect(reading.cpuMs).toBeGreaterThanOrEqual(400)
      expect(reading.threadCpuMs).toBeGreaterThanOrEqual(400)
      expect(Math.abs(reading.threadCpuMs - reading.cpuMs)).toBeLessThan(100)
      expect(reading.contextSwitches).toBeGreaterThan(0)
      children = reading.pids.filter((pid) => pid !== process1.pid)
    } finally {
      for (const pid of children) process.kill(pid)
      process1.kill()
    }
  })
})
