/**
 * Claim: a pause, an unplugged charger, a low battery or a network that becomes metered stops an upload within 250 ms, and
 * the upload goes on afterwards.
 *
 * Method: the real service sends to a real tus server over TLS, from one network namespace to another. The real upowerd and
 * NetworkManager tell it what happens. Packets are watched at the machine's own interface with the kernel's times of them;
 * the clock starts before upowerd or NetworkManager is told. Counted are TCP payload bytes that leave later than 250 ms
 * after, for as long as the service takes to say that it holds and a second more.
 *
 * Not modelled: what a Wi-Fi card or a router still holds. The line is as fast as the machine, so the rate comes from us.
 */
import type { ChildProcess } from 'node:child_process'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { endPause, startPause } from '../../src/journal/pause.ts'
import { updateSettings } from '../../src/journal/settings.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { startPrivateNetwork, whyNoPrivateNetwork } from '../network/private-network.ts'
import { captureArgv, startCapture, startWireNetwork, whyNoWireNetwork, type Packet } from '../link/wire-network.ts'
import { noise } from '../pack/make-log.ts'
import { startPrivatePower, whyNoPrivatePower } from '../power/private-power.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { storedPacks } from '../transfer/tus-server.ts'

const root = join(import.meta.dirname, '../..')
const reactionMs = 250
/** Long after the last byte should have left. */
const watchMs = 1000

type Argv = (argv: readonly string[]) => readonly [string, ...string[]]

/** Two machines that reach each other. */
interface Machines {
  /** Where the service runs, and its network device. */
  readonly near: Argv
  readonly device: string
  /** Where the server runs, and its address. */
  readonly far: Argv
  readonly address: string
  readonly busAddress: string
}

/** A service that sends one pack slowly. */
interface Upload extends AsyncDisposable {
  readonly state: string
  event(isIt: (event: SluiceEvent) => boolean, from?: number): Promise<number>
  /** Does something, and returns the payload bytes of packets that left the machine later than 250 ms after. */
  lateBytes(act: () => Promise<void> | void, isHeld: (event: SluiceEvent) => boolean): Promise<number>
  /** Does something that lets it go on, and waits until bytes flow. */
  resumes(act: () => Promise<void> | void): Promise<void>
  /** The packs that arrived whole. */
  stored(): ReturnType<typeof storedPacks>
}

const contentBytes = 600_000

async function startUpload(machines: Machines, conditions: string): Promise<Upload> {
  const children = new Set<ChildProcess>()
  const endAll = async (): Promise<void> => {
    await Promise.all([...children].map(async (child) => {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }))
  }
  onTestFinished(endAll)
  const folder = await temporaryFolder()
  const at = (name: string): string => join(folder, name)
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=far',
    '-addext', `subjectAltName=IP:${machines.address}`, '-keyout', at('key.pem'), '-out', at('cert.pem'),
  ], { stdio: 'ignore' })
  const started = (argv: readonly [string, ...string[]], environment: NodeJS.ProcessEnv = {}): ChildProcess => {
    const [program, ...rest] = argv
    const child = spawn(program, rest, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...environment } })
    children.add(child)
    child.once('exit', () => children.delete(child))
    return child
  }
  const server = started(machines.far([
    process.execPath, join(root, 'test/transfer/tus-server.ts'), '--folder', at('store'), '--host', machines.address, '--port', '8443',
    '--cert', at('cert.pem'), '--key', at('key.pem'),
  ]))
  await once(server.stdout ?? server, 'data')
  mkdirSync(at('captures'))
  writeFileSync(at('captures/a.log'), noise('reaction', contentBytes))
  writeFileSync(at('sluice.yaml'), `
device: laptop-1
state: ${at('state')}
destination: https://${machines.address}:8443/files
streams: [{ name: log, path: ${at('captures')}, purpose: tests, files: append }]
seal: { age: 1s }
rate: { max: 100 kB/s }
effort: 1
timeZone: UTC
conditions: { ${conditions} }
`)
  const service = started(machines.near([process.execPath, join(root, 'cli/launch.mjs'), 'run', '--json', '--config', at('sluice.yaml')]), {
    DBUS_SYSTEM_BUS_ADDRESS: machines.busAddress, NODE_EXTRA_CA_CERTS: at('cert.pem'),
  })
  const events: SluiceEvent[] = []
  let news = Promise.withResolvers<undefined>()
  if (!service.stdout) throw new Error('the service needs a pipe')
  createInterface({ input: service.stdout }).on('line', (line) => {
    events.push(JSON.parse(line) as SluiceEvent)
    news.resolve(undefined)
    news = Promise.withResolvers()
  })
  const ended = once(service, 'exit')
  const event: Upload['event'] = async (isIt, from = 0) => {
    for (;;) {
      const found = events.slice(from).findIndex(isIt)
      if (found >= 0) return from + found
      if (service.exitCode !== null) throw new Error(`the service ended: ${JSON.stringify(events)}`)
      await Promise.race([news.promise, ended])
    }
  }
  return {
    state: at('state'), event,
    lateBytes: async (act, isHeld) => {
      const capture = await startCapture(started(machines.near(captureArgv(machines.device))))
      const from = events.length
      const since = Date.now()
      await act()
      await event(isHeld, from)
      await sleep(watchMs)
      const packets = await capture.stop()
      expect(payloadOf(packets.filter(({ at: time }) => time < since + reactionMs)), 'it was sending').toBeGreaterThan(0)
      return payloadOf(packets.filter(({ at: time }) => time >= since + reactionMs))
    },
    resumes: async (act) => {
      const from = events.length
      await act()
      await event(is('send.resumed'), from)
      await sleep(flowingMs)
    },
    stored: () => storedPacks(at('store')),
    [Symbol.asyncDispose]: endAll,
  }
}

