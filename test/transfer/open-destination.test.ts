import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { openDestination } from '../../src/transfer/open-destination.ts'

test.each([
  ['file:///srv/packs', 'file:///srv/packs'],
  ['file:///srv/my%20packs%23', 'file:///srv/my%20packs%23'],
  ['FILE:///srv/packs/', 'file:///srv/packs'],
  ['/srv/pa#cks?', 'file:///srv/pa%23cks%3F'],
  ['packs', pathToFileURL(resolve('packs')).href],
  ['./a/../packs', pathToFileURL(resolve('packs')).href],
])('%s is the folder %s', (address, url) => {
  expect(openDestination(address, realDisk).url).toBe(url)
})

test.each([
  '', 'file://', 'file:packs', 'file://server/packs', 'file:///a?b', 'file:///a#b', 'file:///a%2Fb', 'file:///a%00b',
  '/a\0b',
  'https://collector.example.com/', 's3://bucket/prefix', 'sftp://host/x', 'mailto:x',
])('%j is refused', address => {
  expect(() => openDestination(address, realDisk)).toThrow(expect.objectContaining({ code: 'destination-invalid' }))
})

test('an address of a kind this version does not know is refused saying so, without the password in it', () => {
  const open = () => openDestination('https://me:secret@host/x', realDisk)
  expect(open).toThrow(/This version knows/)
  expect(open).not.toThrow(/secret/)
})
