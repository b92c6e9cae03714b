import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { constants, zstdCompressSync } from 'node:zlib'
import { maxBlockBytes, maxReferenceBytes } from '../src/compress/codec.ts'
import { decodeLines } from '../src/compress/json-lines/decode.ts'
import { encodeLines } from '../src/compress/json-lines/encode.ts'
import { extend, maxLineageDepth } from '../src/pack/lineage.ts'
import { openCorpus } from './lib/corpus.ts'
import type { Corpus } from './lib/corpus.ts'
import { generatedLogs } from './lib/generated-lines.ts'
import { commonOptions, parseSize, progress, runProgram, say, writeResults } from './lib/program.ts'
import { fixed, table, whole } from './lib/table.ts'

const usage = `node bench/lines.ts [--corpus DIR] [--size 4MiB] [--slices 1,20,200] [--only STREAMS]

The JSON lines codec alone, on the append streams of a recorded session and on
generated logs of --size each: bytes after zstd as they are, against what came
before, and as columns; CPU of encoding and decoding. A slice is what has
come since the last one, in blocks of at most 1 MiB.`

export interface LinesOptions {
  readonly corpus: Corpus | undefined
  readonly generatedBytes: number
  readonly slices: readonly number[]
  readonly only: string | undefined
}

interface Result {
  readonly stream: string
  readonly slices: number
  readonly rawBytes: number
  readonly blocks: number
  readonly alone6: number
  readonly against6: number
  readonly columns6: number
  readonly against19: number
  readonly columns19: number
  readonly modelBytes: number
  readonly encodeMsPerMB: number
  readonly decodeMsPerMB: number
}

/** Measures each stream in each number of slices, prints a table, and writes `bench/out/lines.json`. */
export async function lines({ corpus, generatedBytes, slices, only }: LinesOptions): Promise<void> {
  const wanted = only?.split(',')
  const results: Result[] = []
  for (const count of slices) {
    const sliced = new Map([...corpus ? recorded(corpus, count) : [], ...generated(generatedBytes, count)])
    for (const [stream, pieces] of sliced) {
      if (!(wanted?.includes(stream) ?? true)) continue
      progress(`measuring ${stream} in ${count} slices`)
      results.push(measure(stream, count, pieces.flatMap(blocksOf)))
    }
    print(count, results.filter((each) => each.slices === count))
  }
  writeResults('lines', { zstd: process.versions.zstd ?? 'unknown' }, { results })
}

/** What each append stream of a session has got in each slice of its time. */
function recorded({ folder, writes, streams }: Corpus, slices: number): Map<string, Buffer[]> {
  const durationMs = writes.at(-1)?.t ?? 0
  const append = streams.filter(({ files }) => files === 'append').map(({ name }) => name)
  return new Map(append.map((stream) => {
    const files = new Map<string, { readonly bytes: Buffer; played: number }>()
    const ofStream = writes.filter(({ path }) => path.startsWith(`${stream}/`))
    const pieces = Map.groupBy(ofStream, ({ t }) => Math.max(1, Math.ceil((t * slices) / durationMs)))
    return [stream, [...pieces.values()].map((ofSlice) => Buffer.concat(ofSlice.map(({ path, length }) => {
      const file = files.get(path) ?? { bytes: readFileSync(join(folder, path)), played: 0 }
      files.set(path, file)
      return file.bytes.subarray(file.played, file.played += length)
    })))]
  }))
}

function generated(sizeBytes: number, slices: number): Map<string, Buffer[]> {
  return new Map([...generatedLogs(sizeBytes)].map(([name, bytes]) => [
    `(${name})`, Array.from({ length: slices }, (_, at) => bytes.subarray((at * bytes.length) / slices, ((at + 1) * bytes.length) / slices)),
  ]))
}

function blocksOf(bytes: Buffer): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / maxBlockBytes) }, (_, at) => bytes.subarray(at * maxBlockBytes, (at + 1) * maxBlockBytes))
}

