import type { Companion, StartCompanion } from './companion.ts'
import { formatBytes } from '../../config/units.ts'
import { SystemdNotifier } from '../service/notify.ts'

/** How often what is told of the service changes; so rarely that it does not tell when somebody pauses. */
const tellMs = 60 * 60_000
/** While no service turns here, since it waits to start again, nothing is proven; longer than any such wait. */
const restingUsec = 6 * 60 * 60 * 1_000_000

/**
 * Tells systemd that the service is ready, how it does, and, as often as systemd wants to hear it, that its loop made a turn. One
 * that hangs is not spoken for, and systemd starts it anew.
 */
export const startServiceManager: StartCompanion = async ({ running: { service, state }, emit }): Promise<Companion | undefined> => {
  const { NOTIFY_SOCKET, WATCHDOG_USEC } = process.env
  if (NOTIFY_SOCKET === undefined) return undefined
  const watchdogUsec = Number(WATCHDOG_USEC) || undefined
  const notifier = new SystemdNotifier((error) => {
    emit({ event: 'control.unavailable', code: 'state-unusable', message: `systemd cannot be told how the service does: ${error.message}` })
  })
  let arrived = 0
  let isOver = false
  const told = (): string => {
    const { packs, bytes } = state.journal.waiting()
    return `STATUS=packs sent since the start: ${arrived}, waiting: ${packs} (${formatBytes(bytes)})`
  }
  /** One turn is waited for at a time, so that a loop that hangs gathers no one who waits. */
  let turning = false
  const prove = async (): Promise<void> => {
    if (turning) return
    turning = true
    await service.turned()
    turning = false
    if (!isOver) notifier.say('WATCHDOG=1')
  }
  let isStopping = false
  const stopping = (): void => {
    isStopping = true
    notifier.say('STOPPING=1')
  }
  const timers = [
    setInterval(() => notifier.say(told()), tellMs),
    ...(watchdogUsec === undefined ? [] : [setInterval(() => void prove(), watchdogUsec / 2000)]),
  ]
  for (const timer of timers) timer.unref()
  const signals = ['SIGTERM', 'SIGINT'] as const
  for (const signal of signals) process.once(signal, stopping)
  void service.turned().then(() => {
    if (!isOver) notifier.say('READY=1', told(), ...(watchdogUsec === undefined ? [] : [`WATCHDOG_USEC=${watchdogUsec}`]))
  })
  return {
    take: ({ event }) => {
      if (event === 'pack.sent') arrived++
    },
    async [Symbol.asyncDispose]() {
      isOver = true
      for (const timer of timers) clearInterval(timer)
      for (const signal of signals) process.off(signal, stopping)
      if (watchdogUsec !== undefined && !isStopping) notifier.say(`WATCHDOG_USEC=${restingUsec}`)
      await notifier[Symbol.asyncDispose]()
    },
  }
}
