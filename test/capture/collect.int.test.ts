import { execFileSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import type { Cursor, FileTake } from '../../src/capture/take.ts'
import { Bench, sorted, text } from './bench-folder.ts'

describe('append streams', () => {
  test('only new bytes are taken, and nothing when nothing is new', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one')
    expect(text(await bench.once())).toEqual(['log@0:one'])
    expect(await bench.once()).toEqual([])
    fs.appendFileSync(bench.at('log'), 'two')
    expect(text(await bench.once())).toEqual(['log@3:two'])
    expect(bench.told()).toEqual([])
  })

  test.each(['log.1', 'elsewhere'])('rotation to %s delivers the unread tail under the same id, once', async (rotated) => {
    await using bench = new Bench({ include: ['log*'] })
    fs.writeFileSync(bench.at('log'), 'one')
    const [first] = await bench.once()
    fs.appendFileSync(bench.at('log'), 'tail')
    fs.renameSync(bench.at('log'), bench.at(rotated))
    fs.writeFileSync(bench.at('log'), 'new')
    const got = await bench.once()
    expect(sorted(got)).toEqual(['log@0:new', `${rotated}@3:tail`].sort())
    expect(got.find(({ path }) => path === rotated)?.fileId).toBe(first?.fileId)
    expect(bench.told()).toEqual(['capture.renamed'])
    expect(await bench.once()).toEqual([])
  })

  test('a chain of rotations keeps every id', async () => {
    await using bench = new Bench()
    const ids = new Map<string, string>()
    for (let generation = 0; generation < 5; generation++) {
      for (let n = generation; n > 0; n--) fs.renameSync(bench.at(n === 1 ? 'log' : `log.${n - 1}`), bench.at(`log.${n}`))
      fs.writeFileSync(bench.at('log'), `generation ${generation}`)
      for (const { fileId, bytes } of await bench.once()) if (bytes) ids.set(bytes, fileId)
    }
    expect([...ids.keys()]).toEqual([0, 1, 2, 3, 4].map((n) => `generation ${n}`))
    expect(bench.cursors.size).toBe(5)
    expect(bench.told()).toEqual(Array(10).fill('capture.renamed'))
  })

  test('a rename without new bytes is told by a take without bytes', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('a'), 'one')
    const [first] = await bench.once()
    fs.renameSync(bench.at('a'), bench.at('b'))
    expect(await bench.once()).toEqual([{ path: 'b', fileId: first?.fileId, startOffset: 3, bytes: '' }])
    expect(await bench.once()).toEqual([])
  })

  test('truncation begins a new generation', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'long enough')
    const [first] = await bench.once()
    fs.truncateSync(bench.at('log'))
    fs.appendFileSync(bench.at('log'), 'short')
    const [second] = await bench.once()
    expect(second).toMatchObject({ startOffset: 0, bytes: 'short' })
    expect(second?.fileId).not.toBe(first?.fileId)
    expect(bench.told()).toEqual(['capture.truncated'])
  })

  test('copy-truncate: the copy and the regrown file are files of their own', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'long enough')
    await bench.once()
    fs.copyFileSync(bench.at('log'), bench.at('log.1'))
    fs.truncateSync(bench.at('log'))
    fs.appendFileSync(bench.at('log'), 'regrown beyond the old size')
    expect(sorted(await bench.once())).toEqual(['log.1@0:long enough', 'log@0:regrown beyond the old size'])
    expect(bench.told()).toEqual(['capture.replaced'])
  })

  test('a file rewritten to the same size within one step of the file clock is seen', async () => {
    await using bench = new Bench()
    for (let n = 0; n < 50; n++) {
      fs.writeFileSync(bench.at('log'), `contents ${10 + n}`)
      expect(text(await bench.once())).toEqual([`log@0:contents ${10 + n}`])
    }
  })

  test('a replacement under the same name is a new generation', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one')
    await bench.once()
    fs.writeFileSync(bench.at('other'), 'one and more')
    fs.renameSync(bench.at('other'), bench.at('log'))
    expect(text(await bench.once())).toEqual(['log@0:one and more'])
    expect(bench.told()).toEqual(['capture.replaced'])
    expect(bench.cursors.size).toBe(1)
  })

  test('files that are kept stay open while the next ones are handed out; the others are closed', async () => {
    await using bench = new Bench()
    for (const name of ['a', 'b', 'c']) fs.writeFileSync(bench.at(name), `of ${name}`)
    const open: FileTake[] = []
    for await (const take of bench.capture.takes({ asItStands: true })) {
      if (open.length < 2) expect(take.keep()).toBe(true)
      open.push(take)
    }
    const read = async (take: FileTake | undefined): Promise<string> => {
      let found = ''
      for await (const bytes of take?.read() ?? []) found += Buffer.from(bytes).toString()
      return found
    }
    expect(await read(open[0])).toBe('of a')
    expect(await read(open[1])).toBe('of b')
    await expect(read(open[2])).rejects.toMatchObject({ code: 'capture-unreadable' })
    for (const take of open) await take[Symbol.asyncDispose]()
  })

  test('a deleted file is told once and its cursor can go', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one')
    await bench.once()
    fs.rmSync(bench.at('log'))
    await bench.once()
    await bench.once()
    expect(bench.events).toEqual([{ event: 'capture.deleted', stream: 'test', packedBytes: 3, unreadBytes: 0 }])
    expect(bench.cursors.size).toBe(0)
  })

  test('deleted and created again, with the inode given to the new file, is a new generation', async (ctx) => {
    // Another process may be given the number first.
    for (let attempt = 0; attempt < 100; attempt++) {
      await using bench = new Bench()
      fs.writeFileSync(bench.at('log'), 'the first')
      const before = fs.statSync(bench.at('log')).ino
      await bench.once()
      fs.rmSync(bench.at('log'))
      fs.writeFileSync(bench.at('log'), 'the other one')
      if (fs.statSync(bench.at('log')).ino !== before) continue
      expect(text(await bench.once())).toEqual(['log@0:the other one'])
      expect(bench.told()).toEqual(['capture.replaced'])
      return
    }
    ctx.skip('this file system gives every file another inode')
  })

  test('two names of one file are one capture file', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('a'), 'one')
    await bench.once()
    fs.linkSync(bench.at('a'), bench.at('b'))
    fs.appendFileSync(bench.at('b'), 'two')
    expect(text(await bench.once())).toEqual(['a@3:two'])
    expect(await bench.once()).toEqual([])
    expect(bench.told()).toEqual([])
  })

  test('two names of a new file are taken once', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('a'), 'one')
    fs.linkSync(bench.at('a'), bench.at('b'))
    let takes = 0
    for await (const take of bench.capture.takes({ asItStands: true })) takes += take.facts.sizeBytes / 3
    expect(takes).toBe(1)
    expect(await bench.once()).toHaveLength(1)
    expect(await bench.once()).toEqual([])
  })

  test('the time of a change is not kept while another change could carry it, too', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('log'), 'one')
    for await (const take of bench.capture.takes({ asItStands: true })) expect(take.facts.changedUs).toBe(0)
    bench.skewMs = 1_000
    for await (const take of bench.capture.takes({ asItStands: true })) expect(take.facts.changedUs).toBeGreaterThan(0)
  })

  test('empty files are taken once, as files without bytes', async () => {
    await using bench = new Bench()
    fs.writeFileSync(bench.at('empty'), '')
    const got = await bench.once()
    expect(text(got)).toEqual(['empty@0:'])
    expect(await bench.once()).toEqual([])
    fs.appendFileSync(bench.at('empty'), 'x')
    expect(await bench.once()).toEqual([{ path: 'empty', fileId: got[0]?.fileId, startOffset: 0, bytes: 'x' }])
  })

  test('a file over 4 GiB costs its tail only', async () => {
    await using bench = new Bench()
    const far = 5 * 2 ** 30
    fs.writeFileSync(bench.at('big'), 'x')
    fs.truncateSync(bench.at('big'), far)
    for await (const take of bench.capture.takes({ asItStands: true })) {
      const zeros = new Uint8Array(4096)
      const { RollingFingerprint } = await import('../../src/capture/fingerprint.ts')
      const head = Uint8Array.from(zeros, (_, index) => (index === 0 ? 120 : 0))
      const { path, fileId, chunker, facts } = take
      const fingerprint = new RollingFingerprint(head, zeros).value()
      bench.cursors.put({ stream: 'test', path, fileId, offset: far, complete: false, fingerprint, chunker, facts })
    }
    fs.appendFileSync(bench.at('big'), 'the tail')
    expect(text(await bench.once())).toEqual([`big@${far}:the tail`])
  })
})

