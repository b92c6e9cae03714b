import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { openDestination } from '../../src/transfer/open-destination.ts'
import { plainLink } from './tus-bench.ts'

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
  'https://collector.example.com/', 'http://collector.example.com/', 'https://', 's3://bucket/prefix', 'sftp://host/x', 'mailto:x',
])('%j is refused', address => {
  expect(() => openDestination(address, realDisk)).toThrow(expect.objectContaining({ code: 'destination-invalid' }))
})

test('an address of a kind this version does not know is refused saying so, without the password in it', () => {
  const open = () => openDestination('s3://me:secret@host/x', realDisk)
  expect(open).toThrow(/This version knows/)
  expect(open).not.toThrow(/secret/)
})

describe('a server', () => {
  const sending = { link: plainLink(), uploads: new Map<string, string>(), now: () => 0 }

  test.each([
    ['https://collector.example.com', 'https://collector.example.com/'],
    ['HTTPS://Collector.example.com:443/a%20b/', 'https://collector.example.com/a%20b/'],
    ['https://me:secret@host/x', 'https://host/x'],
    ['http://localhost:1080/files', 'http://localhost:1080/files'],
    ['http://127.0.0.1/', 'http://127.0.0.1/'],
    ['http://[::1]:80/', 'http://[::1]/'],
  ])('%s is sent to as %s, without user and password in what is shown', (address, url) => {
    expect(openDestination(address, realDisk, sending).url).toBe(url)
  })

  test.each([
    'http://collector.example.com/', 'http://127.0.0.1.example.com/', 'http://localhost.example.com/', 'https://',
    'https:host', 'https://host/?token=secret', 'https://host/#secret', 'https://me:%secret@host/', 'http://me:secret@host/',
    'https://me:se/secret@host/', 'https://me:secret@host/?a=secret#secret', 'https://host/?token=an@secret', 'https://me:a?b@secret/',
    'https:host?token=secret', 'ftp://host/?token=secret', 'file:///folder?secret',
  ])('%s is refused, without what may be a secret', address => {
    const open = () => openDestination(address, realDisk, sending)
    expect(open).toThrow(expect.objectContaining({ code: 'destination-invalid' }))
    expect(open).not.toThrow(/secret/)
  })

  test('cannot be read from', () => {
    expect(() => openDestination('https://host/', realDisk)).toThrow(/not read/)
  })
})
