import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { Bench, text } from './bench-folder.ts'

function write(bench: Bench, folder: string, ...names: string[]): void {
  mkdirSync(bench.at(folder), { recursive: true })
  for (const name of names) writeFileSync(bench.at(join(folder, name)), name)
}

test('a file is passed over only for its own inode’s cursor', async () => {
  await using bench = new Bench({ files: 'whole' })
  write(bench, '', 'a', 'b')
  await bench.once()
  const cursor = bench.cursors.byPath('test', Buffer.from('a'))
  if (!cursor) throw new Error('no cursor')
  bench.cursors.put({ ...cursor, facts: { ...cursor.facts, inode: cursor.facts.inode + 1_000_000n } })
  expect(text(await bench.once())).toEqual(['a@0:a'])
})

test('a scan that is stopped among files it passes over is made again', async () => {
  await using bench = new Bench({ files: 'whole' })
  write(bench, '', ...Array.from({ length: 20 }, (_, n) => `f${n}`))
  await bench.once()
  const stop = new AbortController()
  const { cursors } = bench
  const ask = cursors.fromPath.bind(cursors)
  const query = vi.spyOn(cursors, 'fromPath').mockImplementation((...asked) => {
    stop.abort()
    return ask(...asked)
  })
  expect(await bench.collect({ asItStands: true, signal: stop.signal })).toEqual([])
  expect(bench.capture.pending()).toMatchObject([{ scan: true }])
  query.mockRestore()
  expect(bench.told()).toEqual([])
})

test('among many that are unchanged, the new, the changed and the renamed are found, each folder’s files before its folders’', async () => {
  await using bench = new Bench({ files: 'whole' })
  for (const folder of ['', 'b', 'b/c', 'd']) write(bench, folder, ...Array.from({ length: 50 }, (_, n) => `f${n}`))
  expect(await bench.once()).toHaveLength(200)
  write(bench, 'b', 'new')
  writeFileSync(bench.at('d/f7'), 'changed')
  writeFileSync(bench.at('z'), 'last of its folder')
  renameSync(bench.at('b/c/f3'), bench.at('b/c/f3 renamed'))
  expect(text(await bench.once())).toEqual(['z@0:last of its folder', 'b/new@0:new', 'b/c/f3 renamed@2:', 'd/f7@0:changed'])
  expect(bench.told()).toEqual(['capture.renamed'])
})
