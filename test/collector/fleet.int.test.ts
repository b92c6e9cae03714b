import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { chainOf } from '../transfer/packs.ts'
import { startBench } from './bench.ts'

test('500 devices that send at once all get their packs into their logs', async () => {
  const bench = await startBench({ limits: { connectionsPerAddress: 2000 } })
  const chains = Array.from({ length: 500 }, (_, at) => chainOf([randomBytes(3000), randomBytes(20_000)], `laptop-${at}`))
  await Promise.all(chains.map(async (packs) => {
    for (const pack of packs) expect((await bench.send(pack)).status).toBe(204)
  }))
  for (const packs of chains) expect(await bench.list(packs[0]?.name.device ?? '')).toEqual(packs.map(({ name }) => name))
}, 180_000)
