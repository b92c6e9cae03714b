/**
 * Claim: however often, where and how the connection to an S3 store is cut, each pack arrives there once and byte-identical; no
 * cut has more sent again than one part, or one small pack; once the next start has sent, nothing stays behind but packs; and the
 * ledger is never behind.
 *
 * Method: real packs of 1 KiB to 12 MiB go through the service's own packer, journal, sender, ledger and link to a real Ceph
 * cluster with its S3 gateway, over a proxy that cuts at a random byte of the exchange, and changes bytes, which the store's own
 * checks must find. FAULT_SEED repeats the plan of a run. "Sent again" is what the gateway's kernel had confirmed of a body, and
 * what the next body began before.
 *
 * Not modelled: other stores (test/transfer/s3-answers.fault.test.ts does), the loss of a disk (test/faults/osd-kill.fault.test.ts).
 */
import { randomBytes } from 'node:crypto'
import { expect, onTestFinished, test } from 'vitest'
import { noCeph, startCeph } from '../transfer/ceph.ts'
import { s3At } from '../transfer/s3-bench.ts'
import { packOf } from '../transfer/packs.ts'
import { expectExact, faultSeed, runCampaign, say, type Way } from './campaign.ts'
import type { SeenRequest } from './request-reader.ts'
import { sized } from '../size.ts'

const cuts = sized({ quick: 20, ci: 150, long: 1000 })
const changes = sized({ quick: 4, ci: 15, long: 50 })
const partBytes = 5 << 20
/** Where the body of a PUT begins in its pack. */
function offsetOf({ method, path }: SeenRequest): number | undefined {
  if (method !== 'PUT') return undefined
  const part = new URL(path, 'http://x').searchParams.get('partNumber')
  return part === null ? 0 : (Number(part) - 1) * partBytes
}

const skips = test.skipIf(noCeph !== undefined)
const why = noCeph ?? `FAULT_SEED=${faultSeed}`

async function startOne() {
  const ceph = await startCeph()
  onTestFinished(() => ceph[Symbol.asyncDispose]())
  const bucket = await ceph.bucket()
  const at = (port: number) => `s3://${bucket}/logs?endpoint=http://127.0.0.1:${port}`
  const port = Number(new URL(ceph.endpoint).port)
  return {
    port,
    open: ({ port: proxyPort, ...rest }: Way) => s3At({ address: at(proxyPort), ...rest }),
    /** Past the proxy. */
    stored: () => s3At({ address: at(port) }),
    uploads: () => ceph.request('GET', `/${bucket}?uploads`),
    objects: async () => (await ceph.request('GET', `/${bucket}?list-type=2&max-keys=1000`)).match(/<Key>/g),
  }
}

skips(`${cuts} cuts on the way to an S3 store (${why})`, { timeout: 20 * 60_000 }, async () => {
  const { port, open, stored, uploads, objects } = await startOne()
  const result = await runCampaign({ seed: faultSeed, cuts, port, offsetOf, open })
  say('S3 store', faultSeed, result)
  expect(result.again.max).toBeLessThanOrEqual(partBytes)
  await expectExact(stored(), result)
  // What a cut connection brought late may have begun an upload that nobody waits for: the first put of a process ends it.
  await stored().put(packOf(result.packs + 1, randomBytes(1000)))
  expect(await uploads()).not.toContain('<Upload>')
  expect(await objects()).toHaveLength(result.packs + 1)
})

skips(`${changes} bytes changed on the way to an S3 store (${why})`, { timeout: 20 * 60_000 }, async () => {
  const { port, open, stored, objects } = await startOne()
  const result = await runCampaign({ seed: faultSeed, cuts: changes, port, offsetOf, open, corrupts: true })
  say('S3 store', faultSeed, result)
  await expectExact(stored(), result)
  expect(await objects()).toHaveLength(result.packs)
})
