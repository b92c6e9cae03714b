import { execFileSync } from 'node:child_process'
import { closeSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openFile, realFolder } from '../../src/capture/open-file.ts'

let base = ''
let root = ''

beforeEach(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-')))
  root = join(base, 'root')
  mkdirSync(join(root, 'sub'), { recursive: true })
  mkdirSync(join(base, 'outside'))
  writeFileSync(join(root, 'sub', 'file'), 'inside')
  writeFileSync(join(base, 'outside', 'file'), 'outside')
})

afterEach(() => rmSync(base, { recursive: true }))

function opened(key: string): string {
  const file = openFile(root, key)
  if ('errno' in file) return file.errno
  closeSync(file.fd)
  return `${file.stats.size} bytes`
}

test('a file inside is opened', () => {
  expect(opened('sub/file')).toBe('6 bytes')
})

test.each(['../outside/file', 'sub/../sub/file', 'sub/./file', 'sub//file', '', '/etc/passwd'])('the path %j is refused', (key) => {
  expect(opened(key)).toBe('ELOOP')
})

test('a link to a file is refused', () => {
  symlinkSync(join(base, 'outside', 'file'), join(root, 'link'))
  expect(opened('link')).toBe('ELOOP')
})

test('a parent folder swapped for a link is refused, also when it leads back inside', () => {
  renameSync(join(root, 'sub'), join(root, 'other'))
  symlinkSync(join(base, 'outside'), join(root, 'sub'))
  expect(opened('sub/file')).toBe('ELOOP')
  rmSync(join(root, 'sub'))
  symlinkSync(join(root, 'other'), join(root, 'sub'))
  expect(opened('sub/file')).toBe('ENOENT')
})

test('a fifo, a device and a folder are refused without waiting', () => {
  execFileSync('mkfifo', [join(root, 'fifo')])
  expect(opened('fifo')).toBe('EINVAL')
  expect(opened('sub')).toBe('EINVAL')
})

test('the stream’s folder itself may be a link; what is missing or no folder says so', () => {
  symlinkSync(root, join(base, 'link'))
  expect(realFolder(join(base, 'link'))).toBe(root)
  expect(realFolder(join(base, 'none'))).toEqual({ errno: 'ENOENT' })
  expect(realFolder(join(root, 'sub', 'file'))).toEqual({ errno: 'ENOTDIR' })
})
