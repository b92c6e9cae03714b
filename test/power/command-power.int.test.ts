import { appendFile, chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { commandPower, pmset, powerShell } from '../../src/power/command-power.ts'
import type { CommandPower } from '../../src/power/command-power.ts'
import { powerSensor } from '../../src/power/power-sensor.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { isPowerState } from './supplies.ts'

const settings = ' lowpowermode         0\n'
const battery = `Now drawing from 'Battery Power'\n -InternalBattery-0 (id=1)\t42%; discharging; 3:06 remaining present: true\n`
const mains = battery.replace('Battery Power', 'AC Power').replace('discharging', 'charging')

/** A stand-in for pmset: it prints a file, and follows another one as `pslog` does. Each start is a line of `starts`. */
async function standIn(system: Partial<CommandPower> = {}) {
  const folder = await temporaryFolder()
  const paths = { program: join(folder, 'pmset'), output: join(folder, 'output'), starts: join(folder, 'starts'), log: join(folder, 'log') }
  await writeFile(paths.program, `#!/bin/sh
echo "$2" >>'${paths.starts}'
case $2 in
  batt) cat '${paths.output}' ;;
  pslog) exec tail -n +1 -f '${paths.log}' ;;
  *) printf '${settings.replace('\n', '\\n')}' ;;
esac
`)
  await chmod(paths.program, 0o755)
  await writeFile(paths.log, 'pmset is in logging mode now.\n')
  await writeFile(paths.output, battery)
  await writeFile(paths.starts, '')
  let now = suiteNow
  const { program } = paths
  const sensor = commandPower({
    ...pmset, commands: [[program, '-g', 'batt'], [program, '-g']], tells: [program, '-g', 'pslog'], freshMs: 0, ...system,
  }, { clock: () => now })
  onTestFinished(() => sensor.close())
  return {
    sensor, program,
    change: async (output: string) => {
      await writeFile(paths.output, output)
      await appendFile(paths.log, output)
    },
    starts: async (which: string) => (await readFile(paths.starts, 'utf8')).split('\n').filter((line) => line === which).length,
    later: (ms: number) => {
      now += ms
    },
  }
}

sensorSuite('pmset', async () => {
  const { sensor, change } = await standIn()
  return { sensor, change: () => change(mains) }
}, isPowerState)

describe('power from a system’s own commands', () => {
  test('the commands’ output is one reading', async () => {
    const { sensor } = await standIn()
    expect(await sensor.read()).toEqual({ value: { supply: 'battery', percent: 42, saver: 'off' }, source: 'pmset', at: suiteNow })
  })
  test('readings asked for at once start the commands once, and so do readings within the time a reading stays fresh', async () => {
    const { sensor, starts, later } = await standIn({ freshMs: 3000 })
    await Promise.all([sensor.read(), sensor.read()])
    later(2999)
    await sensor.read()
    expect(await starts('batt')).toBe(1)
    later(1)
    await sensor.read()
    expect(await starts('batt')).toBe(2)
  })
  test('a clock that goes back makes nothing fresh', async () => {
    const { sensor, starts, later } = await standIn({ freshMs: 3000 })
    await sensor.read()
    later(-60_000)
    await sensor.read()
    expect(await starts('batt')).toBe(2)
  })
  test('a change that is told makes the last reading old, and one process serves all watchers', async () => {
    const { sensor, starts, change } = await standIn({ freshMs: 3_600_000 })
    let told = 0
    sensor.watch?.(() => {
      told += 1
    })
    sensor.watch?.(() => {})
    await expect.poll(() => told).toBeGreaterThan(0)
    expect((await sensor.read()).value.supply).toBe('battery')
    await change(mains)
    await expect.poll(async () => (await sensor.read()).value.supply).toBe('mains')
    expect(await starts('pslog')).toBe(1)
  })
  test('a command that is not there, fails, hangs or prints something else is unknown, and the source says why', async () => {
    const unknown = { supply: 'unknown', saver: 'unknown' }
    const read = async (system: Partial<CommandPower>) => (await standIn(system)).sensor.read()
    expect(await read({ commands: [['/nonexistent/pmset']] })).toMatchObject({ value: unknown, source: 'pmset: its command is missing' })
    expect(await read({ commands: [['false']] })).toMatchObject({ value: unknown, source: 'pmset: its command failed (1)' })
    expect(await read({ commands: [['sleep', '60']], limitMs: 50 })).toMatchObject({ value: unknown, source: 'pmset: no answer within 0.05 s' })
    expect(await read({ commands: [['echo', 'hello']] })).toMatchObject({ value: unknown, source: 'pmset: pmset says nothing of a power source' })
  })
  test('once closed it starts nothing, and says so', async () => {
    const { sensor, starts } = await standIn()
    await sensor.close()
    expect((await sensor.read()).source).toBe('pmset: closed')
    sensor.watch?.(() => {})
    expect(await starts('batt') + await starts('pslog')).toBe(0)
  })
  test('a watching command that is not there is no error', async () => {
    const { sensor } = await standIn({ tells: ['/nonexistent/pmset'] })
    sensor.watch?.(() => {})
    expect((await sensor.read()).value.supply).toBe('battery')
  })
  test('where there is no command that tells there is nothing to watch', () => {
    expect('watch' in commandPower(powerShell, { clock: () => suiteNow })).toBe(false)
  })
})

test('each platform has its sensor, and others say that they have none', async () => {
  const sourceOn = async (platform: NodeJS.Platform) => {
    const sensor = powerSensor({ platform, clock: () => suiteNow, address: 'unix:path=/nonexistent/bus', suppliesFolder: '/nonexistent' })
    const { source } = await sensor.read()
    await sensor.close()
    return source
  }
  expect(await sourceOn('linux')).toMatch(/^sysfs/)
  expect(await sourceOn('darwin')).toMatch(/^pmset/)
  expect(await sourceOn('win32')).toMatch(/^Windows/)
  expect(await sourceOn('freebsd')).toBe('none on freebsd')
})
