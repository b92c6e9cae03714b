import * as fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { fileClockStepMs } from '../../src/capture/facts.ts'
import { endPause, startPause } from '../../src/journal/pause.ts'
import { emptySettings, type Settings } from '../../src/journal/settings.ts'
import { PauseKeeper } from '../../src/scheduler/pause-keeper.ts'
import { Bench, text } from '../capture/bench-folder.ts'

/** A keeper over a real folder, with settings in memory. */
function keeperOf(bench: Bench) {
  let settings: Settings = emptySettings
  const told: unknown[] = []
  const make = (): PauseKeeper => new PauseKeeper({
    capture: bench.capture, emit: (event) => told.push(event), publish: () => undefined, update: (change) => (settings = change(settings)),
  })
  let keeper = make()
  return {
    told,
    get settings() { return settings },
    change: (change: (old: Settings) => Settings): unknown => (settings = change(settings)),
    tick: () => keeper.keep(settings, Date.now(), async () => undefined),
    restart: () => {
      bench.restart()
      keeper = make()
    },
  }
}

/** Lets the file clock move on. */
const settle = (): Promise<void> => setTimeout(fileClockStepMs + 5)

test.each(['', ', after a restart'])('settings that are lost in a dropping pause end it: what was captured in it is dropped%s', async (restart) => {
  await using bench = new Bench()
  const keeper = keeperOf(bench)
  fs.writeFileSync(bench.at('log'), 'before')
  await settle()
  const since = Date.now()
  keeper.change((old) => startPause(old, since, undefined, 'drop'))
  await keeper.tick()
  fs.appendFileSync(bench.at('log'), 'SECRET')
  keeper.change(() => emptySettings)
  if (restart) keeper.restart()
  await keeper.tick()
  expect(keeper.told).toEqual([{ event: 'capture.dropped', stream: 'test', files: 1, bytes: 6 }])
  expect(keeper.settings).toMatchObject({ dropped: [], droppedBefore: [{ since }] })
  await settle()
  fs.appendFileSync(bench.at('log'), 'after')
  expect(text(await bench.once())).toEqual(['log@0:before', 'log@0:after'])
})

test('another dropping pause in the place of a lost one drops both', async () => {
  await using bench = new Bench()
  const keeper = keeperOf(bench)
  keeper.change((old) => startPause(old, Date.now(), undefined, 'drop'))
  await keeper.tick()
  fs.writeFileSync(bench.at('a'), 'SECRET')
  await settle()
  keeper.change(() => startPause(emptySettings, Date.now(), undefined, 'drop'))
  await keeper.tick()
  fs.writeFileSync(bench.at('b'), 'SECRET')
  expect(await bench.once()).toEqual([])
  keeper.change((old) => endPause(old, Date.now()))
  await keeper.tick()
  expect(await bench.once()).toEqual([])
})

test.each([['before it began', 200], ['by a clock that was set back', 3_600_000]])('captures go on after a pause that was ended %s', async (_, aheadMs) => {
  await using bench = new Bench()
  const keeper = keeperOf(bench)
  keeper.change((old) => startPause(old, Date.now() + aheadMs, undefined, 'drop'))
  await keeper.tick()
  expect(await bench.once()).toEqual([])
  keeper.change((old) => endPause(old, Date.now()))
  await keeper.tick()
  await settle()
  fs.writeFileSync(bench.at('log'), 'after')
  // Times from within such a pause leave doubt for its length.
  const isDoubtful = aheadMs < 1_000
  if (isDoubtful) await setTimeout(aheadMs)
  fs.writeFileSync(bench.at('log2'), 'after')
  expect(text(await bench.once())).toContain('log2@0:after')
  expect(bench.capture.openLines()).toEqual([])
})

test('a stream that is new in the config, or back in it, drops what was dropped while it was away', async () => {
  await using bench = new Bench()
  const keeper = keeperOf(bench)
  const since = Date.now()
  await settle()
  fs.writeFileSync(bench.at('log'), 'SECRET')
  keeper.change((old) => ({ ...old, droppedBefore: [{ since, until: Date.now() }] }))
  await keeper.tick()
  expect(keeper.told).toEqual([{ event: 'capture.dropped', stream: 'test', files: 1, bytes: 6 }])
  expect(await bench.once()).toEqual([])
})
