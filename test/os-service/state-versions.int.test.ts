import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, expect, test } from 'vitest'
import { readCredential } from '../../src/control/credential.ts'
import { Journal } from '../../src/journal/journal.ts'
import { Lineages } from '../../src/journal/lineages.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { readSettings } from '../../src/journal/settings.ts'
import { ByteWriter } from '../../src/pack/bytes.ts'
import { sha256 } from '../../src/pack/sha256.ts'
import { makePlace, runOnce } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const newer = /was written by a newer version of Sluice/

/** Each file of the state that says which version wrote it: how a newer program leaves it, and who reads it. */
const files = [
  {
    name: 'journal.sqlite',
    write: (folder: string) => {
      new Journal(journalPath(folder))[Symbol.dispose]()
      const db = new DatabaseSync(journalPath(folder))
      db.exec('PRAGMA user_version = 1000')
      db.close()
    },
    read: (folder: string) => new Journal(journalPath(folder)),
  },
  { name: 'settings.json', write: (folder: string) => put(folder, 'settings.json', { version: 2, anything: true }), read: readSettings },
  { name: 'credential', write: (folder: string) => put(folder, 'credential', { version: 2, keys: [] }), read: readCredential },
] as const

function put(folder: string, name: string, content: object): void {
  writeFileSync(join(folder, name), JSON.stringify(content), { mode: 0o600 })
}

describe.each(files)('$name of a newer version', ({ name, write, read }) => {
  test('is refused by name, and left as it is', async () => {
    const folder = await temporaryFolder()
    write(folder)
    const before = readFileSync(join(folder, name))
    expect(() => read(folder)).toThrow(expect.objectContaining({ code: 'state-newer', message: expect.stringMatching(newer) as string }))
    expect(readFileSync(join(folder, name)).equals(before)).toBe(true)
  })
})

test('a journal of a newer version keeps the service from starting, and the captures where they are', async () => {
  const place = await makePlace()
  mkdirSync(place.state, { mode: 0o700 })
  files[0].write(place.state)
  const { code, stderr } = await runOnce(place)
  expect(code).toBe(1)
  expect(stderr.replaceAll('\n', ' ')).toMatch(newer)
})

test.each(['lineage', 'frames'])('a %s cache in a form that this version does not know is as good as none', async (kind) => {
  const folder = await temporaryFolder()
  const epoch = Buffer.alloc(16, 7)
  const writer = new ByteWriter()
  writer.bytes(Buffer.concat([epoch, Buffer.alloc(64, 0xff)]))
  writer.bytes(sha256(writer.finish()))
  writeFileSync(join(folder, `a.${kind}`), writer.finish())
  const lineages = new Lineages(folder, realDisk)
  if (kind === 'frames') expect(await lineages.frames(epoch, 'a', 10)).toEqual([])
  else {
    await lineages.load(epoch, ['a'], () => 10)
    expect(lineages.get(epoch, 'a')).toBeUndefined()
  }
})
