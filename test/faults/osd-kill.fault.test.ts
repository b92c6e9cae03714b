/**
 * Claim: whenever a disk of an S3 store dies and comes back, mid-upload or not, each pack arrives once and byte-identical, the
 * device log verifies, nothing stays behind but packs, and the ledger is never behind what arrived.
 *
 * Method: the service's own packer, journal, sender, ledger and link send real packs of 1 KiB to 12 MiB without a break to a real
 * Ceph cluster of three OSDs, each object on two of them. Meanwhile SIGKILL ends one OSD after the other, time after time, each at
 * a random moment after bytes have moved again; it is started anew at once, and the next has its turn when it is back.
 * The OSDs keep what they confirmed (bluestore), so the store may be slow or busy, but has no excuse for losing anything.
 *
 * Not modelled: two OSDs at once, the loss of what an OSD had, the end of the gateway (a cut connection, as far as a device can tell).
 */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { openLink } from '../../src/transfer/link/link.ts'
import { freely, ledgerBytes, makePlace, nextPack, openParts, packAll } from '../service/harness.ts'
import type { Generation } from '../service/written.ts'
import { noCeph, startCeph, type Ceph } from '../transfer/ceph.ts'
import { s3At } from '../transfer/s3-bench.ts'
import { patient } from '../transfer/tus-bench.ts'
import { capturesOf, expectExact, faultSeed, oneForEach, passing } from './campaign.ts'
import { sized } from '../size.ts'

const run = promisify(execFile)

/** Each takes some six seconds, whatever else the machine does: the store starts an OSD no faster. */
const kills = sized({ quick: 3, ci: 12, long: 100 })
const latestMs = 200

test.skipIf(noCeph !== undefined)(`an OSD killed ${kills} times while packs are sent (FAULT_SEED=${faultSeed}) ${noCeph ?? ''}`, { timeout: 45 * 60_000 }, async () => {
  const random = seededRandom(faultSeed)
  const ceph = await startCeph('bluestore')
  onTestFinished(() => ceph[Symbol.asyncDispose]())
  // The store notices changes within a second otherwise, and most of the test would be waiting.
  await run('ceph', ['-c', join(ceph.folder, 'ceph.conf'), 'tell', 'mon.a', 'config', 'set', 'paxos_propose_interval', '0.1'])
  const bucket = await ceph.bucket()
  const place = await makePlace()
  mkdirSync(place.state)
  await using link = openLink({ clock: () => performance.now(), rate: { maxBytesPerSecond: 6e6, yields: false } })
  const destination = s3At({ address: `s3://${bucket}/logs?endpoint=${ceph.endpoint}`, link, patience: patient })
  const parts = await openParts(place, { config: { ...place.config, destination: destination.url }, destination, sealBytes: oneForEach })
  onTestFinished(() => parts.journal[Symbol.dispose]())

  const generations: Generation[] = []
  const state = { handedBytes: 0, isSending: false, isOver: false, failures: 0 }
  const sendOn = async (): Promise<void> => {
    const capture = capturesOf(place, faultSeed)
    while (!state.isOver) {
      generations.push(capture())
      await packAll(parts)
      for (let pack = nextPack(parts); pack; pack = nextPack(parts)) {
        const onSent = (bytes: number): void => {
          state.isSending = true
          state.handedBytes += bytes
        }
        await parts.sender.send(pack, { ...freely(), onSent }).catch((error: unknown) => {
          if (!(error instanceof SluiceError && passing.has(error.code))) throw error
          state.failures++
        })
        state.isSending = false
      }
    }
  }
  const sending = sendOn()
  let underWay = 0
  const killOn = async (): Promise<void> => {
    for (let killed = 0; killed < kills; killed++) {
      const before = state.handedBytes
      while (state.handedBytes === before) await sleep(2)
      await sleep(random() * latestMs)
      const id = killed % 3
      if (state.isSending) underWay++
      await ceph.killOsd(id)
      await ceph.startOsd(id)
      while (!await isActive(ceph, id)) await sleep(20)
    }
    state.isOver = true
  }
  await Promise.all([sending, Promise.race([killOn(), sending])])
  process.stdout.write(
    `an OSD killed ${kills} times, FAULT_SEED=${faultSeed}: ${underWay} with an upload under way; ` +
      `${generations.length} packs, ${state.handedBytes} bytes handed over, ${state.failures} attempts failed\n`,
  )
  expect(parts.journal.unsent()).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(state.handedBytes)
  await expectExact(destination, { generations, packs: generations.length })
  expect(await ceph.request('GET', `/${bucket}?uploads`)).not.toContain('<Upload>')
  expect(await countKeys(ceph, bucket)).toBe(generations.length)
  expect(underWay).toBeGreaterThanOrEqual(Math.floor(kills / 10))
})

async function countKeys(ceph: Ceph, bucket: string): Promise<number> {
  let count = 0
  for (let after = ''; ;) {
    const listed = await ceph.request('GET', `/${bucket}?list-type=2&max-keys=1000&start-after=${encodeURIComponent(after)}`)
    const keys = [...listed.matchAll(/<Key>([^<]*)<\/Key>/g)]
    count += keys.length
    after = keys.at(-1)?.[1] ?? ''
    if (keys.length < 1000) return count
  }
}

/** Whether an OSD says that it takes part in the cluster: one question over its admin socket, as `ceph daemon` asks it. */
async function isActive({ folder }: Ceph, id: number): Promise<boolean> {
  const socket = connect(join(folder, 'run', `ceph-osd.${id}.asok`))
  socket.setTimeout(1000, () => socket.destroy(new Error('no answer')))
  try {
    socket.write('{"prefix":"status"}\0')
    let answer = ''
    for await (const piece of socket as AsyncIterable<Buffer>) answer += piece.toString('latin1')
    return /"state": *"active"/.test(answer)
  } catch {
    return false // it does not listen yet, or has no time to answer
  } finally {
    socket.destroy()
  }
}
