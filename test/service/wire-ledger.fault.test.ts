/**
 * Claim: whatever ends the service while it sends over a network, its ledger never shows less than crossed the wire.
 *
 * Method: the real service sends to a real tus server over TLS between two network namespaces, through a line that loses
 * packets. It is killed (SIGKILL) at random moments of its transfers and started again. After each kill, once the line is
 * quiet, the bytes that the interface counted, both directions and all headers, are compared with the ledger.
 *
 * Not modelled: a power cut of the machine, which test/budget/ledger.fault.test.ts covers for the ledger by itself.
 */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { Journal } from '../../src/journal/journal.ts'
import { startWireNetwork, whyNoWireNetwork, type WireNetwork } from '../link/wire-network.ts'
import { is, startDesk } from './two-machines.ts'
import { sized } from '../size.ts'

const kills = sized({ quick: 5, ci: 20, long: 20 })
const seed = Number(process.env['KILL_SEED'] ?? Date.now() % 1_000_000)

/** Three packs, at 1 MB/s longer than the kills take. */
const contentBytes = 11_000_000

/** Bytes both ways, once they stand still: what the peer sends after the kill counts too. */
async function quietBytes(net: WireNetwork): Promise<number> {
  for (let before = -1; ;) {
    const { inBytes, outBytes } = await net.counters('near')
    if (inBytes + outBytes === before) return before
    before = inBytes + outBytes
    await sleep(300)
  }
}

function ledgerBytes(state: string): number {
  using journal = new Journal(join(state, 'journal.sqlite'), 'read')
  return new Ledger(journal).usedSince(0)
}

const why = whyNoWireNetwork()

test.skipIf(why !== undefined)(`after ${kills} kills (KILL_SEED=${seed}) in the middle of uploads the ledger shows at least what the interface counted${why ? ` (${why})` : ''}`, { timeout: 300_000 }, async () => {
  const random = seededRandom(seed)
  await using net = await startWireNetwork()
  await net.setLoss(2)
  await using desk = await startDesk(
    { near: (argv) => net.argv('near', argv), far: (argv) => net.argv('far', argv), address: net.address.far },
    contentBytes, 'rate: { max: 1 MB/s }\nconditions: { power: mains, network: free }',
  )
  let [moved, stamps] = [0, 0]
  for (let kill = 0; kill < kills; kill++) {
    const service = desk.run()
    await service.event((event) => is('pack.stamped')(event) || is('service.started')(event))
    await sleep(random() * 800)
    await service.kill()
    const wire = await quietBytes(net)
    expect(ledgerBytes(desk.state), `kill ${kill}`).toBeGreaterThanOrEqual(wire)
    if (wire > moved) stamps++
    moved = wire
  }
  expect(stamps, 'kills that met a transfer').toBeGreaterThan(kills / 3)
  await net.setLoss(0)
  desk.run()
  await expect.poll(async () => (await desk.stored()).map(({ name }) => name.seq).sort(), { timeout: 60_000 }).toEqual([1, 2, 3])
})
