/**
 * Claim: however often, where and how the connection to a collector is cut, each pack arrives there once and byte-identical; no
 * cut has more than 64 KiB sent again of what had arrived; nothing stays behind but packs; and the ledger is never behind.
 *
 * Method: as test/faults/tus.fault.test.ts, to a real `sluice collector` in a process of its own. A second campaign changes
 * bytes on the way instead: the collector finds each, and the pack begins anew.
 *
 * Not modelled: the end of the collector (test/faults/kill-*.fault.test.ts), several devices.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { sliceBytes } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { tusDestination } from '../../src/transfer/tus.ts'
import { sluice } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { expectExact, faultSeed, runCampaign, say, type Way } from './campaign.ts'
import { answers, endWell, makeCollectorPlace } from './collector-process.ts'
import { tusOffsetOf } from './request-reader.ts'
import { sized } from '../size.ts'

const cuts = sized({ quick: 20, ci: 150, long: 1000 })
const changes = sized({ quick: 5, ci: 20, long: 100 })

async function startOne() {
  const place = await makeCollectorPlace(await temporaryFolder())
  const collector = await place.start()
  await answers(collector, place.port)
  const credential = await place.enrol('laptop-1')
  const open = ({ port, ...rest }: Way) =>
    tusDestination({ url: new URL(`http://127.0.0.1:${port}/`), credential: () => credential, ...rest })
  return { ...place, collector, open }
}

test(`${cuts} cuts on the way to a collector (FAULT_SEED=${faultSeed})`, { timeout: 15 * 60_000 }, async () => {
  const { packs, port, collector, open } = await startOne()
  const result = await runCampaign({ seed: faultSeed, cuts, port, offsetOf: tusOffsetOf, open })
  say('collector', faultSeed, result)
  expect(result.again.max).toBeLessThanOrEqual(sliceBytes)
  await endWell(collector)

  await expectExact(folderDestination(pathToFileURL(packs).href, realDisk), result)
  expect((await sluice('verify', packs)).code).toBe(0)
  expect(readdirSync(join(packs, 'laptop-1')).filter((name) => !name.endsWith('.pack'))).toEqual([])
  const left = ['incoming/laptop-1', 'claims', 'work'].flatMap((folder) => readdirSync(join(packs, '.collector', folder)))
  expect(left).toEqual([])
})

test(`${changes} bytes changed on the way to a collector (FAULT_SEED=${faultSeed})`, { timeout: 15 * 60_000 }, async () => {
  const { packs, port, open } = await startOne()
  const result = await runCampaign({ seed: faultSeed, cuts: changes, port, offsetOf: tusOffsetOf, open, corrupts: true })
  say('collector', faultSeed, result)
  await expectExact(folderDestination(pathToFileURL(packs).href, realDisk), result)
  expect((await sluice('verify', packs)).code).toBe(0)
})
