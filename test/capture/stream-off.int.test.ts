import * as fs from 'node:fs'
import { describe, expect, test } from 'vitest'
import { polled } from '../../src/capture/pace.ts'
import { Bench, text } from './bench-folder.ts'

const off = new Set(['test'])
const on = new Set<string>()

describe('a stream that is off', () => {
  test('is not read, not even when asked for by name, nor looked through', async () => {
    await using bench = new Bench()
    fs.mkdirSync(bench.at('sub'))
    fs.writeFileSync(bench.at('sub/log'), 'one')
    const accessed = [bench.folder, bench.at('sub'), bench.at('sub/log')].map((path) => fs.statSync(path).atimeMs)
    bench.capture.pause(off)
    bench.capture.start()
    expect(await bench.once()).toEqual([])
    expect(await bench.collect({ streams: off })).toEqual([])
    expect(bench.capture.pending()).toEqual([])
    expect([bench.folder, bench.at('sub'), bench.at('sub/log')].map((path) => fs.statSync(path).atimeMs)).toEqual(accessed)
    expect(bench.told()).toEqual([])
  })

  test('wakes nobody while it is off, and is looked at once it is on again', async () => {
    await using bench = new Bench()
    bench.capture.start()
    await bench.collect()
    let calls = 0
    bench.onNews = () => (calls += 1)
    bench.capture.pause(off)
    fs.writeFileSync(bench.at('log'), 'one')
    await polled()
    expect([calls, bench.capture.pending()]).toEqual([0, []])
    bench.capture.pause(on)
    expect(calls).toBe(1)
    expect(bench.capture.pending()).toMatchObject([{ stream: 'test', bytes: 3, files: 1 }])
  })

  test('keeps what was written meanwhile, each byte once', async () => {
    await using bench = new Bench()
    bench.capture.start()
    fs.writeFileSync(bench.at('log'), 'one,')
    expect(text(await bench.collect())).toEqual(['log@0:one,'])
    bench.capture.pause(off)
    fs.appendFileSync(bench.at('log'), 'two,')
    fs.renameSync(bench.at('log'), bench.at('log.1'))
    fs.writeFileSync(bench.at('log'), 'three')
    fs.rmSync(bench.at('log'))
    fs.writeFileSync(bench.at('log'), 'four')
    await polled()
    expect(await bench.collect()).toEqual([])
    bench.capture.pause(on)
    expect(text(await bench.collect()).sort()).toEqual(['log.1@4:two,', 'log@0:four'])
    expect(await bench.collect()).toEqual([])
  })

  test('is read no further when it is turned off in the middle of a file, which is then read whole', async () => {
    await using bench = new Bench()
    const size = 5 * 2 ** 20
    fs.writeFileSync(bench.at('big'), Buffer.alloc(size, 'x'))
    fs.writeFileSync(bench.at('next'), 'y')
    bench.capture.start()
    const seen: number[] = []
    for await (const take of bench.capture.takes({ asItStands: false })) {
      let bytes = 0
      for await (const buffer of take.read()) {
        bytes += buffer.length
        bench.capture.pause(off)
      }
      seen.push(bytes)
      expect(await take.unchanged()).toBe(false)
    }
    expect(seen).toEqual([2 ** 20])
    expect(bench.told()).toEqual([])
    bench.capture.pause(on)
    expect((await bench.collect()).map(({ path, bytes }) => [path, bytes.length])).toEqual([['big', size], ['next', 1]])
  })

  test('is not looked through for a dropping pause, and drops what was captured in it when it is on again', async () => {
    await using bench = new Bench()
    fs.mkdirSync(bench.at('sub'))
    bench.capture.pause(off)
    const accessed = [bench.folder, bench.at('sub')].map((path) => fs.statSync(path).atimeMs)
    const since = Date.now() - 1
    await bench.capture.drawLine({ since })
    fs.writeFileSync(bench.at('sub/log'), 'SECRET')
    await bench.capture.dropBetween({ since, until: Date.now() })
    expect([bench.folder, bench.at('sub')].map((path) => fs.statSync(path).atimeMs)).toEqual(accessed)
    bench.capture.pause(on)
    expect(await bench.once()).toEqual([])
    expect(bench.events).toContainEqual({ event: 'capture.dropped', stream: 'test', files: 1, bytes: 6 })
  })
})
