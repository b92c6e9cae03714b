import { describe, expect, test } from 'vitest'
import type { Sensor } from '../../src/scheduler/sensor.ts'

/** A sensor under test, made anew for each claim. */
export interface SensorCase<T> {
  readonly sensor: Sensor<T>
  /** Makes the condition another one, by the means of the thing that is sensed. */
  readonly change?: () => Promise<void>
  readonly dispose?: () => Promise<void>
}

/** The time that the sensor's clock must show. */
export const suiteNow = Date.UTC(2026, 10, 23, 12)

/** What every sensor promises. `isValue` tells whether a value has the right shape. */
export function sensorSuite<T>(name: string, make: () => Promise<SensorCase<T>>, isValue: (value: T) => boolean): void {
  const claim = (sentence: string, check: (subject: SensorCase<T>) => Promise<void>) => {
    test(sentence, async () => {
      const subject = await make()
      try {
        await check(subject)
      } finally {
        await subject.sensor.close()
        await subject.dispose?.()
      }
    })
  }

  describe(`${name} keeps the promises of a sensor`, () => {
    claim('a reading has a value, a source in words and the time of the clock', async ({ sensor }) => {
      const reading = await sensor.read()
      expect(reading.value).toSatisfy(isValue)
      expect(reading.source.length).toBeGreaterThan(0)
      expect(reading.at).toBe(suiteNow)
    })
    claim('readings asked for at once agree', async ({ sensor }) => {
      const [first, second, third] = await Promise.all([sensor.read(), sensor.read(), sensor.read()])
      expect(second).toEqual(first)
      expect(third).toEqual(first)
    })
    claim('it can be closed twice, also in the middle of a read, and answers afterwards', async ({ sensor }) => {
      const reading = sensor.read()
      await Promise.all([sensor.close(), sensor.close()])
      expect((await reading).value).toSatisfy(isValue)
      expect((await sensor.read()).value).toSatisfy(isValue)
    })
    claim('a watch can be ended twice', async ({ sensor }) => {
      const end = sensor.watch?.(() => {})
      end?.()
      end?.()
    })
    claim('a change is told to every watcher, and the next reading shows it', async ({ sensor, change }) => {
      if (!change) return
      const before = await sensor.read()
      const ended: string[] = []
      sensor.watch?.(() => ended.push('told after its end'))()
      const told = sensor.watch ? [readUntilChanged(sensor, before.value), readUntilChanged(sensor, before.value)] : []
      await change()
      await Promise.all(told)
      expect((await sensor.read()).value).not.toEqual(before.value)
      expect(ended).toEqual([])
    })
  })
}

/** Resolves when a reading made because the watch called differs from `before`. */
function readUntilChanged<T>(sensor: Sensor<T>, before: T): Promise<void> {
  return new Promise((resolve) => {
    const end = sensor.watch?.(() => {
      void sensor.read().then(({ value }) => {
        if (JSON.stringify(value) === JSON.stringify(before)) return
        end?.()
        resolve()
      })
    })
  })
}