describe('whole streams', () => {
  const whole = { files: 'whole' } as const

  test('a version is taken once, a changed file as a new version', async () => {
    await using bench = new Bench(whole)
    fs.writeFileSync(bench.at('a'), 'one')
    const [first] = await bench.once()
    expect(await bench.once()).toEqual([])
    fs.appendFileSync(bench.at('a'), 'two')
    const [second] = await bench.once()
    expect(second).toMatchObject({ startOffset: 0, bytes: 'onetwo' })
    expect(second?.fileId).not.toBe(first?.fileId)
    expect(bench.told()).toEqual([])
  })

  test('a version half packed goes on where it stood', async () => {
    await using bench = new Bench(whole)
    fs.writeFileSync(bench.at('a'), 'x'.repeat(100) + 'y'.repeat(3_000_000))
    for await (const take of bench.capture.takes({ asItStands: true })) {
      for await (const bytes of take.read()) {
        const { path, fileId, chunker, facts } = take
        bench.cursors.put({ stream: 'test', path, fileId, offset: bytes.length, complete: false, fingerprint: take.fingerprint(), chunker, facts })
        break
      }
    }
    const [rest] = await bench.once()
    expect(rest).toMatchObject({ startOffset: 2 ** 20, fileId: '0000000100000000' })
    expect(rest?.bytes.length).toBe(3_000_100 - 2 ** 20)
  })

  test('a file that changes while it is read is torn, and taken again', async () => {
    await using bench = new Bench(whole)
    fs.writeFileSync(bench.at('a'), 'one')
    let verdict: boolean | undefined
    for await (const take of bench.capture.takes({ asItStands: true })) {
      for await (const bytes of take.read()) expect(bytes.length).toBe(3)
      fs.writeFileSync(bench.at('a'), 'two')
      verdict = await take.unchanged()
    }
    expect(verdict).toBe(false)
    expect(bench.told()).toEqual(['capture.torn'])
    expect(bench.capture.pending()).toMatchObject([{ files: 1, bytes: 3 }])
    expect(text(await bench.once())).toEqual(['a@0:two'])
  })

  test('a file being written waits until it is quiet, and the next look is announced', async () => {
    await using bench = new Bench({ ...whole, quietMs: 5_000 })
    bench.capture.start()
    const writer = fs.openSync(bench.at('a'), 'w')
    fs.writeSync(writer, 'one')
    expect(await bench.collect()).toEqual([])
    const [waiting] = bench.capture.pending()
    const changedAt = fs.statSync(bench.at('a')).ctimeMs
    expect(Math.abs((waiting?.readyAt ?? 0) - changedAt - 5_000)).toBeLessThan(1_000)
    bench.skewMs = 6_000
    expect(text(await bench.collect())).toEqual(['a@0:one'])
    fs.closeSync(writer)
  })

  test.each([false, true])('a file that waits when the clock is set back waits no longer for that (looked at before: %s)', async (isLookedAt) => {
    await using bench = new Bench({ ...whole, quietMs: 5_000 })
    const hourMs = 3_600_000
    bench.skewMs = hourMs
    bench.capture.start()
    await bench.collect()
    const news = new Promise<void>((resolve) => (bench.onNews = resolve))
    const writer = fs.openSync(bench.at('a'), 'w')
    fs.writeSync(writer, 'one')
    await news
    if (isLookedAt) expect(await bench.collect()).toEqual([])
    bench.skewMs = 0
    const setBackAt = Date.now()
    const [due] = bench.capture.pending()
    expect(due?.oldestAt).toBeLessThanOrEqual(Date.now())
    expect(due?.readyAt).toBeLessThanOrEqual(Date.now())
    // It is not taken for finished because of that: it waits until it is quiet, by the clock as it is now.
    expect(await bench.collect()).toEqual([])
    const [waiting] = bench.capture.pending()
    expect(waiting?.oldestAt).toBeLessThanOrEqual(Date.now())
    expect(waiting?.readyAt).toBeGreaterThan(setBackAt)
    expect(waiting?.readyAt).toBeLessThanOrEqual(Date.now() + 5_000)
    bench.skewMs = 6_000
    expect(text(await bench.collect())).toEqual(['a@0:one'])
    fs.closeSync(writer)
  })

  test('a file renamed into place is taken without waiting', async () => {
    await using bench = new Bench({ ...whole, include: ['*.png'] })
    bench.capture.start()
    await bench.collect()
    fs.writeFileSync(bench.at('a.tmp'), 'one')
    fs.renameSync(bench.at('a.tmp'), bench.at('a.png'))
    expect(text(await bench.until((got) => got.length > 0))).toEqual(['a.png@0:one'])
  })

  test('a closed file is taken without waiting where every process can be seen', (ctx) => {
    if (process.platform !== 'linux' || process.getuid?.() !== 0) return ctx.skip('needs Linux and root, for a process namespace')
    const script = fileURLToPath(new URL('closed-file.ts', import.meta.url))
    const printed = execFileSync('unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', process.execPath, script], { encoding: 'utf8', timeout: 30_000, killSignal: 'SIGKILL' })
    expect(JSON.parse(printed)).toEqual(['closed:two'])
  })
})

