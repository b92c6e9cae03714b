import { existsSync } from 'node:fs'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { emptySettings, readSettings, updateSettings } from '../../src/journal/settings.ts'
import { hasRun, json, root, runProcess, sandbox } from './run.ts'

describe('streams', () => {
  test('that are not optional stay on, and the refusal says who decides', async () => {
    using box = sandbox()
    const { code, stderr } = await box.sluice('stream', 'off', 'a')
    expect(code).toBe(2)
    const said = stderr.replaceAll('\n', ' ')
    expect(said).toContain(`a cannot be turned off: ${box.folder}/sluice.yaml does not say`)
    expect(said).toContain('Ask whoever writes that file, usually your IT. To stop everything for a while: sluice pause')
    expect(readSettings(box.state).streamsOff).toEqual([])
  })

  test('that are optional are turned off and on, and both are said', async () => {
    using box = sandbox('', 'optional: yes')
    hasRun(box)
    expect((await box.sluice('stream', 'off', 'a')).stdout).toContain('a is off: it is neither read nor sent.\nNothing of it is packed')
    expect((await box.sluice('stream', 'off', 'a')).stdout).toContain('a is off already.\n')
    expect(readSettings(box.state).streamsOff).toMatchObject([{ stream: 'a' }])
    expect((await box.sluice('stream', 'list')).stdout).toMatch(/^a +off since \d\d:\d\d +0 B +any network +you +tests$/m)
    expect((await box.sluice('why')).stdout).toContain('(stream-off)')
    expect((await box.sluice('stream', 'on', 'a')).stdout).toContain('a is on again.')
    expect(readSettings(box.state).streamsOff).toEqual([])
  })

  test('that the config names no more can still be turned on', async () => {
    using box = sandbox()
    updateSettings(box.state, () => ({ ...emptySettings, streamsOff: [{ stream: 'gone', since: 5 }] }))
    expect((await box.sluice('stream', 'on', 'gone')).code).toBe(0)
    expect(readSettings(box.state).streamsOff).toEqual([])
  })
})

describe('networks', () => {
  const id = 'aaaaaaaaaaaa'
  test('that have a name are listed and changed wherever the machine is', async () => {
    using box = sandbox()
    updateSettings(box.state, () => ({ ...emptySettings, networks: [{ id, name: 'home', cost: 'auto' }] }))
    expect((await box.sluice('network', 'list')).stdout).toMatch(/^ +home +- +- +- +-$/m)
    expect((await box.sluice('network', 'set', 'home', 'metered')).stdout).toBe('home counts as metered from now on.\n')
    expect(readSettings(box.state).networks).toEqual([{ id, name: 'home', cost: 'metered' }])
  })

  test('take the worker’s caps along to a new name, but keep one that the config limits', async () => {
    using box = sandbox('caps: [{ limit: 1 GB, per: month, network: work }]\n')
    updateSettings(box.state, () => ({
      ...emptySettings, networks: [{ id, name: 'home', cost: 'auto' }, { id: 'bbbbbbbbbbbb', name: 'work', cost: 'auto' }],
      caps: [{ id: 'day.network.home', limitBytes: 5, per: 'day', network: 'home' }],
    }))
    expect((await box.sluice('network', 'set', 'home', 'free', '--name', 'flat')).stdout).toContain('home is called flat from now on.\n')
    expect(readSettings(box.state).caps).toEqual([{ id: 'day.network.flat', limitBytes: 5, per: 'day', network: 'flat' }])
    const refused = await box.sluice('network', 'set', 'work', 'free', '--name', 'office')
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('work must keep its name') as string })
  })

  test('play no part for a destination in a folder, which is said in whole words', async () => {
    using box = sandbox()
    expect((await box.sluice('network', 'list')).stdout).toMatch(/\n\nNow: free \(no link is used\)\.\n$/)
  })

  test('that cannot be told apart take no cost, and the refusal says what helps', async () => {
    using box = sandbox()
    const { code, stderr } = await box.sluice('network', 'set', 'current', 'free')
    expect(code).toBe(2)
    expect(stderr).toContain('which network this is cannot be told')
    expect(stderr.replaceAll('\n', ' ')).toContain('conditions: { network: free }')
  })
})

