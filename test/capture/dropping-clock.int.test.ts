import * as fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { spanOf } from '../../src/capture/drop-spans.ts'
import { fileClockStepMs } from '../../src/capture/facts.ts'
import { Bench, sorted } from './bench-folder.ts'

/** Lets the file clock move on. */
const settle = (): Promise<void> => setTimeout(fileClockStepMs + 5)

describe('a clock that is set back in the pause', () => {
  const hour = 3_600_000

  test('hides nothing of what was written, and keeps what was there at its beginning', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'before,')
    bench.skewMs = hour
    const since = Date.now() + hour
    await bench.capture.drawLine({ since })
    bench.skewMs = 0
    fs.appendFileSync(bench.at('log'), 'SECRET')
    fs.writeFileSync(bench.at('new'), 'SECRET')
    await bench.capture.dropBetween(spanOf(since, Date.now()))
    await settle()
    fs.appendFileSync(bench.at('log'), 'after')
    fs.writeFileSync(bench.at('later'), 'after')
    expect(sorted(await bench.once())).toEqual(['later@0:after', 'log@0:after', 'log@0:before,'])
  })

  test('hides no file that was made in it before that', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('new'), 'SECRET')
    bench.skewMs = -hour
    await bench.capture.dropBetween({ since: Date.now() - 2 * hour, until: Date.now() - hour })
    expect(await bench.once()).toEqual([])
  })

  test('hides nothing from a line that is drawn again', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'SECRET')
    await settle()
    const since = Date.now() + hour
    await bench.capture.drawLine({ since })
    await bench.capture.dropBetween(spanOf(since, Date.now()))
    expect(await bench.once()).toEqual([])
  })
})
