import * as fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { fileClockStepMs } from '../../src/capture/facts.ts'
import { polled } from '../../src/capture/pace.ts'
import { Bench, sorted, text } from './bench-folder.ts'

/** Lets the file clock move on, so that what was written lies surely before what comes. */
const settle = (): Promise<void> => setTimeout(fileClockStepMs + 5)

/** A pause that the running service sees from its beginning to its end. */
async function dropping(bench: Bench, during: () => unknown): Promise<void> {
  const since = await begins(bench)
  await during()
  await ends(bench, since)
}

async function begins(bench: Bench): Promise<number> {
  await settle()
  const since = Date.now()
  await bench.capture.drawLine({ since })
  return since
}

async function ends(bench: Bench, since: number): Promise<void> {
  await bench.capture.dropBetween({ since, until: Date.now() })
  await settle()
}

describe('append files in a dropping pause', () => {
  test('lose just what was written in it, and what comes after is a file of its own', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'packed,')
    const [first] = await bench.once()
    fs.appendFileSync(bench.at('log'), 'before,')
    await dropping(bench, () => fs.appendFileSync(bench.at('log'), 'SECRET,'))
    fs.appendFileSync(bench.at('log'), 'after')
    const got = await bench.once()
    expect(text(got)).toEqual(['log@7:before,', 'log@0:after'])
    expect(got.map(({ fileId }) => fileId === first?.fileId)).toEqual([true, false])
    fs.appendFileSync(bench.at('log'), ' and more')
    expect(text(await bench.once())).toEqual(['log@5: and more'])
    expect(await bench.once()).toEqual([])
  })

  test('are handed out whole when they were complete before it', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'before')
    await dropping(bench, () => fs.renameSync(bench.at('log'), bench.at('log.1')))
    expect(text(await bench.once())).toEqual(['log.1@0:before'])
  })

  test('that were made in it are not told of until something is written afterwards', async () => {
    await using bench = new Bench()
    await dropping(bench, () => {
      fs.writeFileSync(bench.at('empty'), '')
      fs.writeFileSync(bench.at('log'), 'SECRET')
    })
    expect(await bench.once()).toEqual([])
    fs.appendFileSync(bench.at('empty'), 'one')
    fs.appendFileSync(bench.at('log'), 'two')
    expect(sorted(await bench.once())).toEqual(['empty@0:one', 'log@0:two'])
  })

  test('may be rotated in it, before it and after it', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one,')
    await dropping(bench, () => {
      fs.appendFileSync(bench.at('log'), 'SECRET')
      fs.renameSync(bench.at('log'), bench.at('log.1'))
      fs.writeFileSync(bench.at('log'), 'SECRET')
    })
    fs.appendFileSync(bench.at('log'), 'two')
    fs.renameSync(bench.at('log'), bench.at('log.2'))
    fs.writeFileSync(bench.at('log'), 'three')
    expect(sorted(await bench.once())).toEqual(['log.1@0:one,', 'log.2@0:two', 'log@0:three'])
    expect(await bench.once()).toEqual([])
  })

  test('that were cut short or rewritten in it give nothing of what they hold', async () => {
    await using bench = new Bench()
    for (const name of ['shorter', 'longer', 'same']) fs.writeFileSync(bench.at(name), 'before the pause')
    await bench.once()
    await dropping(bench, () => {
      fs.writeFileSync(bench.at('shorter'), 'SECRET')
      fs.writeFileSync(bench.at('longer'), 'SECRET that is longer than what was there before')
      fs.writeFileSync(bench.at('same'), 'SECRET of 16 bts')
    })
    expect(await bench.once()).toEqual([])
    for (const name of ['shorter', 'longer', 'same']) fs.appendFileSync(bench.at(name), 'after')
    expect(sorted(await bench.once())).toEqual(['longer@0:after', 'same@0:after', 'shorter@0:after'])
  })

  test('that were never read, cut short and grown again in it give nothing, for that is seen', async () => {
    await using bench = new Bench()
    bench.capture.start()
    fs.writeFileSync(bench.at('log'), 'before')
    await dropping(bench, async () => {
      fs.truncateSync(bench.at('log'))
      await polled()
      fs.appendFileSync(bench.at('log'), 'SECRET that is longer')
    })
    expect(await bench.collect()).toEqual([])
  })

  test('that are cut off after it lose their holes with the bytes', async () => {
    await using bench = new Bench()
    await dropping(bench, () => fs.writeFileSync(bench.at('log'), 'SECRET'))
    fs.truncateSync(bench.at('log'))
    await bench.once()
    fs.writeFileSync(bench.at('log'), 'public')
    expect(text(await bench.once())).toEqual(['log@0:public'])
  })

  test('whose inode is given to another file later are not mistaken for it', async (ctx) => {
    // Another process may be given the number first.
    for (let attempt = 0; attempt < 100; attempt++) {
      await using bench = new Bench()
      let dropped = 0
      await dropping(bench, () => {
        fs.writeFileSync(bench.at('log'), 'SECRET')
        dropped = fs.statSync(bench.at('log')).ino
      })
      fs.rmSync(bench.at('log'))
      fs.writeFileSync(bench.at('log'), 'public')
      const { ino, birthtimeMs } = fs.statSync(bench.at('log'))
      if (ino !== dropped || birthtimeMs === 0) continue
      expect(text(await bench.once())).toEqual(['log@0:public'])
      return
    }
    ctx.skip('this file system gives every file another inode, or keeps no time of birth')
  })

  test('have as many holes as there were pauses, all before anything was packed', async () => {
    await using bench = new Bench()
    for (const part of ['one', 'two', 'three']) {
      fs.appendFileSync(bench.at('log'), part)
      await dropping(bench, () => fs.appendFileSync(bench.at('log'), 'SECRET'))
    }
    fs.appendFileSync(bench.at('log'), 'four')
    expect(text(await bench.once())).toEqual(['log@0:one', 'log@0:two', 'log@0:three', 'log@0:four'])
    expect(await bench.once()).toEqual([])
  })

  test('written all the time keep what a look before the pause has seen', async () => {
    await using bench = new Bench()
    bench.capture.start()
    await bench.collect()
    fs.writeFileSync(bench.at('log'), 'seen,')
    await polled()
    bench.capture.pending()
    fs.appendFileSync(bench.at('log'), 'in doubt,')
    const since = Date.now()
    await bench.capture.drawLine({ since })
    fs.appendFileSync(bench.at('log'), 'SECRET')
    await ends(bench, since)
    expect(text(await bench.collect())).toEqual(['log@0:seen,'])
  })

  test('written all the time keep all but a moment when the pause is set a little ahead', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'before,')
    const since = Date.now() + 2 * fileClockStepMs
    await bench.capture.drawLine({ since })
    fs.appendFileSync(bench.at('log'), 'a moment,')
    await setTimeout(2 * fileClockStepMs)
    fs.appendFileSync(bench.at('log'), 'SECRET,')
    await ends(bench, since)
    fs.appendFileSync(bench.at('log'), 'after')
    expect(text(await bench.once())).toEqual(['log@0:before,', 'log@0:after'])
  })

  test('overwritten in it under their old time of writing give nothing of it', async () => {
    await using bench = new Bench()
    const long = new Date(Date.now() - 7_200_000)
    fs.writeFileSync(bench.at('read'), 'before,')
    fs.utimesSync(bench.at('read'), long, long)
    await bench.once()
    fs.writeFileSync(bench.at('new'), 'before,')
    fs.utimesSync(bench.at('new'), long, long)
    await dropping(bench, () => {
      for (const name of ['read', 'new']) {
        fs.appendFileSync(bench.at(name), 'SECRET')
        fs.utimesSync(bench.at(name), long, long)
      }
    })
    expect(text(await bench.once())).toEqual(['new@0:before,'])
  })

  test('that were read and rewritten in it under their old length and time give nothing of it', async () => {
    await using bench = new Bench()
    const long = new Date(Date.now() - 7_200_000)
    fs.writeFileSync(bench.at('log'), 'public')
    fs.utimesSync(bench.at('log'), long, long)
    await settle()
    await bench.once()
    await dropping(bench, () => {
      fs.writeFileSync(bench.at('log'), 'SECRET')
      fs.utimesSync(bench.at('log'), long, long)
    })
    expect(await bench.once()).toEqual([])
    fs.appendFileSync(bench.at('log'), 'after')
    expect(text(await bench.once())).toEqual(['log@0:after'])
  })

  test('changed inside before a hole give only what lies behind it', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'before,')
    await bench.once()
    await dropping(bench, () => fs.appendFileSync(bench.at('log'), 'SECRET,'))
    const file = fs.openSync(bench.at('log'), 'r+')
    fs.writeSync(file, 'BEFORE', 0)
    fs.closeSync(file)
    fs.appendFileSync(bench.at('log'), 'after')
    expect(text(await bench.once())).toEqual(['log@0:after'])
  })
})