function measure(stream: string, slices: number, blocks: readonly Buffer[]): Result {
  const total = { rawBytes: 0, alone6: 0, against6: 0, columns6: 0, against19: 0, columns19: 0 }
  let [encodeUs, decodeUs] = [0, 0]
  let plain: Uint8Array = new Uint8Array()
  let coded: Uint8Array = new Uint8Array()
  let model: Uint8Array | undefined
  for (const [at, raw] of blocks.entries()) {
    if (at % (maxLineageDepth + 1) === 0) [plain, coded, model] = [new Uint8Array(), new Uint8Array(), undefined]
    const before: Uint8Array | undefined = model
    const [encoded, encoding] = timed(() => encodeLines(raw, before))
    encodeUs += encoding
    if (encoded) {
      const [decoded, decoding] = timed(() => decodeLines(encoded.code, before))
      decodeUs += decoding
      if (Buffer.compare(decoded.raw, raw) !== 0) throw new Error(`block ${at} of ${stream} did not come back`)
      model = encoded.model
    }
    const code = encoded?.code ?? raw
    total.rawBytes += raw.length
    total.alone6 += compressed(raw, 6)
    total.against6 += compressed(raw, 6, plain)
    total.columns6 += compressed(code, 6, coded)
    total.against19 += compressed(raw, 19, plain)
    total.columns19 += compressed(code, 19, coded)
    plain = extend(plain, raw)
    coded = extend(coded, code)
  }
  const megabytes = total.rawBytes / 1e6
  return {
    stream, slices, blocks: blocks.length, ...total, modelBytes: model?.length ?? 0,
    encodeMsPerMB: encodeUs / 1000 / megabytes, decodeMsPerMB: decodeUs / 1000 / megabytes,
  }
}

function compressed(bytes: Uint8Array, level: number, dictionary: Uint8Array = new Uint8Array()): number {
  return zstdCompressSync(bytes, {
    params: {
      [constants.ZSTD_c_compressionLevel]: level,
      [constants.ZSTD_c_windowLog]: Math.ceil(Math.log2(maxBlockBytes + maxReferenceBytes)),
      [constants.ZSTD_c_checksumFlag]: 0,
    },
    ...(dictionary.length > 0 ? { dictionary } : {}),
  }).length
}

/** A result and the microseconds of CPU time that it took this thread. */
function timed<T>(work: () => T): readonly [T, number] {
  const before = process.threadCpuUsage()
  const result = work()
  const { user, system } = process.threadCpuUsage(before)
  return [result, user + system]
}

function print(slices: number, results: readonly Result[]): void {
  say(`\nBytes after zstd, in ${slices} slices: alone, against the 2 MiB before, as columns\n`)
  say(table(
    ['stream', 'raw', '6 alone', 'against', 'columns', '19 against', 'columns'],
    results.map((each) => [
      each.stream, whole(each.rawBytes), whole(each.alone6), whole(each.against6), whole(each.columns6),
      whole(each.against19), whole(each.columns19),
    ]),
  ))
  say('')
  say(table(
    ['stream', 'blocks', 'last model', 'encode ms/MB', 'decode ms/MB', 'of 6 against'],
    results.map((each) => [
      each.stream, whole(each.blocks), whole(each.modelBytes), fixed(each.encodeMsPerMB, 0), fixed(each.decodeMsPerMB, 0),
      `${fixed((each.columns6 / each.against6) * 100, 0)}%`,
    ]),
  ))
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: { ...commonOptions, corpus: { type: 'string' }, size: { type: 'string', default: '4MiB' }, slices: { type: 'string', default: '1,20,200' } },
    })
    await lines({
      corpus: values.corpus === undefined ? undefined : openCorpus(values.corpus),
      generatedBytes: parseSize(values.size), slices: values.slices.split(',').map(Number), only: values.only,
    })
  })
}
