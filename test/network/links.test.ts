import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { networkId, stateFrom, worseCost } from '../../src/network/links.ts'
import type { Link } from '../../src/network/links.ts'
import type { NetworkCost } from '../../src/scheduler/conditions.ts'

const secret = new Uint8Array(32).fill(7)
const wire = (cost: NetworkCost, rest: Partial<Link> = {}): Link => ({ name: 'enp3s0', cost, ...rest })

describe('the network is as its worst link', () => {
  test.each<[string, Link[], object]>([
    ['no link: offline', [], { cost: 'offline' }],
    ['one free link', [wire('free')], { cost: 'free' }],
    ['free and unknown: unknown', [wire('free'), wire('unknown')], { cost: 'unknown' }],
    ['metered counts beside free', [wire('metered'), wire('free')], { cost: 'metered' }],
    ['roaming is worse than a used-up allowance',
      [wire('over-limit'), wire('roaming'), wire('metered')], { cost: 'roaming' }],
    ['a phone is metered whatever the system says',
      [wire('free', { gateway: '172.20.10.1' })], { cost: 'metered', because: 'phone hotspot' }],
    ['a phone does not hide a used-up allowance',
      [wire('over-limit', { gateway: '172.20.10.1' })], { cost: 'over-limit', because: 'phone hotspot' }],
    ['what lies above is named', [wire('metered', { under: 'a VPN' })], { cost: 'metered', because: 'under a VPN' }],
    ['of two equals, the one that says why',
      [wire('metered'), wire('metered', { because: 'Low Data Mode' })], { cost: 'metered', because: 'Low Data Mode' }],
    ['nothing speaks for a free one', [wire('free', { under: 'a VPN' })], { cost: 'free' }],
  ])('%s', (_claim, links, state) => {
    expect(stateFrom({ links }, secret)).toEqual(state)
  })

  test('whatever the order, and never cheaper than one of its links', () => {
    const costs = fc.constantFrom<NetworkCost>('free', 'metered', 'near-limit', 'over-limit', 'roaming', 'unknown')
    fc.assert(fc.property(fc.array(costs, { minLength: 1, maxLength: 5 }), (all) => {
      const forward = stateFrom({ links: all.map((cost) => wire(cost)) }, secret).cost
      expect(stateFrom({ links: all.toReversed().map((cost) => wire(cost)) }, secret).cost).toBe(forward)
      for (const cost of all) expect(worseCost(forward, cost)).toBe(forward)
    }))
  })
})

describe('the identity of a network', () => {
  test('is 12 hex digits, the same each time, and another one with another secret', () => {
    const id = networkId('connection 1234', secret)
    expect(id).toMatch(/^[\da-f]{12}$/)
    expect(networkId('connection 1234', secret)).toBe(id)
    expect(networkId('connection 1234', new Uint8Array(32).fill(8))).not.toBe(id)
    expect(networkId('connection 1235', secret)).not.toBe(id)
  })
  test('is missing without a secret, and without anything to know the network by', () => {
    expect(stateFrom({ links: [wire('free')], identity: 'connection 1234' }, undefined)).toEqual({ cost: 'free' })
    expect(stateFrom({ links: [wire('free')] }, secret)).toEqual({ cost: 'free' })
  })
  test('no name and no address gets into what is told', () => {
    const name = fc.string({ minLength: 4 }).map((text) => `«${text}»`)
    const word = fc.constantFrom('iPhone', 'hotspot', '')
    fc.assert(fc.property(name, name, name, word, (ssid, router, interfaceName, sign) => {
      const link = wire('metered', { name: interfaceName, ssid: `${ssid}${sign}`, gateway: router, under: 'a VPN' })
      const told = JSON.stringify(stateFrom({ links: [link], identity: `router ${router}` }, secret))
      for (const hidden of [ssid, router, interfaceName]) {
        expect(told).not.toContain(JSON.stringify(hidden).slice(1, -1))
      }
    }))
  })
})
