import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { freePort } from '../../bench/lib/port.ts'
import { openAccounts, openStore } from '../../daemon/run-collector.ts'
import { Sluice } from '../service/harness.ts'

/** Some twenty events. */
const toldCharacters = 3000

/** A `sluice collector` that is started, ended and started again at the same address, on the same folder. */
export interface CollectorPlace {
  /** Finished packs, as a folder destination has them. */
  readonly packs: string
  readonly configFile: string
  readonly port: number
  start(): Promise<Sluice>
  /** A token with which this device enrols. */
  token(device: string): Promise<string>
  /** A credential of this device. */
  enrol(device: string): Promise<string>
}

export async function makeCollectorPlace(folder: string): Promise<CollectorPlace> {
  const [packs, port] = [join(folder, 'collected'), await freePort()]
  const configFile = join(folder, 'collector.yaml')
  // A campaign asks more often in a minute than a device does in a day.
  writeFileSync(configFile, `
folder: ${packs}
listen: 127.0.0.1:${port}
limits: { requestsPerDevice: 1000000, requestsPerAddress: 1000000 }
`)
  const accounts = async () => openAccounts(await openStore({ folder: packs }))
  const token = async (device: string) => (await accounts()).makeToken({ device, uses: 1, expiresAt: Date.now() + 3600_000 })
  return {
    packs, configFile, port, token,
    start: async () => new Sluice('collector', '--config', configFile),
    enrol: async (device) => (await (await accounts()).enrol(device, await token(device))).credential,
  }
}

/** Ends a collector with SIGTERM. One that does not end with 0 says in the failure what it told last. */
export async function endWell(collector: Sluice): Promise<void> {
  collector.kill('SIGTERM')
  const ended = await collector.ended
  expect(ended, `${collector.stderr}${collector.stdout.slice(-toldCharacters)}`).toEqual({ code: 0, signal: null })
}

/** Resolves once it answers; throws when it has ended first. */
export async function answers(collector: Sluice, port: number): Promise<void> {
  let hasEnded = false
  void collector.ended.then(() => { hasEnded = true })
  while (!await fetch(`http://127.0.0.1:${port}/health`).then(({ ok }) => ok, () => false)) {
    if (hasEnded) throw new Error(`the collector ended: ${collector.stderr}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
