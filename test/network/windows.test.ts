import { describe, expect, test } from 'vitest'
import { stateFrom } from '../../src/network/links.ts'
import { windowsFacts } from '../../src/network/windows-facts.ts'
import { windowsNetwork } from '../../src/network/windows.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { recorded } from './fixtures.ts'

const secret = new Uint8Array(32).fill(7)
const cost = recorded('windows-connection-cost')
const stateOf = (...profiles: string[]) => stateFrom(windowsFacts(`${profiles.join('')}--- end\r\n`), secret)

interface Written {
  readonly level?: string
  readonly type?: number
  readonly id?: string
  readonly gateway?: string
  /** Lines of the cost that are not as recorded. */
  readonly cost?: Readonly<Record<string, string>>
}

/** One profile as the script prints it, its cost as recorded but for the lines named. */
function profile(written: Written = {}): string {
  const lines = Object.entries(written.cost ?? {}).reduce(
    (text, [key, value]) => text.replace(new RegExp(`(${key} +: ).*`), `$1${value}`), cost,
  )
  return `--- profile
ConnectivityLevel : ${written.level ?? 'InternetAccess'}
IanaInterfaceType : ${written.type ?? 71}
NetworkId : ${written.id ?? '6ba7b810-9dad-11d1-80b4-00c04fd430c8'}
Gateway : ${written.gateway ?? '192.168.1.1 fe80::1'}
${lines}`.replaceAll('\n', '\r\n')
}

describe('from what Windows says of its connections', () => {
  test('as recorded: free', () => {
    expect(stateOf(profile()))
      .toEqual({ cost: 'free', id: expect.stringMatching(/^[\da-f]{12}$/) as string, reach: 'full' })
  })
  test.each<[string, Record<string, string>, object]>([
    ['Fixed', { NetworkCostType: 'Fixed' }, { cost: 'metered' }],
    ['Variable', { NetworkCostType: 'Variable' }, { cost: 'metered' }],
    ['Unknown', { NetworkCostType: 'Unknown' }, { cost: 'unknown' }],
    ['Fixed and near its limit', { NetworkCostType: 'Fixed', ApproachingDataLimit: 'True' }, { cost: 'near-limit' }],
    ['Fixed and over its limit',
      { NetworkCostType: 'Fixed', ApproachingDataLimit: 'True', OverDataLimit: 'True' }, { cost: 'over-limit' }],
    ['Roaming, whatever else', { Roaming: 'True', OverDataLimit: 'True' }, { cost: 'roaming' }],
    ['Unrestricted, but the person saves data',
      { BackgroundDataUsageRestricted: 'True' }, { cost: 'metered', because: 'data saver' }],
  ])('%s', (_claim, changed, state) => {
    expect(stateOf(profile({ cost: changed }))).toMatchObject(state)
  })
  test.each([
    ['InternetAccess', 'full'], ['ConstrainedInternetAccess', 'portal'], ['LocalAccess', 'limited'],
  ])('%s reaches %s', (level, reach) => {
    expect(stateOf(profile({ level })).reach).toBe(reach)
  })
  test('no connection: offline', () => {
    expect(stateOf()).toEqual({ cost: 'offline' })
  })
  test('the worst connection counts, and one without the internet only when there is no other', () => {
    expect(stateOf(profile(), profile({ cost: { NetworkCostType: 'Fixed' } })).cost).toBe('metered')
    expect(stateOf(profile(), profile({ level: 'LocalAccess', cost: { NetworkCostType: 'Fixed' } })).cost).toBe('free')
  })
  test('a VPN counts as what lies under it', () => {
    const vpn = profile({ type: 23, gateway: '', id: '00000000-0000-0000-0000-000000000000' })
    expect(stateOf(vpn, profile({ cost: { NetworkCostType: 'Variable' } })))
      .toMatchObject({ cost: 'metered', because: 'under a VPN' })
    expect(stateOf(vpn, profile())).toMatchObject({ cost: 'free', id: stateOf(profile()).id })
    expect(stateOf(profile({ type: 131, cost: { NetworkCostType: 'Unknown' } }), profile()).cost).toBe('free')
    expect(stateOf(profile({ type: 23, cost: { NetworkCostType: 'Fixed' } }), profile()).cost).toBe('metered')
  })
  test('a phone and a modem are metered whatever Windows says', () => {
    expect(stateOf(profile({ gateway: '172.20.10.1' }))).toMatchObject({ cost: 'metered', because: 'phone hotspot' })
    expect(stateOf(profile({ type: 243 }))).toMatchObject({ cost: 'metered', because: 'mobile network' })
  })
  test('another network is another identity', () => {
    expect(stateOf(profile({ id: '6ba7b811-9dad-11d1-80b4-00c04fd430c8' })).id).not.toBe(stateOf(profile()).id)
  })
  test('output that is cut off is no answer', () => {
    expect(() => windowsFacts(profile())).toThrow('no end')
    expect(() => windowsFacts('')).toThrow('no end')
  })
})

test('one PowerShell answers; what it fails with is unknown', async () => {
  const calls: string[] = []
  const sensor = windowsNetwork({
    clock: () => suiteNow,
    run: async (program) => {
      calls.push(program)
      return 'nonsense'
    },
  })
  expect(await sensor.read())
    .toEqual({ value: { cost: 'unknown' }, source: 'Windows: its command failed', at: suiteNow })
  expect(calls).toEqual(['powershell.exe'])
})

sensorSuite('Windows', async () => ({
  sensor: windowsNetwork({ clock: () => suiteNow, secret: () => secret, run: async () => `${profile()}--- end\r\n` }),
}), ({ cost: told }) => ['free', 'unknown'].includes(told))
