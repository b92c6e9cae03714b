import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { constants, zstdCompressSync } from 'node:zlib'
import { maxBlockBytes, maxReferenceBytes } from '../src/compress/codec.ts'
import { chunkerStart, nextCut } from '../src/pack/chunker.ts'
import { openCorpus } from './lib/corpus.ts'
import type { Corpus } from './lib/corpus.ts'
import { commonOptions, parseSize, progress, runProgram, say, writeResults } from './lib/program.ts'
import { fixed, megabytes, table, whole } from './lib/table.ts'

const usage = `node bench/kernels.ts --corpus DIR [--limit 8MiB] [--only STREAMS]

The inner loops alone, on each stream of a recorded session: cutting, SHA-256,
and zstd levels on blocks of 1 MiB, by themselves and against the 2 MiB before
them. --limit: bytes taken of each stream.`

export interface KernelOptions {
  readonly corpus: Corpus
  readonly limitBytes: number
  readonly only: string | undefined
}

interface LevelResult {
  readonly level: number
  readonly plain: Compressed
  readonly referenced: Compressed
}

interface Compressed {
  readonly bytes: number
  readonly bytesPerSecond: number
}

interface StreamResult {
  readonly stream: string
  readonly bytes: number
  readonly chunks: number
  readonly chunkerBytesPerSecond: number
  readonly sha256BytesPerSecond: number
  readonly levels: readonly LevelResult[]
}

const levels = [1, 3, 6, 9, 12, 15, 19] as const

/** A kernel is repeated until it has used this much, so that a stream of 50 kB is measured as well as one of 8 MB. */
const leastCpuMicroseconds = 100_000
const windows = 5
/** Slow kernels are noisy for a smaller part: they get fewer windows. */
const mostCpuMicroseconds = 1_000_000

/** Measures the kernels, prints two tables, and writes `bench/out/kernels.json`. */
export async function kernels({ corpus, limitBytes, only }: KernelOptions): Promise<void> {
  const wanted = only?.split(',')
  const unknown = wanted?.find((name) => !corpus.streams.some((stream) => stream.name === name))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: the session has ${corpus.streams.map(({ name }) => name).join(', ')}`)
  const results: StreamResult[] = []
  for (const { name } of corpus.streams.filter((stream) => wanted?.includes(stream.name) ?? true)) {
    progress(`measuring ${name}`)
    results.push(measureStream(name, streamBytes(corpus, name, limitBytes)))
  }
  progress('')
  print(results)
  writeResults('kernels', {}, { limitBytes, results })
}

/** The files of a stream one after another, in the order in which they were begun. */
function streamBytes(corpus: Corpus, stream: string, limitBytes: number): Buffer {
  const paths = [...new Set(corpus.writes.map(({ path }) => path).filter((path) => path.split('/')[0] === stream))]
  const parts: Buffer[] = []
  let total = 0
  for (const path of paths) {
    if (total >= limitBytes) break
    const bytes = readFileSync(join(corpus.folder, path)).subarray(0, limitBytes - total)
    parts.push(bytes)
    total += bytes.length
  }
  return Buffer.concat(parts)
}

function measureStream(stream: string, bytes: Buffer): StreamResult {
  const cuts = chunkEnds(bytes)
  return {
    stream,
    bytes: bytes.length,
    chunks: cuts.length,
    chunkerBytesPerSecond: speed(bytes.length, () => chunkEnds(bytes)),
    sha256BytesPerSecond: speed(bytes.length, () => {
      let start = 0
      for (const end of cuts) {
        createHash('sha256').update(bytes.subarray(start, end)).digest()
        start = end
      }
    }),
    levels: levels.map((level) => ({
      level, plain: compressed(bytes, level, 0), referenced: compressed(bytes, level, maxReferenceBytes),
    })),
  }
}

function chunkEnds(bytes: Uint8Array): number[] {
  const ends: number[] = []
  let state = chunkerStart
  for (let start = 0; start < bytes.length;) {
    const cut = nextCut(bytes.subarray(start), state)
    start += cut.length
    state = cut.state
    ends.push(start)
  }
  return ends
}

function compressed(bytes: Buffer, level: number, referenceBytes: number): Compressed {
  const compressAll = (): number => {
    let total = 0
    for (let start = 0; start < bytes.length; start += maxBlockBytes) {
      const dictionary = bytes.subarray(Math.max(0, start - referenceBytes), start)
      total += zstdCompressSync(bytes.subarray(start, start + maxBlockBytes), {
        params: { [constants.ZSTD_c_compressionLevel]: level },
        ...(dictionary.length > 0 ? { dictionary } : {}),
      }).length
    }
    return total
  }
  return { bytes: compressAll(), bytesPerSecond: speed(bytes.length, compressAll) }
}

/** Bytes a second of this thread's CPU time; the best of a few windows, since noise and unfinished JIT only ever slow down. */
function speed(bytes: number, kernel: () => unknown): number {
  const rates: number[] = []
  for (let spent = 0, window = 0; window < windows && spent < mostCpuMicroseconds; window++) {
    const { rounds, used } = repeat(kernel)
    rates.push((bytes * rounds) / (used / 1e6))
    spent += used
  }
  return Math.max(...rates)
}

function repeat(kernel: () => unknown): { readonly rounds: number; readonly used: number } {
  const before = process.threadCpuUsage()
  let [rounds, used] = [0, 0]
  do {
    kernel()
    rounds++
    const { user, system } = process.threadCpuUsage(before)
    used = user + system
  } while (used < leastCpuMicroseconds)
  return { rounds, used }
}

function print(results: readonly StreamResult[]): void {
  say('\nMB a second of one thread\'s CPU time\n')
  say(table(
    ['stream', 'bytes', 'chunks', 'cutting', 'SHA-256'],
    results.map((each) => [
      each.stream, whole(each.bytes), whole(each.chunks), megabytes(each.chunkerBytesPerSecond), megabytes(each.sha256BytesPerSecond),
    ]),
  ))
  for (const { stream, levels: ofStream } of results) {
    say(`\nzstd on ${stream}: blocks of 1 MiB alone, and against the 2 MiB before\n`)
    say(table(
      ['level', 'alone', 'MB/s', 'referenced', 'MB/s', 'saved'],
      ofStream.map(({ level, plain, referenced }) => [
        String(level),
        whole(plain.bytes),
        megabytes(plain.bytesPerSecond, 1),
        whole(referenced.bytes),
        megabytes(referenced.bytesPerSecond, 1),
        `${fixed((1 - referenced.bytes / plain.bytes) * 100, 1)}%`,
      ]),
    ))
  }
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: { ...commonOptions, corpus: { type: 'string' }, limit: { type: 'string', default: '8MiB' } },
    })
    if (values.corpus === undefined) throw new Error('name the folder of a recorded session with --corpus DIR')
    await kernels({ corpus: openCorpus(values.corpus), limitBytes: parseSize(values.limit), only: values.only })
  })
}
