import { appendFileSync, renameSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { Bench } from './bench-folder.ts'

test('a file that is renamed while a single run packs others is not taken for gone, and nothing of it is packed again', async () => {
  await using bench = new Bench()
  for (const name of ['a.log', 'b.log', 'c.log']) writeFileSync(bench.at(name), `${name} one\n`)
  expect(await bench.once()).toHaveLength(3)
  for (const name of ['a.log', 'b.log', 'c.log']) appendFileSync(bench.at(name), 'two\n')

  const renamed = new Set<string>()
  for await (const take of bench.capture.takes({ asItStands: true })) {
    const got = await bench.pack(take)
    for (const name of ['a.log', 'b.log', 'c.log']) {
      if (renamed.size > 0 || name === got?.path) continue
      renameSync(bench.at(name), bench.at(`${name}.1`))
      renamed.add(`${name}.1`)
    }
  }
  const gone = bench.capture.gone()
  for (const cursor of gone) bench.cursors.drop(cursor)
  const later = await bench.once()
  expect(gone).toEqual([])
  expect(later.map(({ path, startOffset }) => ({ path, startOffset }))).toEqual([...renamed].map((path) => ({ path, startOffset: 10 })))
})