describe('the stream’s folder', () => {
  test('any name the OS allows is taken as it is', async () => {
    await using bench = new Bench()
    const names = ['new\nline', '\xff\xfe not utf-8', 'ünï', '-rf', ' ', '..hidden', 'a'.repeat(255)]
    for (const name of names) fs.writeFileSync(Buffer.from(join(bench.folder, name), 'latin1'), name)
    expect((await bench.once()).map(({ path }) => path).sort()).toEqual([...names].sort())
    expect(await bench.once()).toEqual([])
  })

  test('links, fifos, sockets and devices are passed over', async () => {
    await using bench = new Bench()
    await using outside = new Bench()
    fs.writeFileSync(outside.at('secret'), 'secret')
    fs.symlinkSync(outside.at('secret'), bench.at('file-link'))
    fs.symlinkSync(outside.folder, bench.at('folder-link'))
    fs.symlinkSync(bench.folder, bench.at('loop'))
    execFileSync('mkfifo', [bench.at('fifo')])
    if (process.getuid?.() === 0) execFileSync('mknod', [bench.at('device'), 'c', '1', '5'])
    const server = createServer().listen(bench.at('socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    fs.writeFileSync(bench.at('plain'), 'plain')
    bench.capture.start()
    expect(text(await bench.once())).toEqual(['plain@0:plain'])
    server.close()
    expect(bench.told()).toEqual([])
  })

  test('an unreadable file or folder is told once, then again only after it was readable', async (ctx) => {
    if (process.getuid?.() !== 0) return ctx.skip('needs root to become another user')
    await using bench = new Bench()
    fs.chmodSync(bench.base, 0o755)
    fs.writeFileSync(bench.at('file'), 'x', { mode: 0o600 })
    fs.mkdirSync(bench.at('closed'), { mode: 0o700 })
    fs.writeFileSync(bench.at('open'), 'open', { mode: 0o644 })
    process.seteuid?.(65534)
    try {
      bench.capture.start()
      expect(text(await bench.collect())).toEqual(['open@0:open'])
      await bench.once()
      expect(bench.events).toHaveLength(2)
      for (const what of ['file', 'folder']) {
        expect(bench.events).toContainEqual({ event: 'capture.unreadable', stream: 'test', errno: 'EACCES', what })
      }
      process.seteuid?.(0)
      fs.chmodSync(bench.at('file'), 0o644)
      process.seteuid?.(65534)
      expect(text(await bench.until((got) => got.length > 0))).toEqual(['file@0:x'])
    } finally {
      process.seteuid?.(0)
    }
  })

  test('a folder that is missing, comes, goes and comes back is told and watched', async () => {
    await using base = new Bench()
    const folder = join(base.base, 'not', 'yet')
    await using bench = new Bench({}, folder)
    bench.capture.start()
    expect(await bench.collect()).toEqual([])
    expect(bench.told()).toEqual(['capture.folder-missing'])
    fs.mkdirSync(folder, { recursive: true })
    fs.writeFileSync(bench.at('a'), 'one')
    expect(text(await bench.until((got) => got.length > 0))).toEqual(['a@0:one'])
    expect(bench.told()).toEqual(['capture.folder-back'])
    fs.renameSync(join(base.base, 'not'), join(base.base, 'away'))
    expect(await bench.collect()).toEqual([])
    expect(bench.told()).toEqual(['capture.folder-missing'])
    expect(bench.cursors.size).toBe(1)
    fs.renameSync(join(base.base, 'away'), join(base.base, 'not'))
    fs.writeFileSync(bench.at('b'), 'two')
    expect(text(await bench.until((got) => got.length > 0))).toEqual(['b@0:two'])
    expect(bench.told()).toEqual(['capture.folder-back'])
  })

  test('a hundred thousand files: each is taken once, then costs a share of one lookup', async () => {
    await using bench = new Bench({ files: 'whole' })
    const count = 100_000
    for (let n = 0; n < count; n++) fs.closeSync(fs.openSync(bench.at(`capture-${n}.json`), 'w'))
    const sealed: Cursor[] = []
    const seal = vi.spyOn(bench.cursors, 'put').mockImplementation((cursor) => void sealed.push(cursor))
    for await (const take of bench.capture.takes({ asItStands: true })) await bench.pack(take)
    seal.mockRestore()
    for (const cursor of sealed) bench.cursors.put(cursor)
    expect(bench.cursors.size).toBe(count)
    bench.cursors.lookups = 0
    expect(await bench.once()).toEqual([])
    expect(bench.cursors.lookups).toBeLessThan(count / 500)
  }, 120_000)
})
