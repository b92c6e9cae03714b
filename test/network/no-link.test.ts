import { expect, test } from 'vitest'
import { networkSensor } from '../../src/network/network-sensor.ts'
import { usesNoLink } from '../../src/network/no-link.ts'

test.each([
  'file:///srv/log', 'http://localhost:1080/', 'http://LOCALHOST/', 'https://collector.localhost/', 'http://127.0.0.1/', 'http://127.9.8.7:80/',
  'http://[::1]:1080/', 'http://0x7f000001/', 's3://bucket/prefix?endpoint=http://127.0.0.1:9000',
])('%s uses no link', (address) => {
  expect(usesNoLink(address)).toBe(true)
})

test.each([
  'https://collector.example.com/', 'https://127.0.0.1.example.com/', 'https://localhost.example.com/', 'http://10.0.0.1/', 'http://[::2]/',
  's3://localhost/prefix', 's3://bucket/?endpoint=https://s3.example.com', 's3://bucket/?endpoint=nonsense', 'file://server/share', 'nonsense', '',
])('%s uses a link', (address) => {
  expect(usesNoLink(address)).toBe(false)
})

test('without a link the network is free, and says that none is used', async () => {
  const sensor = networkSensor({
    destination: 'file:///srv/log', clock: () => 5, platform: 'linux', secret: () => new Uint8Array(32),
  })
  expect(await sensor.read()).toEqual({ value: { cost: 'free' }, source: 'no link is used', at: 5 })
})