describe('whole files in a dropping pause', () => {
  const whole = { files: 'whole', quietMs: 30 } as const

  test('are kept when they were complete before it, and skipped when they were not', async () => {
    await using bench = new Bench(whole)
    for (const name of ['before', 'renamed', 'changed']) fs.writeFileSync(bench.at(name), name)
    await dropping(bench, () => {
      fs.writeFileSync(bench.at('during'), 'SECRET')
      fs.appendFileSync(bench.at('changed'), 'SECRET')
      fs.renameSync(bench.at('renamed'), bench.at('moved'))
    })
    fs.writeFileSync(bench.at('after'), 'after')
    expect(sorted(await bench.once())).toEqual(['after@0:after', 'before@0:before', 'moved@0:renamed'])
    fs.renameSync(bench.at('during'), bench.at('hidden'))
    expect(await bench.once()).toEqual([])
  })

  test('are read again in another version', async () => {
    await using bench = new Bench(whole)
    await dropping(bench, async () => {
      fs.writeFileSync(bench.at('a'), 'SECRET')
      await setTimeout(whole.quietMs + 5)
    })
    fs.writeFileSync(bench.at('a'), 'public')
    expect(text(await bench.once())).toEqual(['a@0:public'])
  })

  test('written across its end are skipped until they are quiet', async () => {
    await using bench = new Bench({ files: 'whole', quietMs: 400 })
    await dropping(bench, () => fs.writeFileSync(bench.at('film'), 'SECRET'))
    fs.appendFileSync(bench.at('film'), ' and its end')
    expect(await bench.once()).toEqual([])
    await setTimeout(405)
    expect(await bench.once()).toEqual([])
    fs.writeFileSync(bench.at('film'), 'another')
    expect(text(await bench.once())).toEqual(['film@0:another'])
  })

  test('overwritten in it under their old time of writing are skipped, and a new name of what was read is told', async () => {
    await using bench = new Bench(whole)
    const long = new Date(Date.now() - 7_200_000)
    const write = (name: string, content: string): void => {
      fs.writeFileSync(bench.at(name), content)
      fs.utimesSync(bench.at(name), long, long)
    }
    for (const name of ['longer', 'same', 'moved']) write(name, 'public')
    await bench.once()
    await dropping(bench, () => {
      write('longer', 'SECRET, and more of it')
      write('same', 'SECRET')
      fs.renameSync(bench.at('moved'), bench.at('new'))
    })
    fs.renameSync(bench.at('same'), bench.at('same2'))
    expect(text(await bench.once())).toEqual(['new@6:'])
    expect(await bench.once()).toEqual([])
    write('same2', 'public again')
    expect(text(await bench.once())).toEqual(['same2@0:public again'])
  })

  test('that come into the folder later are known by their times', async () => {
    await using bench = new Bench(whole)
    const outside = `${bench.base}-outside`
    await dropping(bench, () => fs.writeFileSync(outside, 'SECRET'))
    fs.renameSync(outside, bench.at('moved'))
    expect(await bench.once()).toEqual([])
  })
})

