import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bulk } from './bulk.ts'
import { files } from './files.ts'
import { fleet } from './fleet.ts'
import { frames } from './frames.ts'
import { idle } from './idle.ts'
import { kernels } from './kernels.ts'
import { lines } from './lines.ts'
import { light } from './light.ts'
import { links } from './links.ts'
import { memory, type MemoryOptions } from './memory.ts'
import { openCorpus } from './lib/corpus.ts'
import type { Corpus } from './lib/corpus.ts'
import { generateSession } from './lib/generated-session.ts'
import { commonOptions, openWorkFolder, runProgram, say } from './lib/program.ts'
import { report } from './report.ts'
import { session } from './session.ts'
import { wire } from './wire.ts'

const usage = `npm run bench -- [--corpus DIR] [--full] [--only NAMES] [--keep]

A session, a first upload, many small files, the service with nothing and with
little to do, memory, the kernels, and the codecs for screenshots and JSON
lines, in a short form of about four minutes; --full: at full length, with the
single large file, the report, the wire, bad lines and a fleet.
Without --corpus the session is a generated one. NAMES: contenders, as in session.ts.`

const mebibyte = 2 ** 20

interface Lengths {
  readonly slices: number
  readonly bulkBytes: number
  readonly files: number
  readonly folders: number
  readonly idleSeconds: number
  readonly idleFiles: number
  readonly lightSeconds: number
  /** Undefined where Sluice's own holds. */
  readonly sealSeconds: number | undefined
  readonly memory: Omit<MemoryOptions, 'keep'>
  /** Of each stream. */
  readonly kernelBytes: number
  readonly frames: number
  readonly linesBytes: number
  readonly linesSlices: readonly number[]
}

const short: Lengths = {
  slices: 3, bulkBytes: 64 * mebibyte, files: 2_000, folders: 40, idleSeconds: 5, idleFiles: 2_000,
  lightSeconds: 20, sealSeconds: 10,
  memory: { volumes: [64 * mebibyte], files: [1_000], restSeconds: 1 }, kernelBytes: 1.5 * mebibyte, frames: 8,
  linesBytes: mebibyte / 4, linesSlices: [20],
}
const full: Lengths = {
  slices: 20, bulkBytes: 2048 * mebibyte, files: 100_000, folders: 500, idleSeconds: 60, idleFiles: 10_000,
  lightSeconds: 300, sealSeconds: undefined,
  memory: { volumes: [64 * mebibyte, 512 * mebibyte, 2048 * mebibyte], files: [1_000, 10_000, 100_000], restSeconds: 65 },
  kernelBytes: 8 * mebibyte, frames: 120, linesBytes: 4 * mebibyte, linesSlices: [1, 20, 200],
}
const singleBytes = 5 * 2 ** 30

interface Wanted {
  readonly corpus: Corpus
  /** Whether somebody recorded it. */
  readonly isRecorded: boolean
  readonly only: string | undefined
  readonly keep: boolean
  readonly isFull: boolean
}

async function all({ corpus, isRecorded, only, keep, isFull }: Wanted): Promise<void> {
  const lengths = isFull ? full : short
  const recorded = isRecorded ? corpus.folder : undefined
  await session({ corpus, slices: lengths.slices, only: only ?? 'sluice,sluice-probed,restic,borg-3,borg-19', keep })
  await bulk({ sizeBytes: lengths.bulkBytes, rounds: 1, level: 3, only, keep, single: false })
  await files({ files: lengths.files, folders: lengths.folders, rounds: 3, only, keep })
  const measuresSluice = only === undefined || only.split(',').includes('sluice')
  const onlySluice = only === undefined ? undefined : 'sluice'
  if (measuresSluice) {
    await idle({ seconds: lengths.idleSeconds, files: lengths.idleFiles, sensors: false, only: onlySluice, keep })
    const { lightSeconds: seconds, sealSeconds } = lengths
    await light({ seconds, corpus: recorded, sealSeconds, only: onlySluice, keep })
    await memory({ ...lengths.memory, keep })
  }
  await kernels({ corpus, limitBytes: lengths.kernelBytes, only: undefined })
  await frames({ corpus: recorded, frames: lengths.frames, window: 2, run: 32 })
  await lines({ corpus, generatedBytes: lengths.linesBytes, slices: lengths.linesSlices, only: undefined })
  if (!isFull || !measuresSluice) return
  await bulk({ sizeBytes: singleBytes, rounds: 1, level: 3, only: 'sluice', keep, single: true })
  await report({ devices: 10_000, days: 30, rounds: 1, only: undefined, keep })
  await wire({ only: undefined })
  await links({ lines: undefined, rounds: 3, share: 1, only: undefined, keep })
  await fleet({ devices: 500, mostPacks: 10, rounds: 3, generators: 1, store: undefined, only: undefined, keep })
}

await runProgram(usage, async (args) => {
  const { values } = parseArgs({
    args, options: { ...commonOptions, corpus: { type: 'string' }, full: { type: 'boolean', default: false } },
  })
  const { only, keep, full: isFull } = values
  if (values.corpus !== undefined) {
    await all({ corpus: openCorpus(values.corpus), isRecorded: true, only, keep, isFull })
    return
  }
  using work = openWorkFolder(keep)
  say('no --corpus: the session is a generated one; its figures compare contenders and say little about real captures')
  const folder = join(work.path, 'session')
  generateSession(folder)
  await all({ corpus: openCorpus(folder), isRecorded: false, only, keep, isFull })
})
