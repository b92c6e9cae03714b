import * as fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fileClockStepMs } from '../../src/capture/facts.ts'
import { Bench, text } from './bench-folder.ts'

test('a stream under another name drops what was dropped before, once', async () => {
  await using bench = new Bench()
  const since = Date.now() - 1
  fs.writeFileSync(bench.at('log'), 'SECRET')
  const pause = { since, until: Date.now() }
  await bench.capture.dropBetween(pause)
  await setTimeout(fileClockStepMs + 5)
  await using renamed = new Bench({ name: 'renamed' }, bench.folder)
  expect(await renamed.capture.dropMissed([pause])).toEqual([{ stream: 'renamed', files: 1, bytes: 6 }])
  expect(await renamed.once()).toEqual([])
  fs.appendFileSync(bench.at('log'), 'after')
  expect(await renamed.capture.dropMissed([pause])).toEqual([])
  expect(text(await renamed.once())).toEqual(['log@0:after'])
})
