import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import sharp from 'sharp'
import { decodeFrame, encodeFrame, indexed, type FrameEffort, type IndexedPicture } from '../src/compress/frames/codec.ts'
import { frameBytes } from '../src/compress/frames/canonical.ts'
import { pictureOf, samePicture } from '../src/compress/frames/picture.ts'
import { readPng } from '../src/compress/frames/png.ts'
import { sha256, toHex } from '../src/pack/sha256.ts'
import { commonOptions, parseCount, progress, runProgram, say, writeResults } from './lib/program.ts'
import { generatedSessions, recordedSession, type ScreenSession } from './lib/screen-sessions.ts'
import { fixed, table, whole } from './lib/table.ts'

const usage = `node bench/frames.ts [--corpus DIR] [--frames 120] [--window 2] [--run 32]

The screenshot codec alone, at each effort, on generated sessions and on the
screens of a recorded one; lossless WebP, each picture by itself, beside it.
--window: earlier pictures that one may be made from. --run: pictures after
which one is coded by itself. Every picture is decoded again and compared.`

export interface FramesOptions {
  /** Folder of a recorded session with a folder `screens`. */
  readonly corpus: string | undefined
  readonly frames: number
  readonly window: number
  readonly run: number
}

const efforts: readonly FrameEffort[] = ['quick', 'normal', 'thorough']
/** Pictures that WebP is tried on: it costs more than all the rest. */
const webpFrames = 24

interface Result {
  readonly session: string
  readonly effort: string
  readonly frames: number
  /** Of the files, and of those that repeat no earlier file. */
  readonly pngBytes: number
  readonly distinct: number
  readonly bytes: number
  /** CPU milliseconds for each file … */
  readonly readMs?: number
  /** … and for each distinct picture. */
  readonly encodeMs: number
  readonly proveMs?: number
}

/** Measures, prints a table, and writes `bench/out/frames.json`. */
export async function frames({ corpus, frames: count, window, run }: FramesOptions): Promise<void> {
  const recorded = corpus === undefined ? undefined : join(corpus, 'screens')
  const sessions = [
    ...(recorded !== undefined && existsSync(recorded) ? [recordedSession('recorded', recorded)] : []),
    ...generatedSessions(count),
  ]
  const results: Result[] = []
  for (const session of sessions) {
    for (const effort of efforts) {
      progress(`${session.name} at ${effort} effort`)
      results.push(measureSession(session, effort, window, run))
    }
    results.push(await measureWebp(session))
  }
  progress('')
  say(`\nScreens; CPU ms: read for each, the rest for new ones; references: the ${window} before within runs of ${run}\n`)
  say(table(['session', 'effort', 'new', 'PNG kB', 'kB', 'of PNG', 'read', 'encode', 'prove'], results.map((each) => [
    each.session, each.effort, `${each.distinct}/${each.frames}`, whole(each.pngBytes / 1000), whole(each.bytes / 1000),
    `${fixed((100 * each.bytes) / each.pngBytes, 1)}%`, fixed(each.readMs, 1), fixed(each.encodeMs, 1), fixed(each.proveMs, 1),
  ])))
  writeResults('frames', {}, { window, run, results })
}

function measureSession(session: ScreenSession, effort: FrameEffort, window: number, run: number): Result {
  const [reading, encoding, proving] = [new Stopwatch(), new Stopwatch(), new Stopwatch()]
  const known = new Set<string>()
  let past: IndexedPicture[] = []
  let [count, pngBytes, bytes] = [0, 0, 0]
  for (const file of session.files) {
    count++
    pngBytes += file.length
    const frame = reading.of(() => readPng(file))
    if (!frame) throw new Error('a screenshot that cannot be read')
    const name = reading.of(() => toHex(sha256(frameBytes(frame))))
    if (known.has(name)) continue
    if (known.size % run === 0) past = []
    known.add(name)
    const current = encoding.of(() => indexed(pictureOf(frame)))
    const code = encoding.of(() => encodeFrame(current, past, effort))
    const isSame = proving.of(() =>
      samePicture(decodeFrame(code.bytes, code.used.map((index) => past[index]!.picture)), current.picture))
    if (!isSame) throw new Error('a picture that does not come back')
    bytes += code.bytes.length
    past = [...past, current].slice(-window)
  }
  const each = (stopwatch: Stopwatch): number => stopwatch.milliseconds / known.size
  return {
    session: session.name, effort, frames: count, pngBytes, distinct: known.size, bytes,
    readMs: reading.milliseconds / count, encodeMs: each(encoding), proveMs: each(proving),
  }
}

/** Lossless WebP at the effort that pays best; bytes are scaled up from some pictures of the session. */
async function measureWebp(session: ScreenSession): Promise<Result> {
  const files = [...session.files]
  const names = new Set(files.map((file) => Buffer.from(file).toString('latin1')))
  const distinct = [...names].map((name) => Buffer.from(name, 'latin1'))
  const step = Math.max(1, Math.floor(distinct.length / webpFrames))
  const tried = distinct.filter((_, index) => index % step === 0)
  const encoding = new Stopwatch()
  let bytes = 0
  for (const file of tried) {
    const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true })
    const { width, height, channels } = info
    const webp = await encoding.ofAsync(() => sharp(data, { raw: { width, height, channels } }).webp({ lossless: true, effort: 2, quality: 75 }).toBuffer())
    bytes += webp.length
  }
  return {
    session: session.name, effort: 'WebP', frames: files.length, distinct: distinct.length,
    pngBytes: files.reduce((sum, file) => sum + file.length, 0), bytes: (bytes / tried.length) * distinct.length,
    encodeMs: encoding.milliseconds / tried.length,
  }
}

/** Adds up CPU time of the whole process: garbage collection, compiling and helper threads count. */
class Stopwatch {
  milliseconds = 0

  of<T>(work: () => T): T {
    const before = process.cpuUsage()
    const result = work()
    this.#add(before)
    return result
  }

  async ofAsync<T>(work: () => Promise<T>): Promise<T> {
    const before = process.cpuUsage()
    const result = await work()
    this.#add(before)
    return result
  }

  #add(before: NodeJS.CpuUsage): void {
    const { user, system } = process.cpuUsage(before)
    this.milliseconds += (user + system) / 1000
  }
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions, corpus: { type: 'string' }, frames: { type: 'string', default: '120' },
        window: { type: 'string', default: '2' }, run: { type: 'string', default: '32' },
      },
    })
    await frames({
      corpus: values.corpus, frames: parseCount('frames', values.frames),
      window: parseCount('window', values.window), run: parseCount('run', values.run),
    })
  })
}
