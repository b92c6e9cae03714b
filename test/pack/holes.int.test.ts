import { appendFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { FileTake } from '../../src/capture/take.ts'
import { Capture } from '../../src/capture/collect.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { readLog } from '../../src/pack/read-log.ts'
import { restore } from '../../src/pack/restore.ts'
import { memoryDrops } from '../capture/memory-drops.ts'
import { makePlace, openParts, sendAll } from '../service/harness.ts'
import { lines } from './make-log.ts'

test('what is around a dropping pause comes back as two files with just the bytes around it', async () => {
  const place = await makePlace()
  mkdirSync(place.state)
  const { config, journal, packer, destination, ...parts } = await openParts(place)
  onTestFinished(() => journal[Symbol.dispose]())
  const capture = new Capture({
    streams: config.streams, cursors: journal, drops: memoryDrops(), emit: () => undefined, now: Date.now,
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
  })
  const file = join(place.log, 'log')
  const [before, secret, after] = [lines('before', 200_000), lines('secret', 100_000), lines('after', 150_000)]
  writeFileSync(file, before)
  await setTimeout(30)
  const since = Date.now()
  await capture.drawLine({ since })
  appendFileSync(file, secret)
  await capture.dropBetween({ since, until: Date.now() })
  appendFileSync(file, after)
  await packer.pack('free', capture.takes({ streams: new Set(['log']), asItStands: true }), { onTorn: (take) => capture.takeAgain(take) })
  await sendAll({ config, journal, packer, destination, ...parts })

  const content = await readLog({ destination, device: config.device, zstd: zstdNative, content: true })
  expect(content.problems).toEqual([])
  const out = join(place.state, 'out')
  expect(await restore({ content, out, latestOnly: false })).toMatchObject({ files: 2, older: 1, incomplete: 0, problems: [] })
  expect(readdirSync(join(out, 'log')).sort()).toEqual(['log', 'log.~1~'])
  expect(readFileSync(join(out, 'log/log.~1~')).equals(before)).toBe(true)
  expect(readFileSync(join(out, 'log/log')).equals(after)).toBe(true)
})

test('a pack that may not be sealed is given back, and leaves nothing in the spool', async () => {
  const place = await makePlace()
  mkdirSync(place.state)
  const parts = await openParts(place)
  onTestFinished(() => parts.journal[Symbol.dispose]())
  writeFileSync(join(place.log, 'log'), lines('any', 50_000))
  const again: string[] = []
  const takeAgain = ({ path }: Pick<FileTake, 'path'>): void => void again.push(Buffer.from(path).toString())
  const takes = parts.capture.takes({ streams: new Set(['log']), asItStands: true })
  await expect(parts.packer.pack('free', takes, { onTorn: takeAgain, onUnsealed: takeAgain, maySeal: () => false })).rejects.toMatchObject({ code: 'aborted' })
  expect([again, parts.journal.unsent(), parts.journal.byPath('log', Buffer.from('log'))]).toEqual([['log'], [], undefined])
  expect(readdirSync(join(place.state, 'spool'))).toEqual([])
})
