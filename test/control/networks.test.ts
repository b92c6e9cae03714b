import { describe, expect, test } from 'vitest'
import { chooseNetwork, knownNetworks } from '../../src/control/networks.ts'
import { emptySettings } from '../../src/journal/settings.ts'
import type { NamedNetwork, Settings } from '../../src/journal/settings.ts'
import type { NetworkState, Reading } from '../../src/scheduler/conditions.ts'

const [a, b, c] = ['aaaaaaaaaaaa', 'bbbbbbbbbbbb', 'cccccccccccc']
const home: NamedNetwork = { id: a, name: 'home', cost: 'free' }
const withNetworks = (...networks: NamedNetwork[]): Settings => ({ ...emptySettings, networks })
const reading = (value: NetworkState): Reading<NetworkState> => ({ value, source: 'NetworkManager', at: 5 })

describe('known networks', () => {
  test('are the current one, then the used by age, then the merely named', () => {
    const named: NamedNetwork[] = [{ id: c, name: 'aunt', cost: 'auto' }, home]
    const used = [{ id: b, lastAt: 9, monthBytes: 7 }, { id: a, lastAt: 3, monthBytes: 0 }]
    expect(knownNetworks(reading({ cost: 'metered', id: b, because: 'phone hotspot' }), named, used)).toEqual([
      { id: b, isCurrent: true, cost: 'metered', because: 'phone hotspot', source: 'NetworkManager', lastAt: 9, monthBytes: 7 },
      { id: a, name: 'home', override: 'free', isCurrent: false, lastAt: 3, monthBytes: 0 },
      { id: c, name: 'aunt', override: 'auto', isCurrent: false },
    ])
  })
  test('have no current one while offline, and one without id where it cannot be told', () => {
    expect(knownNetworks(reading({ cost: 'offline' }), [home], [])).toEqual([{ id: a, name: 'home', override: 'free', isCurrent: false }])
    expect(knownNetworks(reading({ cost: 'unknown' }), [], [])).toEqual([{ isCurrent: true, cost: 'unknown', source: 'NetworkManager' }])
  })
})

describe('the network that the worker means', () => {
  test('by a name or an id that is known is that one, wherever the machine is', () => {
    const settings = withNetworks(home)
    for (const which of ['home', a]) {
      expect(chooseNetwork({ which, cost: 'metered' }, settings, b, [])).toEqual({ network: { ...home, cost: 'metered' }, before: home })
    }
    expect(chooseNetwork({ which: c, cost: 'free' }, settings, b, [c])).toEqual({ network: { id: c, name: 'network-1', cost: 'free' } })
  })
  test('by a name that none bears is the current one, which is called so from then on', () => {
    expect(chooseNetwork({ which: 'home', cost: 'free' }, emptySettings, a, [])).toEqual({ network: home })
  })
  test('is never one that has another name already', () => {
    expect(chooseNetwork({ which: 'office', cost: 'free' }, withNetworks(home), a, [])).toEqual({ refused: 'named-otherwise', currentName: 'home' })
  })
  test('as the current one gets a name that is free', () => {
    const settings = withNetworks({ id: b, name: 'network-1', cost: 'auto' })
    expect(chooseNetwork({ which: 'current', cost: 'free' }, settings, a, [])).toEqual({ network: { id: a, name: 'network-2', cost: 'free' } })
    expect(chooseNetwork({ which: 'current', cost: 'free', name: 'home' }, settings, a, [])).toEqual({ network: home })
  })
  test('is none where nothing tells networks apart, or nobody knows the id', () => {
    for (const which of ['current', 'home']) expect(chooseNetwork({ which, cost: 'free' }, emptySettings, undefined, [])).toEqual({ refused: 'no-current' })
    expect(chooseNetwork({ which: c, cost: 'free' }, emptySettings, a, [b])).toEqual({ refused: 'unknown' })
  })
  test('keeps its name to itself', () => {
    expect(chooseNetwork({ which: 'current', cost: 'free', name: 'home' }, withNetworks(home), b, [])).toEqual({ refused: 'name-taken' })
  })
})
