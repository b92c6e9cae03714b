import * as fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { Bench, sorted, text } from './bench-folder.ts'

describe('watching', () => {
  test('what happened while stopped is found at the start', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one')
    await bench.once()
    fs.appendFileSync(bench.at('log'), 'two')
    fs.writeFileSync(bench.at('other'), 'three')
    bench.restart()
    expect(sorted(await bench.collect())).toEqual(['log@3:two', 'other@0:three'])
  })

  test('appends, rotations, new folders and deletions are told by events', async () => {
    await using bench = new Bench()
    bench.capture.start()
    await bench.collect()
    fs.mkdirSync(bench.at('deep/er'), { recursive: true })
    fs.writeFileSync(bench.at('deep/er/log'), 'one')
    expect(text(await bench.until((got) => got.length > 0))).toEqual(['deep/er/log@0:one'])
    fs.appendFileSync(bench.at('deep/er/log'), 'two')
    expect(text(await bench.until((got) => got.length > 0))).toEqual(['deep/er/log@3:two'])
    fs.renameSync(bench.at('deep/er/log'), bench.at('deep/er/log.1'))
    fs.writeFileSync(bench.at('deep/er/log'), 'three')
    expect(text(await bench.until((got) => got.length > 1))).toEqual(['deep/er/log.1@6:', 'deep/er/log@0:three'])
    fs.renameSync(bench.at('deep/er'), bench.at('moved'))
    fs.appendFileSync(bench.at('moved/log'), 'four')
    expect(sorted(await bench.until((got) => got.length > 1))).toEqual(['moved/log.1@6:', 'moved/log@5:four'])
    expect([...new Set(bench.told())]).toEqual(['capture.renamed'])
    fs.rmSync(bench.at('moved'), { recursive: true })
    await bench.until(() => bench.events.length >= 2)
    expect(bench.told()).toEqual(['capture.deleted', 'capture.deleted'])
    expect(bench.cursors.size).toBe(0)
  })

  test('a file renamed while others are taken is not mistaken for a deleted one', async () => {
    await using bench = new Bench()
    for (const name of ['a', 'b']) fs.writeFileSync(bench.at(name), name)
    bench.capture.start()
    expect(await bench.collect()).toHaveLength(2)
    for (const name of ['a', 'b']) fs.appendFileSync(bench.at(name), 'more')
    for await (const take of bench.capture.takes({ asItStands: false })) {
      if (Buffer.from(take.path).toString() === 'a') fs.renameSync(bench.at('b'), bench.at('c'))
      await bench.pack(take)
    }
    expect(bench.capture.gone()).toEqual([])
    expect(text(await bench.until((got) => got.length > 0))).toEqual(['c@1:more'])
    expect(bench.told()).toEqual(['capture.renamed'])
  })

  test('the files of a folder that is moved away are gone', async () => {
    await using away = new Bench()
    await using bench = new Bench()
    fs.mkdirSync(bench.at('sub'))
    fs.writeFileSync(bench.at('sub/log'), 'one')
    bench.capture.start()
    expect(text(await bench.collect())).toEqual(['sub/log@0:one'])
    fs.renameSync(bench.at('sub'), away.at('sub'))
    await bench.until(() => bench.events.length > 0)
    expect(bench.told()).toEqual(['capture.deleted'])
    expect(bench.cursors.size).toBe(0)
  })

  test('an overflow of the kernel’s queue loses nothing', async () => {
    await using bench = new Bench()
    bench.capture.start()
    await bench.collect()
    const count = Number(fs.readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) + 1_000
    for (let n = 0; n < count; n++) fs.closeSync(fs.openSync(bench.at(`f${n}`), 'w'))
    expect((await bench.until((got) => got.length >= count)).length).toBe(count)
    expect(bench.told()).toContain('capture.rescan')
  }, 120_000)

  test('idle, it keeps no timer', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one')
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    bench.capture.start()
    await bench.collect()
    expect(timers()).toBe(before)
    expect(bench.capture.pending()).toEqual([])
  })

  test('pending tells the bytes that wait', async () => {
    await using bench = new Bench()
    bench.capture.start()
    await bench.collect()
    fs.writeFileSync(bench.at('log'), 'twelve bytes')
    while (bench.capture.pending().length === 0) await new Promise(setImmediate)
    expect(bench.capture.pending()).toMatchObject([{ bytes: 12, files: 1, scan: false }])
  })

  test('a caller that stops half-way gets the rest next time', async () => {
    await using bench = new Bench()
    for (const name of ['a', 'b', 'c']) fs.writeFileSync(bench.at(name), name)
    bench.capture.start()
    for await (const take of bench.capture.takes({ asItStands: false })) {
      await bench.pack(take)
      break
    }
    expect((await bench.collect()).length).toBe(2)
  })
})
