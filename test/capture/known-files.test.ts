import fc from 'fast-check'
import { expect, test } from 'vitest'
import { KnownFiles } from '../../src/capture/known-files.ts'
import { bytesOf, keyOf } from '../../src/capture/path-key.ts'
import type { CursorState } from '../../src/capture/take.ts'

const state = (key: string, inode: number): CursorState => ({
  path: bytesOf(key), offset: 1, complete: true, facts: { device: 1n, inode: BigInt(inode), sizeBytes: 1, modifiedUs: 1, changedUs: 1 },
})

/** A store of these paths, a later one of the same path being a later generation; counts what it is asked and gives. */
function storeOf(keys: readonly string[]) {
  const cursors = keys.map(state).sort((a, b) => Buffer.compare(a.path, b.path))
  const store = {
    queries: 0,
    rows: 0,
    fromPath: (_: string, path: Uint8Array, limit: number): CursorState[] => {
      const found = cursors.filter((cursor) => Buffer.compare(cursor.path, path) >= 0).slice(0, limit)
      store.queries += 1
      store.rows += found.length
      return found
    },
  }
  return store
}

const names = (count: number, every = 1): string[] => Array.from({ length: count }, (_, n) => `f${String(n * every).padStart(6, '0')}`)

test('paths asked for in any order find their cursors, and no others', () => {
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '\x01', '\xff'), minLength: 1, maxLength: 4 })
  fc.assert(fc.property(fc.array(key, { maxLength: 60 }), fc.array(key, { maxLength: 60 }), (keys, asked) => {
    const known = new KnownFiles(storeOf(keys), 's')
    for (const each of asked) {
      const found = known.at(each)
      expect(found && keyOf(found.path)).toBe(keys.includes(each) ? each : undefined)
    }
  }))
})

test('in order, a query finds many: ten thousand cursors take fewer than fifty', () => {
  const keys = names(10_000)
  const store = storeOf(keys)
  const known = new KnownFiles(store, 's')
  for (const key of keys) expect(known.at(key)).toBeDefined()
  expect(store.queries).toBeLessThan(50)
})

test('where few are asked for, few more are read', () => {
  const store = storeOf(names(10_000))
  const known = new KnownFiles(store, 's')
  const asked = names(200, 50)
  for (const key of asked) expect(known.at(key)).toBeDefined()
  expect(store.rows).toBeLessThan(asked.length * 10)
})
