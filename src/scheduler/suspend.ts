import { uptime } from 'node:os'
import { keepBus, systemBusAddress } from '../network/system-bus.ts'

export interface SuspendOptions {
  /** D-Bus address of the system bus. */
  readonly address?: string | undefined
  /** The machine is about to sleep: it waits for nobody, so act at once. */
  readonly onSuspend: () => void
  /** The machine woke up: whatever was known before is old. */
  readonly onResume: () => void
  /** Default 2000. */
  readonly limitMs?: number | undefined
}

const logind = 'org.freedesktop.login1'
const rule = `type='signal',sender='${logind}',path='/org/freedesktop/login1',interface='${logind}.Manager',member='PrepareForSleep'`

/**
 * Tells of suspend and resume by logind's PrepareForSleep (freedesktop.org/software/systemd, org.freedesktop.login1). Where
 * there is no system bus, or once it is lost, it tells nothing: `sleptBetween` notices a resume anywhere.
 */
export function watchSuspend({ address = systemBusAddress, onSuspend, onResume, limitMs = 2000 }: SuspendOptions): Disposable {
  const bus = keepBus({
    address,
    limitMs,
    rules: [rule],
    onSignal: ([isBefore], member) => {
      if (member !== 'PrepareForSleep') return
      if (isBefore === true) onSuspend()
      else onResume()
    },
    onLost: () => {},
  })
  bus.use(async () => {}).catch(() => {}) // connects
  return { [Symbol.dispose]: () => void bus.close() }
}

/** Two clocks at one moment, in milliseconds. Only differences between two looks mean anything. */
export interface ClockLook {
  /** Counts sleep, and no change of the time of day. */
  readonly throughSleepMs: number
  /** Stands still in sleep on Linux (CLOCK_MONOTONIC); goes on in it on macOS and Windows. */
  readonly monotonicMs: number
}

export function lookAtClocks(): ClockLook {
  return { throughSleepMs: uptime() * 1000, monotonicMs: performance.now() }
}

/** Shorter sleep changes nothing that matters, and clocks are not read at the same instant. */
const shortestSleepMs = 2000
/** A look that comes this much too late slept, on systems whose clocks do not tell: no work of this process takes as long. */
const latestMs = 30_000

/**
 * Milliseconds that the machine slept between two looks, 0 for none. Pure. `plannedMs` is when the second look was due
 * after the first; on systems where both clocks go on in sleep only its delay tells.
 */
export function sleptBetween(before: ClockLook, after: ClockLook, plannedMs = Infinity): number {
  const awakeMs = after.monotonicMs - before.monotonicMs
  const stoodStillMs = after.throughSleepMs - before.throughSleepMs - awakeMs
  if (stoodStillMs >= shortestSleepMs) return stoodStillMs
  const lateMs = awakeMs - plannedMs
  return lateMs >= latestMs ? lateMs : 0
}
