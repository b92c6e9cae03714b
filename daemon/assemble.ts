import type { Config } from '../config/options.ts'
import type { Emit } from '../src/observe/events.ts'
import type { Sensors } from '../src/scheduler/judge.ts'
import type { State } from '../src/journal/open-state.ts'
import { randomBytes } from 'node:crypto'
import { releaseMemory } from './release-memory.ts'
import { Capture } from '../src/capture/collect.ts'
import { Reclaim } from '../src/capture/reclaim.ts'
import { zstdNative } from '../src/compress/zstd-native.ts'
import { openState } from '../src/journal/open-state.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { readSettings, watchSettings } from '../src/journal/settings.ts'
import { lockState } from '../src/journal/state-lock.ts'
import { networkSensor } from '../src/network/network-sensor.ts'
import { Packer } from '../src/pack/packer.ts'
import { assumedPower, powerSensor } from '../src/power/power-sensor.ts'
import { fixed } from '../src/scheduler/sensor.ts'
import { Service, type ServiceParts } from '../src/scheduler/service.ts'
import { openDestination } from '../src/transfer/open-destination.ts'
import { Sender } from '../src/transfer/sender.ts'

/** Whole epochs can be kept or dropped: a day is what people think in. */
const epochMs = 24 * 60 * 60 * 1000
/** Disk that packs may take while they wait; capture files beyond stay where they are and are packed later. */
const maxSpoolBytes = 1 << 30

export interface AssembleOptions {
  readonly config: Config
  readonly emit: Emit
  readonly onProgress?: ServiceParts['onProgress']
  /** In place of the machine's own: the demo plays its own conditions. */
  readonly sensors?: Sensors
}

/** A service with everything real around it. Disposing of it keeps what the next start can use, and unlocks the folder. */
export interface RunningService extends AsyncDisposable {
  readonly service: Service
  readonly state: State
  readonly sensors: Sensors
}

/** Sensors of this machine, or what the config says in their place. */
export function machineSensors(config: Config): Sensors {
  const { power, network } = config.conditions
  const clock = Date.now
  return {
    power: power ? fixed(assumedPower[power], clock) : powerSensor(process.platform, clock),
    network: network
      ? fixed({ cost: network }, clock)
      : networkSensor({ destination: config.destination, clock, busAddress: process.env['DBUS_SYSTEM_BUS_ADDRESS'] }),
  }
}

/**
 * Builds the service from its config with the real clock, disk and machine: the one place where all parts meet.
 * Throws `state-locked` when another process serves the state folder, and what `openState` throws.
 */
export async function assemble({ config, emit, onProgress, sensors = machineSensors(config) }: AssembleOptions): Promise<RunningService> {
  const now = Date.now
  await using stack = new AsyncDisposableStack()
  stack.use(lockState(config.stateFolder, now()))
  stack.defer(async () => {
    await Promise.all([sensors.power.close(), sensors.network.close()])
  })
  const destination = openDestination(config.destination, realDisk)
  const state = await openState({ config, destination, zstd: zstdNative, disk: realDisk, now, emit })
  const { journal, spool, ledger, lineages } = state
  stack.use(journal)
  // A cache: that it cannot be written must not hide why the service ends.
  stack.defer(() => lineages.save().catch(() => undefined))
  const packer = new Packer({
    journal, spool, lineages, zstd: zstdNative, level: config.effort, sealBytes: config.seal.sizeBytes, epochMs, now, randomBytes, emit,
  })
  const rest = (): void => {
    journal.releaseMemory()
    releaseMemory()
  }
  const parts: ServiceParts = {
    config, journal, ledger, sensors, packer, maxSpoolBytes, now, emit, random: Math.random, onRest: rest,
    capture: new Capture({ streams: config.streams, cursors: journal, emit, now, randomBytes, onPending: () => service.wake() }),
    reclaim: new Reclaim({ streams: config.streams, cursors: journal, emit }),
    sender: new Sender({ device: config.device, journal, spool, ledger, destination, now, emit }),
    settings: { read: () => readSettings(config.stateFolder), watch: (onChange) => watchSettings(config.stateFolder, onChange) },
    ...(onProgress && { onProgress }),
  }
  const service: Service = new Service(parts)
  const kept = stack.move()
  return { service, state, sensors, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
