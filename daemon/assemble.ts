import type { Config } from '../config/options.ts'
import type { Journal } from '../src/journal/journal.ts'
import type { Settings } from '../src/journal/settings.ts'
import type { Emit } from '../src/observe/events.ts'
import type { Sensors } from '../src/scheduler/judge.ts'
import type { State } from '../src/journal/open-state.ts'
import { randomBytes } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { releaseMemory } from './release-memory.ts'
import { openSending } from './sending.ts'
import { readInterfaces } from '../src/budget/interface-counters.ts'
import { PlanWatch } from '../src/budget/plan-watch.ts'
import { Capture } from '../src/capture/collect.ts'
import { Reclaim } from '../src/capture/reclaim.ts'
import { pauseStateOf, publishPause, samePauseState, type PauseState } from '../src/control/pause-state.ts'
import { zstdNative } from '../src/compress/zstd-native.ts'
import { chunkSecret } from '../src/journal/chunk-secret.ts'
import { encryptPack, encryptWaiting } from '../src/journal/encrypt-waiting.ts'
import { openState } from '../src/journal/open-state.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { emptySettings, readSettings, updateSettings, watchSettings } from '../src/journal/settings.ts'
import { lockState } from '../src/journal/state-lock.ts'
import { networkSecret } from '../src/network/network-secret.ts'
import { networkSensor } from '../src/network/network-sensor.ts'
import { openSealer } from '../src/pack/encryption.ts'
import { Packer } from '../src/pack/packer.ts'
import { assumedPower, powerSensor } from '../src/power/power-sensor.ts'
import { networkIds } from '../src/scheduler/judge.ts'
import { PauseKeeper } from '../src/scheduler/pause-keeper.ts'
import { efforts } from '../src/scheduler/effort.ts'
import { fixed, promptly } from '../src/scheduler/sensor.ts'
import { Service, type ServiceParts } from '../src/scheduler/service.ts'
import { lookAtClocks, watchSuspend } from '../src/scheduler/suspend.ts'
import { Sender } from '../src/transfer/sender.ts'
import { WorkerPool } from '../src/workers/pool.ts'
import { zstdOn } from '../src/workers/zstd.ts'

/** Whole epochs can be kept or dropped: a day is what people think in. */
const epochMs = 24 * 60 * 60 * 1000
/**
 * Memory is given back after so much rest: it costs a second of CPU to warm up again afterwards. A recorded session of 14
 * minutes took twice the CPU when that was done after each pack.
 */
const releaseAfterMs = 60_000
/** More would only take a machine away from whoever works on it. */
const mostThreads = 4
/** Disk that packs may take while they wait; capture files beyond stay where they are and are packed later. */
const maxSpoolBytes = 1 << 30

export interface AssembleOptions {
  readonly config: Config
  readonly emit: Emit
  readonly onProgress?: ServiceParts['onProgress']
  /** Told of the worker's pause, and of streams that are off, when the service starts and whenever that changes. */
  readonly onPause?: (state: PauseState) => void
  /** In place of the machine's own: the demo plays its own conditions. */
  readonly sensors?: Sensors
  /** Ends a start that takes long, with `aborted`. */
  readonly signal?: AbortSignal
}

/** A service with everything real around it. Disposing of it keeps what the next start can use, and unlocks the folder. */
export interface RunningService extends AsyncDisposable {
  readonly service: Service
  readonly state: State
  readonly sensors: Sensors
  readonly sender: Pick<Sender, 'reserved' | 'moving'>
  readonly capture: Pick<Capture, 'pending'>
}

/** Sensors of this machine, or what the config says in their place; the worker's word about networks counts. */
export function machineSensors(config: Config): Sensors {
  const { power, network } = config.conditions
  const clock = Date.now
  const busAddress = process.env['DBUS_SYSTEM_BUS_ADDRESS']
  return {
    power: power ? fixed(assumedPower[power], clock) : powerSensor({ platform: process.platform, clock, address: busAddress }),
    network: network
      ? fixed({ cost: network }, clock)
      : networkSensor({
        destination: config.destination, clock, platform: process.platform, busAddress,
        secret: () => networkSecret(config.stateFolder),
        overrides: () => new Map(settingsOrNone(config.stateFolder).networks.flatMap(({ id, cost }) => (cost === 'auto' ? [] : [[id, cost]]))),
      }),
  }
}

/** Settings that cannot be read are told as a fault, by whoever decides; nothing is overridden meanwhile. */
function settingsOrNone(stateFolder: string): Settings {
  try {
    return readSettings(stateFolder)
  } catch {
    return emptySettings
  }
}

/** The person's data plan, counted by this machine's own counters. `save` keeps the count where that is wanted. */
export function planWatch(config: Config, journal: Journal, save?: (text: string) => void): PlanWatch | undefined {
  const { plan, timeZone, stateFolder } = config
  return plan && new PlanWatch({
    plan, timeZone, saved: journal.meta('plan'), read: () => readInterfaces(process.platform),
    networkIds: () => networkIds(settingsOrNone(stateFolder)),
    ...(save && { save }),
  })
}

