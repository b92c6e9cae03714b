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
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { endPause, startPause } from '../../src/journal/pause.ts'
import { updateSettings } from '../../src/journal/settings.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { captureArgv, startCapture, startWireNetwork, whyNoWireNetwork, type Packet } from '../link/wire-network.ts'
import { startPrivateNetwork, whyNoPrivateNetwork } from '../network/private-network.ts'
import { startPrivatePower, whyNoPrivatePower } from '../power/private-power.ts'
import { held, is, startDesk, type Desk, type Machines, type RunningService } from './two-machines.ts'
import { untilPaused } from './paused.ts'

const reactionMs = 250
/** Long after the last byte should have left. */
const watchMs = 1000
/** After this the handshake is over, and the rate is what it is going to be. */
const flowingMs = 500

/** A service that sends one pack slowly, and the network device it does so by. */
class Upload {
  readonly desk: Desk
  readonly service: RunningService
  readonly #capture: readonly [string, ...string[]]

  constructor(desk: Desk, machines: Machines, device: string) {
    this.desk = desk
    this.service = desk.run()
    this.#capture = machines.near(captureArgv(device))
  }

  async flows(): Promise<void> {
    await this.service.event(is('pack.stamped'))
    await sleep(flowingMs)
  }

  /** Does something, and returns the payload bytes of packets that left the machine later than 250 ms after. */
  async lateBytes(act: () => Promise<void> | void, isHeld: ((event: SluiceEvent) => boolean) | 'paused'): Promise<number> {
    const capture = await startCapture(this.desk.start(this.#capture))
    const from = this.service.events.length
    const since = Date.now()
    await act()
    if (isHeld === 'paused') await untilPaused(this.desk.state)
    else await this.service.event(isHeld, from)
    await sleep(watchMs)
    const packets = await capture.stop()
    expect(payloadOf(packets.filter(({ at }) => at < since + reactionMs)), 'it was sending').toBeGreaterThan(0)
    return payloadOf(packets.filter(({ at }) => at >= since + reactionMs))
  }

  /** Does something that lets it go on, and waits until bytes flow. */
  async resumes(act: () => Promise<void> | void): Promise<void> {
    const from = this.service.events.length
    await act()
    await this.service.event(is('send.resumed'), from)
    await sleep(flowingMs)
  }

  /** Waits until the pack has arrived, and says which are there. */
  async arrives(): Promise<number[]> {
    await this.service.event(is('pack.sent'))
    return (await this.desk.stored()).map(({ name }) => name.seq)
  }
}

const contentBytes = 600_000
const slowly = 'rate: { max: 100 kB/s }\n'

function payloadOf(packets: readonly Packet[]): number {
  return packets.filter(({ direction }) => direction === 'out').reduce((sum, { payloadBytes }) => sum + payloadBytes, 0)
}

const noPower = whyNoWireNetwork() ?? whyNoPrivatePower()

test.skipIf(noPower !== undefined)(`a pause, unplugging and a low battery are on the wire within 250 ms${noPower ? ` (${noPower})` : ''}`, { timeout: 120_000 }, async () => {
  await using power = await startPrivatePower()
  await power.run('plug')
  await power.run('level 35')
  await using net = await startWireNetwork()
  const machines: Machines = {
    near: (argv) => net.argv('near', argv), far: (argv) => net.argv('far', argv), address: net.address.far, busAddress: power.busAddress,
  }
  await using desk = await startDesk(machines, contentBytes, `${slowly}conditions: { network: free }`)
  const upload = new Upload(desk, machines, 'wire')
  await upload.flows()

  const pause = () => void updateSettings(desk.state, (settings) => startPause(settings, Date.now(), undefined))
  expect(await upload.lateBytes(pause, 'paused')).toBe(0)
  updateSettings(desk.state, (settings) => endPause(settings, Date.now()))
  await untilPaused(desk.state, false)
  await sleep(flowingMs)

  expect(await upload.lateBytes(() => power.run('unplug'), held('battery'))).toBe(0)
  await upload.resumes(() => power.run('plug'))

  expect(await upload.lateBytes(async () => {
    await power.run('level 9')
    await power.run('unplug')
  }, held('battery-low'))).toBe(0)
  await power.run('plug')
  expect(await upload.arrives()).toEqual([1])
})

const noNetwork = whyNoPrivateNetwork()

test.skipIf(noNetwork !== undefined)(`a network that becomes metered is left alone within 250 ms${noNetwork ? ` (${noNetwork})` : ''}`, { timeout: 120_000 }, async () => {
  await using manager = await startPrivateNetwork()
  await manager.run('metered no')
  const machines: Machines = {
    near: (argv) => manager.argv('laptop', argv), far: (argv) => manager.argv('provider', argv), address: '10.99.0.1', busAddress: manager.busAddress,
  }
  await using desk = await startDesk(machines, contentBytes, `${slowly}conditions: { power: mains }`)
  const upload = new Upload(desk, machines, 'cable')
  await upload.flows()
  expect(await upload.lateBytes(() => manager.run('metered yes'), held('metered'))).toBe(0)
  await manager.run('metered no')
  expect(await upload.arrives()).toEqual([1])
})
