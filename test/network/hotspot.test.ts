import { describe, expect, test } from 'vitest'
import { hotspotSign } from '../../src/network/hotspot.ts'
import type { LinkSigns } from '../../src/network/hotspot.ts'

describe('looks like a phone or a modem', () => {
  test.each<[LinkSigns, string]>([
    [{ name: 'wlp2s0', kind: 'wifi', gateway: '172.20.10.1' }, 'phone hotspot'],
    [{ name: 'wlp2s0', kind: 'wifi', gateway: '192.168.43.1' }, 'phone hotspot'],
    [{ name: 'wlp2s0', kind: 'wifi', gateway: '192.168.43.246' }, 'phone hotspot'],
    [{ name: 'wlp2s0', kind: 'wifi', gateway: '192.168.49.1' }, 'phone hotspot'],
    [{ name: 'enp0s20u1', gateway: '192.168.42.129' }, 'phone hotspot'],
    [{ name: 'wlp2s0', kind: 'wifi', ssid: 'Ann’s iPhone' }, 'phone hotspot'],
    [{ name: 'wlp2s0', kind: 'wifi', ssid: 'AndroidAP_1234' }, 'phone hotspot'],
    [{ name: 'wlp2s0', kind: 'wifi', ssid: 'MY HOTSPOT' }, 'phone hotspot'],
    [{ name: 'enx0a1b2c3d4e5f', driver: 'rndis_host' }, 'phone by USB'],
    [{ name: 'enp0s20u1', driver: 'ipheth' }, 'phone by USB'],
    [{ name: 'enp0s20u1', driver: 'cdc_ncm' }, 'phone by USB'],
    [{ name: 'bnep0' }, 'phone by Bluetooth'],
    [{ name: '00:11:22:33:44:55', kind: 'bluetooth' }, 'phone by Bluetooth'],
    [{ name: 'cdc-wdm0', kind: 'modem' }, 'mobile network'],
    [{ name: 'wwan0' }, 'mobile network'],
    [{ name: 'wwp0s20f0u2i12' }, 'mobile network'],
    [{ name: 'ppp0' }, 'mobile network'],
    [{ name: 'enp0s20u1', driver: 'cdc_mbim' }, 'mobile network'],
  ])('%j: %s', (signs, words) => {
    expect(hotspotSign(signs)).toBe(words)
  })
})

test.each<LinkSigns>([
  { name: 'enp3s0', driver: 'r8169', gateway: '192.168.1.1' },
  { name: 'wlp2s0', kind: 'wifi', driver: 'iwlwifi', gateway: '192.168.178.1', ssid: 'FRITZ!Box 7590' },
  { name: 'enp3s0', gateway: '172.20.10.11' },
  { name: 'enp3s0', gateway: '192.168.42.1' },
  { name: 'enp3s0', gateway: '192.168.143.1' },
  { name: 'wlp2s0', kind: 'wifi', ssid: '' },
  { name: 'wlan0' },
])('%j looks like neither', (signs) => {
  expect(hotspotSign(signs)).toBeUndefined()
})