describe('a service that did not see the pause begin', () => {
  test('keeps what was complete before, and what was born after', async () => {
    await using bench = new Bench()
    for (const name of ['before', 'across']) fs.writeFileSync(bench.at(name), name)
    await settle()
    const since = Date.now()
    fs.appendFileSync(bench.at('across'), 'SECRET')
    fs.writeFileSync(bench.at('during'), 'SECRET')
    const until = Date.now()
    await settle()
    fs.writeFileSync(bench.at('after'), 'after')
    await bench.capture.dropBetween({ since, until })
    expect(sorted(await bench.once())).toEqual(['after@0:after', 'before@0:before'])
  })

  test('that sees it late keeps what was complete before', async () => {
    await using bench = new Bench()
    for (const name of ['before', 'across']) fs.writeFileSync(bench.at(name), name)
    await settle()
    const since = Date.now()
    fs.appendFileSync(bench.at('across'), 'SECRET')
    await settle()
    await bench.capture.drawLine({ since })
    fs.appendFileSync(bench.at('before'), 'SECRET')
    await ends(bench, since)
    expect(sorted(await bench.once())).toEqual(['before@0:before'])
  })

  test('keeps nothing that was overwritten under its old time of writing', async () => {
    await using bench = new Bench()
    const long = new Date(Date.now() - 7_200_000)
    fs.writeFileSync(bench.at('log'), 'before')
    await settle()
    const since = Date.now()
    fs.writeFileSync(bench.at('log'), 'SECRET')
    fs.utimesSync(bench.at('log'), long, long)
    await bench.capture.drawLine({ since })
    await ends(bench, since)
    expect(await bench.once()).toEqual([])
  })
})