function payloadOf(packets: readonly Packet[]): number {
  return packets.filter(({ direction }) => direction === 'out').reduce((sum, { payloadBytes }) => sum + payloadBytes, 0)
}

const is = (name: SluiceEvent['event']) => (event: SluiceEvent): boolean => event.event === name
const held = (code: string) => (event: SluiceEvent): boolean => event.event === 'send.held' && event.reasons.includes(code)

/** After this the handshake is over, and the rate is what it is going to be. */
const flowingMs = 500

const noPower = whyNoWireNetwork() ?? whyNoPrivatePower()

test.skipIf(noPower !== undefined)(`a pause, unplugging and a low battery are on the wire within 250 ms${noPower ? ` (${noPower})` : ''}`, { timeout: 120_000 }, async () => {
  await using power = await startPrivatePower()
  await power.run('plug')
  await power.run('level 35')
  await using net = await startWireNetwork()
  await using upload = await startUpload({
    near: (argv) => net.argv('near', argv), far: (argv) => net.argv('far', argv), device: 'wire', address: net.address.far, busAddress: power.busAddress,
  }, 'network: free')
  await upload.event(is('pack.stamped'))
  await sleep(flowingMs)

  const pause = () => void updateSettings(upload.state, (settings) => startPause(settings, Date.now(), undefined))
  expect(await upload.lateBytes(pause, held('paused'))).toBe(0)
  await upload.resumes(() => void updateSettings(upload.state, (settings) => endPause(settings, Date.now())))

  expect(await upload.lateBytes(() => power.run('unplug'), held('battery'))).toBe(0)
  await upload.resumes(() => power.run('plug'))

  expect(await upload.lateBytes(async () => {
    await power.run('level 9')
    await power.run('unplug')
  }, held('battery-low'))).toBe(0)
  await power.run('plug')
  await upload.event(is('pack.sent'))
  expect((await upload.stored()).map(({ name }) => name.seq)).toEqual([1])
})

const noNetwork = whyNoPrivateNetwork()

test.skipIf(noNetwork !== undefined)(`a network that becomes metered is left alone within 250 ms${noNetwork ? ` (${noNetwork})` : ''}`, { timeout: 120_000 }, async () => {
  await using manager = await startPrivateNetwork()
  await manager.run('metered no')
  await using upload = await startUpload({
    near: (argv) => manager.argv('laptop', argv), far: (argv) => manager.argv('provider', argv), device: 'cable', address: '10.99.0.1',
    busAddress: manager.busAddress,
  }, 'power: mains')
  await upload.event(is('pack.stamped'))
  await sleep(flowingMs)
  expect(await upload.lateBytes(() => manager.run('metered yes'), held('metered'))).toBe(0)
  await manager.run('metered no')
  await upload.event(is('pack.sent'))
  expect((await upload.stored()).map(({ name }) => name.seq)).toEqual([1])
})
