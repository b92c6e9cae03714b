import type { TaskOptions } from 'node-cron'
import { schedule } from 'node-cron'
import type { SendWindow } from './windows.ts'

/** When windows begin and end, as cron expressions. */
export function windowTimes(windows: readonly SendWindow[]): string[] {
  const times = windows.flatMap(({ days, fromMinutes, toMinutes }) => {
    const endDays = toMinutes <= fromMinutes ? days.map((day) => (day + 1) % 7) : days
    return [cronTime(fromMinutes, days), cronTime(toMinutes, endDays)]
  })
  return [...new Set(times)]
}

/** Cron counts days from Sunday. */
function cronTime(minutes: number, days: readonly number[]): string {
  const cronDays = days.map((day) => (day + 1) % 7).sort((a, b) => a - b)
  return `${minutes % 60} ${Math.floor(minutes / 60)} * * ${cronDays.join(',')}`
}

const silent: NonNullable<TaskOptions['logger']> = { info: () => {}, warn: () => {}, error: () => {}, debug: () => {} }

/**
 * Calls `onChange` when a window begins or ends. The gate knows by itself when that is; this wakes the service also when
 * the clock was set, or the machine slept, since the gate was last asked.
 */
export function watchWindows(windows: readonly SendWindow[], timeZone: string, onChange: () => void): Disposable {
  const tasks = windowTimes(windows).map((time) => {
    const task = schedule(time, onChange, { timezone: timeZone, noOverlap: true, unref: true, suppressMissedWarning: true, logger: silent })
    // The machine slept: too late to run, and all the more a reason to look.
    task.on('execution:missed', onChange)
    return task
  })
  return {
    [Symbol.dispose]: () => {
      for (const task of tasks) void task.destroy()
    },
  }
}