describe('dropping', () => {
  test('hands out nothing while the pause lasts, also after a restart, and opens no file', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'before')
    const since = await begins(bench)
    const accessed = fs.statSync(bench.at('log')).atimeMs
    expect(await bench.once()).toEqual([])
    bench.restart()
    await bench.capture.drawLine({ since })
    fs.appendFileSync(bench.at('log'), 'SECRET')
    expect(await bench.collect()).toEqual([])
    expect(fs.statSync(bench.at('log')).atimeMs).toBe(accessed)
    await ends(bench, since)
    expect(text(await bench.collect())).toEqual(['log@0:before'])
  })

  test('is done once for one pause', async () => {
    await using bench = new Bench()
    const since = await begins(bench)
    fs.writeFileSync(bench.at('log'), 'SECRET')
    const until = Date.now()
    expect(await bench.capture.dropBetween({ since, until })).toEqual([{ stream: 'test', files: 1, bytes: 6 }])
    fs.appendFileSync(bench.at('log'), 'after')
    bench.restart()
    expect(await bench.capture.dropBetween({ since, until })).toEqual([])
    expect(text(await bench.once())).toEqual(['log@0:after'])
  })

  test('waits for a folder that is missing when the pause ends', async () => {
    await using bench = new Bench()
    fs.mkdirSync(bench.at('stream'))
    await using inner = new Bench({}, bench.at('stream'))
    const since = await begins(inner)
    fs.writeFileSync(inner.at('log'), 'SECRET')
    fs.renameSync(inner.folder, `${inner.folder}-away`)
    await ends(inner, since)
    fs.renameSync(`${inner.folder}-away`, inner.folder)
    expect(await inner.once()).toEqual([])
    fs.appendFileSync(inner.at('log'), 'after')
    expect(text(await inner.once())).toEqual(['log@0:after'])
  })

  test('forgets files that are gone', async () => {
    await using bench = new Bench()
    await dropping(bench, () => fs.writeFileSync(bench.at('log'), 'SECRET'))
    await bench.once()
    expect(bench.drops.inodes('test')).toHaveLength(1)
    fs.rmSync(bench.at('log'))
    await bench.once()
    expect(bench.drops.inodes('test')).toEqual([])
  })

  test('puts up with a caller that stops before the part behind a hole', async () => {
    await using bench = new Bench()
    bench.capture.start()
    await bench.collect()
    fs.writeFileSync(bench.at('log'), 'before')
    await dropping(bench, () => fs.appendFileSync(bench.at('log'), 'SECRET'))
    fs.appendFileSync(bench.at('log'), 'after')
    await polled()
    for await (const take of bench.capture.takes({ asItStands: false })) {
      await bench.pack(take)
      break
    }
    expect(text(await bench.collect())).toEqual(['log@0:after'])
  })
})
