import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Beside, Companion } from '../../daemon/beside/companion.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import type { NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Sensor } from '../../src/scheduler/sensor.ts'
import { startServiceManager } from '../../daemon/beside/service-manager.ts'
import { settable } from '../../src/scheduler/sensor.ts'
import { root } from '../cli/run.ts'
import { makePlace } from '../service/harness.ts'
import { goLive } from '../service/live.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { canHear, listenAsSystemd } from './systemd-ear.ts'

afterEach(() => { vi.unstubAllEnvs() })

interface Spoken {
  readonly companion: Companion | undefined
  readonly events: SluiceEvent[]
}

/** The companion of a service that turns when `turned` says so. */
async function speakFor(turned: () => Promise<void>): Promise<Spoken> {
  const events: SluiceEvent[] = []
  const running = { service: { turned }, state: { journal: { waiting: () => ({ packs: 2, bytes: 5000 }) } } }
  const companion = await startServiceManager({ running, emit: (event: SluiceEvent) => events.push(event) } as unknown as Beside)
  onTestFinished(async () => await companion?.[Symbol.asyncDispose]())
  return { companion, events }
}

describe.skipIf(!canHear)('systemd (skipped without systemd-notify or Python)', () => {
  async function heardBySystemd(watchdogMs = 200) {
    const ear = await listenAsSystemd(await temporaryFolder())
    vi.stubEnv('NOTIFY_SOCKET', ear.socket)
    vi.stubEnv('WATCHDOG_USEC', String(watchdogMs * 1000))
    return ear
  }

  test('hears that the service is ready when its loop has turned, how it does, and then that it goes on turning', async () => {
    const ear = await heardBySystemd()
    const first = Promise.withResolvers<void>()
    let turns = 0
    await speakFor(async () => (turns++ === 0 ? await first.promise : undefined))
    await ear.until(/^WATCHDOG=1$/)
    expect(ear.heard.some((line) => line.startsWith('READY=1'))).toBe(false)
    first.resolve()
    await ear.until(/^READY=1\|STATUS=packs sent since the start: 0, waiting: 2 \(5 kB\)\|WATCHDOG_USEC=200000$/)
    await ear.until(/^WATCHDOG=1$/, 3)
  }, 30_000)

  test('hears nothing of a loop that hangs', async () => {
    const ear = await heardBySystemd()
    let turns = 0
    const asked = Promise.withResolvers<void>()
    const { companion } = await speakFor(async () => {
      turns++
      if (turns <= 2) return
      asked.resolve()
      await new Promise(() => {})
    })
    await ear.until(/^WATCHDOG=1$/)
    await asked.promise
    await companion?.[Symbol.asyncDispose]() // every message that was to be said has been
    await ear.until(/^WATCHDOG_USEC=21600000000$/) // nobody turns here: the service waits to start again
    expect(ear.heard.filter((line) => line === 'WATCHDOG=1')).toHaveLength(1)
    expect(turns).toBe(3)
  }, 30_000)

  test('is told once that it cannot be told', async () => {
    const folder = await temporaryFolder()
    vi.stubEnv('NOTIFY_SOCKET', join(folder, 'nobody'))
    vi.stubEnv('WATCHDOG_USEC', undefined)
    const { companion, events } = await speakFor(async () => {})
    await Promise.resolve()
    await companion?.[Symbol.asyncDispose]()
    expect(events.map(({ event }) => event)).toEqual(['control.unavailable'])
  })

  test('hears of the real program that it runs, turns, and stops', async () => {
    const ear = await listenAsSystemd(await temporaryFolder())
    const place = await makePlace()
    const child = spawn(process.execPath, [join(root, 'cli/launch.mjs'), 'run', '--config', place.configFile], {
      env: { PATH: process.env['PATH'], HOME: place.folder, NOTIFY_SOCKET: ear.socket, WATCHDOG_USEC: '400000' }, stdio: 'ignore',
    })
    const ended = once(child, 'exit')
    await ear.until(/^READY=1\|STATUS=packs sent since the start: 0, waiting: 0 /)
    await ear.until(/^WATCHDOG=1$/, 2)
    child.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
    await ear.until(/^STOPPING=1$/)
  }, 60_000)
})

test('a service that nobody manages speaks to nobody', async () => {
  vi.stubEnv('NOTIFY_SOCKET', undefined)
  expect((await speakFor(async () => {})).companion).toBeUndefined()
})

describe('a service that is asked whether it turns', () => {
  async function running(read?: Sensor<PowerState>['read']) {
    const place = await makePlace()
    mkdirSync(place.state)
    const network = settable<NetworkState>({ cost: 'free' }, Date.now)
    return await goLive(place, read ? { instead: { sensors: { power: { read, close: async () => {} }, network } } } : {})
  }

  test('says so after a whole turn, also when nothing is to be done', async () => {
    const { service } = await running()
    await service.turned()
    await Promise.all([service.turned(), service.turned()])
  })

  test('does not while a turn hangs', async () => {
    const [asked, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    let hangs = false
    const { service } = await running(async () => {
      if (hangs) {
        asked.resolve()
        await answer.promise
      }
      return { value: { supply: 'mains', saver: 'off' }, source: 'test', at: Date.now() }
    })
    await service.turned()
    hangs = true
    let hasTurned = false
    const turned = service.turned().then(() => { hasTurned = true })
    await asked.promise
    for (let i = 0; i < 100; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(hasTurned).toBe(false)
    answer.resolve()
    await turned
  })
})
