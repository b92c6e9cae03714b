import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FileTake } from '../../src/capture/take.ts'
import { faultDisk } from '../fault-disk.ts'
import { makePlace, openParts, readStored, sendAll } from '../service/harness.ts'

test('files whose pack cannot be sealed are given back to capture, also those that were read to their end', async () => {
  const place = await makePlace()
  mkdirSync(place.state)
  for (const name of ['a.bin', 'b.bin']) writeFileSync(join(place.shots, name), name.repeat(1000))
  let isFull = true
  const disk = faultDisk({ fail: ({ kind, path }) => (isFull && kind === 'write' && path.includes('spool') ? 'ENOSPC' : undefined) })
  const parts = await openParts(place, { disk })
  const { capture, packer } = parts
  capture.start()
  const takeAgain = (take: Pick<FileTake, 'stream' | 'path'>): void => capture.takeAgain(take)
  const pack = (): Promise<void> => packer.pack('free', capture.takes({ streams: new Set(['shots']), asItStands: true }), { onTorn: takeAgain, onUnsealed: takeAgain })
  try {
    await expect(pack()).rejects.toMatchObject({ code: 'spool-full', transient: true })
    expect(capture.pending()).toMatchObject([{ stream: 'log' }, { stream: 'shots', files: 2 }])
    isFull = false
    await pack()
    await sendAll(parts)
    const { captured } = await readStored(parts.destination)
    expect(captured.map(({ path }) => path).sort()).toEqual(['a.bin', 'b.bin'])
  } finally {
    capture.stop()
    parts.journal[Symbol.dispose]()
  }
})