describe('send-now', () => {
  const metered = 'conditions: { power: mains, network: metered }\n'
  test('shows what it would cost, and where nobody can be asked it needs --yes', async () => {
    using box = sandbox(metered)
    hasRun(box)
    await box.sluice('cap', 'set', '5MB/day')
    const asked = await box.sluice('send-now')
    expect(asked).toMatchObject({ code: 2, stdout: '' })
    expect(asked.stderr).toContain('network   metered\nat most   5 MB, by your data caps\nset aside this network costs money (')
    expect(asked.stderr).toContain('sluice: nobody can be asked here: add --yes to send now\n')
    expect(readSettings(box.state).sendNow).toBeUndefined()
    const sent = json(await box.sluice('send-now', '--for', '2h', '--yes', '--json')) as { sendNow: { since: number, until: number } }
    expect(sent).toMatchObject({ version: 1, mostBytes: 5e6, setAside: ['metered'], stays: [], sends: true })
    expect(sent.sendNow.until - sent.sendNow.since).toBe(7_200_000)
    expect(readSettings(box.state).sendNow).toEqual(sent.sendNow)
    expect((await box.sluice('why')).stdout).toContain('Set aside for that:\n- this network costs money.')
    expect((await box.sluice('send-now', '--stop')).stdout).toBe('The usual rules count again.\n')
    expect(readSettings(box.state).sendNow).toBeUndefined()
  })

  test('changes nothing while something holds that it cannot set aside, and exits with 75', async () => {
    using box = sandbox(metered)
    hasRun(box)
    await box.sluice('pause')
    const held = await box.sluice('send-now', '--yes')
    expect(held.code).toBe(75)
    expect(held.stdout).toContain('stays     you paused Sluice (paused until you resume). Run `sluice resume`')
    expect(held.stdout).toContain('It would still be held, so nothing was changed.\n')
    expect(readSettings(box.state).sendNow).toBeUndefined()
  })

  test('changes nothing where nothing needs to be set aside', async () => {
    using box = sandbox('conditions: { power: mains, network: free }\n')
    hasRun(box)
    expect(await box.sluice('send-now')).toMatchObject({ code: 0, stdout: expect.stringContaining('what waits is sent anyway') as string })
    expect(readSettings(box.state).sendNow).toBeUndefined()
  })

  test.skipIf(!existsSync('/usr/bin/script'))('asks on a terminal, and only a yes is one (skipped without script)', async () => {
    using box = sandbox(metered)
    hasRun(box)
    const command = `${process.execPath} ${join(root, 'cli/launch.mjs')} send-now --config ${box.folder}/sluice.yaml`
    for (const [answer, code] of [['n', 1], ['', 1], ['y', 0]] as const) {
      expect(readSettings(box.state).sendNow).toBeUndefined()
      // The answer waits in the terminal until it is asked for.
      const asked = await runProcess('bash', ['-c', `echo '${answer}' | script -qec '${command}' /dev/null`])
      expect(asked.stdout).toContain('Send now? [y/N]')
      expect(asked.code).toBe(code)
    }
    expect(readSettings(box.state).sendNow).toBeDefined()
  })
})

describe('status', () => {
  test('is one screen of 80 columns, however much there is to say', async () => {
    const caps = ['day', 'week', 'month'].flatMap((per) => ['free', 'metered'].map((on) => `{ limit: 5 GB, per: ${per}, on: ${on} }`))
    using box = sandbox(`caps: [${caps.join(', ')}]\nconditions: { power: battery-low, network: metered }\n`, 'networks: [free]')
    hasRun(box)
    const { code, stdout } = await box.sluice('status')
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toBe('Nothing is sent now, because Sluice is not running. Start it with: sluice run')
    expect(lines.length).toBeLessThanOrEqual(24)
    expect(lines.filter((line) => line.length > 80)).toEqual([])
    expect(stdout).toContain('and 2 more: sluice cap list')
    expect(json(await box.sluice('status', '--json'))).toMatchObject({ version: 1, today: { usedBytes: 0 }, caps: { length: 6 } })
  })
})
