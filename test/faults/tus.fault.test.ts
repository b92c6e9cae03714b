/**
 * Claim: however often, where and how the connection to a tus server is cut, each pack arrives there once and byte-identical;
 * no cut has more than 64 KiB sent again of what had arrived, unless the server itself throws away what it has not yet stored
 * when it learns of the cut at once, and then no more than that; and the ledger is never behind what moved.
 *
 * Method: real packs of 1 KiB to 12 MiB go through the service's own packer, journal, sender, ledger and link to a plain
 * @tus/server in a process of its own, over a proxy that cuts at a random byte of the exchange: resets and farewells in either
 * direction, answers in its own name, connections that stall, bytes that arrive after the client has come back on another
 * connection; the server learns of a cut at once, politely or not, or only later. FAULT_SEED repeats the plan of a run.
 *
 * "Sent again" is what the server's kernel had confirmed of a body when its connection ended, and the next body began before.
 * What the client handed over and a cut threw away before it arrived is told apart; no protocol can have it.
 *
 * Not modelled: bytes changed on the way (a plain tus server does not notice; TLS and the collector do), loss of the server's
 * disk, several clients.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { linkSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { realDisk } from '../../src/journal/real-disk.ts'
import { packFileName, sliceBytes } from '../../src/transfer/destination.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { tusDestination } from '../../src/transfer/tus.ts'
import { sluice } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { storedPacks } from '../transfer/tus-server.ts'
import { expectExact, faultSeed, folderWithin, runCampaign, say } from './campaign.ts'
import { tusOffsetOf } from './request-reader.ts'
import { sized } from '../size.ts'

/** What @tus/server and Node keep in streams on the way to the disk, ten of 64 KiB: a server that learns of a cut drops it. */
const serverBuffers = 10 * sliceBytes

/** Of each server: half of what other destinations get. */
const cuts = sized({ quick: 10, ci: 75, long: 500 })

/** A tus server in a process of its own; its port. */
async function serve(folder: string, ...more: readonly string[]): Promise<number> {
  const program = fileURLToPath(new URL('../transfer/tus-server.ts', import.meta.url))
  const child = spawn(process.execPath, [program, '--folder', folder, ...more], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    child.kill()
    await once(child, 'exit')
  })
  const { value } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next()
  return Number(new URL((JSON.parse(String(value)) as { url: string }).url).port)
}

test.each([['tells', []], ['does not tell', ['--no-head']]] as const)(
  `${cuts} cuts on the way to a tus server that %s heads (FAULT_SEED=${faultSeed})`, { timeout: 10 * 60_000 }, async (how, more) => {
    const store = await temporaryFolder()
    const result = await runCampaign({
      seed: faultSeed, cuts, port: await serve(store, ...more), offsetOf: tusOffsetOf,
      open: ({ port, ...rest }) => tusDestination({ url: new URL(`http://127.0.0.1:${port}/files`), ...rest }),
    })
    say(`tus server that ${how} heads`, faultSeed, result)
    expect(result.againUntold.max).toBeLessThanOrEqual(sliceBytes)
    expect(result.again.max).toBeLessThanOrEqual(serverBuffers)

    const log = folderWithin(result.place, 'log/laptop-1')
    for (const { name, path } of await storedPacks(store)) linkSync(path, join(log, packFileName(name)))
    await expectExact(folderDestination(pathToFileURL(join(log, '..')).href, realDisk), result)
    expect((await sluice('verify', join(log, '..'))).code).toBe(0)

    // Each pack once. Beside them lies nothing but uploads whose address was lost on its way back: they never began.
    const uploads = readdirSync(store).filter((file) => file.endsWith('.json')).map((file) => file.slice(0, -'.json'.length))
    const sizes = uploads.map((id) => ({ there: statSync(join(store, id)).size, of: declaredBytes(join(store, `${id}.json`)) }))
    expect(sizes.filter(({ there, of }) => there === of)).toHaveLength(result.packs)
    expect(sizes.filter(({ there, of }) => there !== of && there !== 0)).toEqual([])
  })

function declaredBytes(path: string): number {
  return (JSON.parse(readFileSync(path, 'utf8')) as { readonly size: number }).size
}
