/**
 * Claim: whoever is killed at whatever moment, the service, the collector, or both at once, nothing that capture tools wrote is
 * lost, nothing is captured or stored twice, and the ledger never shows less than what the collector has.
 *
 * Method: a real `sluice run` enrols at a real `sluice collector` and sends to it over loopback, slowly, while a writer appends,
 * rotates, truncates and moves files into place. Again and again SIGKILL ends one of them, or both, at a random moment after
 * something has moved again; then it is started anew. At each kill the state is noted: a stamped pack that the journal does
 * not know as sent is a transfer under way. In the end a single `run --once` must send all that is left, and the device log at
 * the collector is compared with everything that was ever written. FAULT_SEED repeats the choices of a run, not its timing.
 *
 * Allowed losses as in test/service/kill.fault.test.ts. Not modelled: loss of power, a network that fails at the same time.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { seededRandom } from '../../bench/lib/random.ts'
import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { ledgerBytes, makePlace, readStored, runOnce, sluice, Sluice, type Place } from '../service/harness.ts'
import { differences, Writer } from '../service/written.ts'
import { faultSeed, passing } from './campaign.ts'
import { answers, endWell, makeCollectorPlace, type CollectorPlace } from './collector-process.ts'
import { sized } from '../size.ts'

const kills = sized({ quick: 4, ci: 20, long: 100 })
/** Between two writes; some hundred kilobytes a second in all. */
const writeEveryMs = 25
/** Latest kill after something has moved: some packs go by at the rate below. */
const latestMs = 400
/** So slow that a pack of 64 KiB is on its way for most of the time. */
const slowly = 'rate: { max: 600 kB/s, yield: no }\n'

/** A device that enrols at a collector by itself. */
async function makeDevice(): Promise<{ readonly place: Place, readonly collector: CollectorPlace, readonly setRate: (line: string) => void }> {
  const place = await makePlace()
  const collector = await makeCollectorPlace(place.folder)
  const tokenFile = join(place.folder, 'token')
  writeFileSync(tokenFile, await collector.token('laptop-1'))
  chmodSync(tokenFile, 0o600)
  const config = readFileSync(place.configFile, 'utf8')
    .replace(/^destination: .*$/m, `destination: http://127.0.0.1:${collector.port}/\nenrolment: { tokenFile: ${tokenFile} }`)
  const setRate = (line: string) => { writeFileSync(place.configFile, config + line) }
  setRate(slowly)
  return { place, collector, setRate }
}

/** The files below a folder of a collector, as far as it is there. */
function filesIn(...path: readonly string[]): string[] {
  const folder = join(...path)
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

/** Bytes of packs and of parts of packs at a collector. Files come and go while it runs. */
function bytesAt({ packs }: CollectorPlace): number {
  return [...filesIn(packs, 'laptop-1'), ...filesIn(packs, '.collector', 'incoming')]
    .reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0)
}

/** Whether the journal has a pack whose transfer has begun and not ended. */
function isUnderWay({ state }: Place): boolean {
  using journal = new Journal(journalPath(state), 'read')
  return journal.stamped() !== undefined
}

/** The service may be waiting after a failure; a credential that changed is tried at once. */
function touchCredential({ state }: Place): void {
  const path = join(state, 'credential')
  if (existsSync(path)) utimesSync(path, new Date(), new Date())
}

/** What fails is the other one's death, and nothing else. */
function expectPassing({ events }: Sluice): void {
  expect(events.flatMap((event) => event.event === 'send.failed' && !passing.has(event.code) ? [event] : [])).toEqual([])
}

/** Kills one of them, or both, time after time. A file of its own calls it for each, so that they run beside one another. */
export function killCampaign(victim: 'the service' | 'the collector' | 'both'): void {
  const title = `${victim} killed ${kills} times (FAULT_SEED=${faultSeed}), nothing is lost or there twice`
  test(title, { timeout: 30 * 60_000 }, () => campaign(victim))
}

async function campaign(victim: Parameters<typeof killCampaign>[0]): Promise<void> {
  const random = seededRandom(faultSeed)
  const { place, collector, setRate } = await makeDevice()
  const staging = join(place.folder, 'staging')
  mkdirSync(staging)
  const writer = new Writer({ ...place, staging }, random)
  const writing = setInterval(() => writer.step(), writeEveryMs)
  const startService = async () => {
    const service = new Sluice('run', '--json', '--config', place.configFile)
    await service.event(({ event }) => event === 'service.started')
    return service
  }
  let receiver = await collector.start()
  await answers(receiver, collector.port)
  let service = await startService()
  const states = { 'under way': 0, 'between packs': 0 }
  let partly = 0
  try {
    for (let killed = 0; killed < kills; killed++) {
      const before = bytesAt(collector)
      touchCredential(place)
      while (bytesAt(collector) <= before) {
        expectPassing(service)
        await sleep(5)
      }
      await sleep(random() * latestMs)
      const dying = [...(victim === 'the collector' ? [] : [service]), ...(victim === 'the service' ? [] : [receiver])]
      for (const process of dying) process.kill()
      for (const process of dying) expect(await process.ended).toMatchObject({ signal: 'SIGKILL' })
      states[isUnderWay(place) ? 'under way' : 'between packs']++
      if (filesIn(collector.packs, '.collector', 'incoming').length > 0) partly++
      const arrived = bytesAt(collector)
      expect(ledgerBytes(place)).toBeGreaterThanOrEqual(arrived)
      if (dying.includes(receiver)) {
        receiver = await collector.start()
        await answers(receiver, collector.port)
      }
      if (dying.includes(service)) service = await startService()
    }
  } finally {
    clearInterval(writing)
  }
  writer.finish()
  service.kill('SIGTERM')
  await service.ended
  setRate('')
  const last = await runOnce(place)
  expect(last, last.stderr).toMatchObject({ code: 0 })
  process.stdout.write(
    `${victim} killed ${kills} times, FAULT_SEED=${faultSeed}: ${states['under way']} with a transfer under way, ` +
      `${states['between packs']} between packs; ${partly} with part of a pack at the collector\n`,
  )
  await endWell(receiver)

  const stored = await readStored(folderDestination(pathToFileURL(collector.packs).href, realDisk))
  expect(stored.problems).toEqual([])
  expect(differences(writer.generations, stored.captured)).toEqual([])
  expect(stored.repeated).toEqual([])
  expect(ledgerBytes(place)).toBeGreaterThanOrEqual(bytesAt(collector))
  const verified = await sluice('verify', collector.packs)
  expect(verified, verified.stderr + verified.stdout).toMatchObject({ code: 0 })
  expect(filesIn(collector.packs, '.collector', 'incoming')).toEqual([])
  expect(filesIn(collector.packs, 'laptop-1').filter((path) => !path.endsWith('.pack'))).toEqual([])
  // The run was worth something only if much was under way when it was killed.
  expect(states['under way']).toBeGreaterThanOrEqual(Math.floor(kills / 10))
}