/** What wakes a service besides sensors and settings: time windows, and the machine's own sleep. */
async function machineWatches({ windows, timeZone }: Config, emit: Emit, service: Pick<Service, 'suspend' | 'resume'>): Promise<NonNullable<ServiceParts['watches']>> {
  const watches: NonNullable<ServiceParts['watches']>[number][] = [() => watchSuspend({
    address: process.env['DBUS_SYSTEM_BUS_ADDRESS'],
    onSuspend: () => {
      emit({ event: 'machine.suspended' })
      service.suspend()
    },
    onResume: () => service.resume(),
  })]
  if (windows.length === 0) return watches
  const { watchWindows } = await import('../src/scheduler/window-clock.ts')
  return [...watches, (wake: () => void) => watchWindows(windows, timeZone, wake)]
}

/** Writes the state of the pause down for capture tools, and passes it on, when it is another one than last time. */
function publisher(stateFolder: string, onPause: ((state: PauseState) => void) | undefined): (settings: Settings | undefined) => void {
  let told: PauseState | undefined
  return (settings) => {
    if (told && settings && samePauseState(told, pauseStateOf(settings, Date.now()))) return
    const before = told
    told = publishPause(stateFolder, Date.now())
    if (!before || !samePauseState(before, told)) onPause?.(told)
  }
}

/**
 * Builds the service from its config with the real clock, disk and machine: the one place where all parts meet.
 * Throws `state-locked` when another process serves the state folder, and what `openState` throws.
 */
export async function assemble({ config, emit, onProgress, onPause, signal, sensors = machineSensors(config) }: AssembleOptions): Promise<RunningService> {
  const now = Date.now
  await using stack = new AsyncDisposableStack()
  stack.use(lockState(config.stateFolder, now()))
  stack.defer(async () => {
    await Promise.all([sensors.power.close(), sensors.network.close()])
  })
  const sealer = config.recipients && await openSealer(config.recipients, chunkSecret(config.stateFolder))
  const sending = stack.use(await openSending(config, () => journal))
  const { destination, setRate, watchCredential } = sending
  const state = await openState({ config, destination, zstd: zstdNative, disk: realDisk, now, emit, ...(signal && { signal }) })
  const { journal, spool, ledger, lineages } = state
  stack.use(journal)
  journal.sealFor(sealer?.mark ?? '')
  if (sealer) await encryptWaiting({ journal, spool, sealer })
  // Raw captures have no place beside encrypted ones. A cache: that it cannot be written must not hide why the service ends.
  else stack.defer(() => lineages.save().catch(() => undefined))
  const workers = stack.use(new WorkerPool({ threads: Math.min(mostThreads, availableParallelism()), restMs: releaseAfterMs }))
  const packer = new Packer({
    journal, spool, lineages, zstd: zstdOn(workers), workers, level: config.effort === 'auto' ? efforts.normal : config.effort, sealBytes: config.seal.sizeBytes, epochMs, now, randomBytes, emit,
    ...(sealer && { sealer }),
  })
  let release: NodeJS.Timeout | undefined
  stack.defer(() => { clearTimeout(release) })
  const rest = (): void => {
    clearTimeout(release)
    release = setTimeout(() => {
      journal.releaseMemory()
      releaseMemory()
    }, releaseAfterMs).unref()
  }
  const capture = new Capture({
    streams: config.streams, cursors: journal, drops: journal.drops, emit, now, randomBytes, onPending: () => service.wake(),
  })
  const update = (change: (settings: Settings) => Settings): Settings => updateSettings(config.stateFolder, change)
  const plan = planWatch(config, journal, (text) => journal.setMeta('plan', text))
  if (plan) stack.use(plan)
  const parts: ServiceParts = {
    config, journal, ledger, packer, maxSpoolBytes, now, emit, random: Math.random, onRest: rest,
    monotonic: () => performance.now(), clocks: lookAtClocks,
    sensors: { power: promptly(sensors.power), network: promptly(sensors.network) },
    wireBytes: (bytes) => destination.wireBytes(bytes),
    capture,
    reclaim: new Reclaim({ streams: config.streams, cursors: journal, emit }),
    sender: new Sender({
      device: config.device, journal, spool, ledger, destination, now, emit,
      ...(sealer && { encrypt: (pack) => encryptPack({ journal, spool, sealer }, pack) }),
    }),
    settings: { read: () => readSettings(config.stateFolder), watch: (onChange) => watchSettings(config.stateFolder, onChange) },
    pauses: new PauseKeeper({ capture, update, emit, publish: publisher(config.stateFolder, onPause) }),
    watches: await machineWatches(config, emit, { suspend: () => service.suspend(), resume: () => service.resume() }),
    ...(plan && { plan }),
    ...(setRate && { setRate }),
    ...(watchCredential && { mends: [watchCredential] }),
    ...(onProgress && { onProgress }),
  }
  const service: Service = new Service(parts)
  const kept = stack.move()
  return { service, state, sensors, capture, sender: parts.sender, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}
