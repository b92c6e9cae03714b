import { describe, expect, test } from 'vitest'
import { stateFrom } from '../../src/network/links.ts'
import { macFacts } from '../../src/network/macos-facts.ts'
import { macNetwork } from '../../src/network/macos.ts'
import { sensorSuite, suiteNow } from '../suites/sensor.ts'
import { recorded } from './fixtures.ts'

const secret = new Uint8Array(32).fill(7)
const wifi = recorded('macos-ifconfig-wifi')
const home = recorded('macos-netstat-wifi')
const stateOf = (netstat: string, ifconfig: string) => stateFrom(macFacts(netstat, ifconfig), secret)

/** The recorded tunnel, with the name that the recorded routes call it by. */
const tunnel = recorded('macos-ifconfig-tunnel').replaceAll('utun4', 'utun3')

describe('from what netstat and ifconfig print', () => {
  test('a Wi-Fi is free, and known by its router', () => {
    const state = stateOf(home, wifi)
    expect(state).toEqual({ cost: 'free', id: expect.stringMatching(/^[\da-f]{12}$/) as string })
    expect(JSON.stringify(macFacts(home, wifi).identity)).toContain('7c:10:c9:00:00:90')
  })
  test('the headings of older systems are read as well', () => {
    expect(stateOf(recorded('macos-netstat-10.13'), wifi)).toEqual({ cost: 'free' })
  })
  test('a VPN over an iPhone is metered', () => {
    expect(stateOf(recorded('macos-netstat-vpn-over-iphone'), wifi + tunnel))
      .toEqual({ cost: 'metered', because: 'phone hotspot, under a VPN' })
  })
  test('a VPN that covers the default route by two halves lies on it', () => {
    const halves = home.replace(/^default.*$/m, (line) =>
      [`0/1 10.8.0.1 UGScg utun3`, line, '128.0/1 10.8.0.1 UGSc utun3'].join('\n'))
    expect(stateOf(halves, wifi.replace('<ADV_REPORT', '<EXPENSIVE,ADV_REPORT') + tunnel))
      .toMatchObject({ cost: 'metered', because: 'expensive to macOS, under a VPN' })
    expect(stateOf(halves, wifi + tunnel).cost).toBe('free')
  })
  test('a VPN without another route lies on the interface it names', () => {
    const only = recorded('macos-netstat-vpn-over-iphone').replace(/^default +172.*\n/m, '')
    expect(stateOf(only, wifi + tunnel)).toEqual({ cost: 'free' })
    expect(stateOf(only, tunnel.replace(/^\teffective.*\n/m, ''))).toEqual({ cost: 'unknown', because: 'under a VPN' })
  })
  test('tunnels that only their own users are sent through lead nowhere: offline', () => {
    expect(stateOf(recorded('macos-netstat-inet6'), wifi)).toEqual({ cost: 'offline' })
  })
  test('no routes: offline', () => {
    expect(stateOf('Routing tables\n', wifi)).toEqual({ cost: 'offline' })
  })
  test('what the system calls expensive is metered', () => {
    expect(stateOf(home, wifi.replace('<ADV_REPORT', '<EXPENSIVE,ADV_REPORT')))
      .toMatchObject({ cost: 'metered', because: 'expensive to macOS' })
  })
  test('Low Data Mode is metered', () => {
    expect(stateOf(home, wifi.replace('xflags=1<WOL>', 'xflags=1<WOL,CONSTRAINED>')))
      .toMatchObject({ cost: 'metered', because: 'Low Data Mode' })
  })
  test('a cellular interface is a mobile network', () => {
    expect(stateOf(home.replaceAll('en0', 'pdp_ip0'), recorded('macos-ifconfig-cellular')))
      .toMatchObject({ cost: 'metered', because: 'mobile network' })
  })
  test('an interface that ifconfig does not tell of is unknown', () => {
    expect(stateOf(home, '').cost).toBe('unknown')
  })
})

/** A Mac whose two programs print what `printed` holds. */
function mac(printed = { netstat: home, ifconfig: wifi }, now = () => suiteNow) {
  const calls: string[] = []
  const sensor = macNetwork({
    clock: now, secret: () => secret,
    run: async (program) => {
      calls.push(program)
      return program.endsWith('netstat') ? printed.netstat : printed.ifconfig
    },
  })
  return { sensor, calls }
}

sensorSuite('macOS', async () => ({ sensor: mac().sensor }), ({ cost }) => ['free', 'unknown'].includes(cost))

describe('its programs', () => {
  test('run once for readings asked for at once, and not again while the answer is fresh', async () => {
    let now = suiteNow
    const { sensor, calls } = mac(undefined, () => now)
    await Promise.all([sensor.read(), sensor.read()])
    now += 4999
    expect((await sensor.read()).at).toBe(suiteNow)
    expect(calls).toEqual(['/usr/sbin/netstat', '/sbin/ifconfig'])
    now += 1
    expect((await sensor.read()).at).toBe(now)
    expect(calls).toHaveLength(4)
  })
  test('run again when the clock went backwards', async () => {
    let now = suiteNow
    const { sensor, calls } = mac(undefined, () => now)
    await sensor.read()
    now -= 60_000
    expect((await sensor.read()).at).toBe(now)
    expect(calls).toHaveLength(4)
  })
  test('that are missing, fail or hang are unknown, in words without what they printed', async () => {
    const failures: [object, string][] = [
      [{ code: 'ENOENT' }, 'macOS: its command is missing'],
      [{ code: 1, stderr: 'My Wi-Fi' }, 'macOS: its command failed (1)'],
      [{ code: null, killed: true }, 'macOS: no answer within 10 s'],
    ]
    for (const [failure, source] of failures) {
      const run = async () => Promise.reject(Object.assign(new Error('My Wi-Fi'), failure))
      const sensor = macNetwork({ clock: () => suiteNow, run })
      expect(await sensor.read()).toEqual({ value: { cost: 'unknown' }, source, at: suiteNow })
    }
  })
  test('are called off by closing', async () => {
    const sensor = macNetwork({
      clock: () => suiteNow,
      run: (_program, _args, signal) => new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(new Error('called off')))
      }),
    })
    const reading = sensor.read()
    await sensor.close()
    expect((await reading).value.cost).toBe('unknown')
  })
})
