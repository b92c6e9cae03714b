import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readSettings } from '../../src/journal/settings.ts'
import { startPrivateNetwork, whyNoPrivateNetwork } from '../network/private-network.ts'
import type { PrivateNetwork } from '../network/private-network.ts'
import { root, runProcess } from './run.ts'

const reason = whyNoPrivateNetwork()

describe.skipIf(reason !== undefined)(`network, on a machine that NetworkManager looks after (${reason === undefined ? 'real' : `skipped: ${reason}`})`, () => {
  let network: PrivateNetwork
  let folder: string
  const state = () => join(folder, 'state')
  const sluice = (...parameters: string[]) => runProcess(
    process.execPath, [join(root, 'cli/launch.mjs'), ...parameters],
    { SLUICE_CONFIG: join(folder, 'sluice.yaml'), DBUS_SYSTEM_BUS_ADDRESS: network.busAddress },
  )

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sluice-'))
    writeFileSync(join(folder, 'sluice.yaml'), [
      'streams: [{ name: a, path: ./captures, purpose: tests, files: whole }]',
      'destination: https://collector.example.com/', 'state: ./state', 'conditions: { power: mains }', '',
    ].join('\n'))
    network = await startPrivateNetwork()
    await network.run('up wire')
  })

  afterAll(async () => {
    await network[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  test('a name that is new becomes that of the current network, which can be renamed and believed again', async () => {
    const first = JSON.parse((await sluice('network', 'list', '--json')).stdout) as { networks: { id: string, isCurrent: boolean }[] }
    expect(first.networks).toMatchObject([{ id: expect.stringMatching(/^[0-9a-f]{12}$/) as string, isCurrent: true }])
    const id = first.networks[0]?.id
    const named = await sluice('network', 'set', 'home', 'metered')
    expect(named.stdout).toContain('No network was called home: from now on that is the one you are on.\n')
    expect(readSettings(state()).networks).toEqual([{ id, name: 'home', cost: 'metered' }])
    expect((await sluice('network', 'list')).stdout).toMatch(/^now {2}home +\S.* metered +- +-$/m)
    const other = await sluice('network', 'set', 'office', 'free')
    expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('the one you are on is called home') as string })
    expect((await sluice('network', 'set', 'current', 'free', '--name', 'flat')).stdout).toContain('home is called flat from now on.\n')
    await sluice('network', 'set', 'flat', 'auto')
    expect(readSettings(state()).networks).toEqual([{ id, name: 'flat', cost: 'auto' }])
  })
})
