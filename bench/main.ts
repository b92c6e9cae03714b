import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { bulk } from './bulk.ts'
import { fleet } from './fleet.ts'
import { frames } from './frames.ts'
import { idle } from './idle.ts'
import { kernels } from './kernels.ts'
import { lines } from './lines.ts'
import { links } from './links.ts'
import { openCorpus } from './lib/corpus.ts'
import type { Corpus } from './lib/corpus.ts'
import { generateSession } from './lib/generated-session.ts'
import { commonOptions, openWorkFolder, runProgram, say } from './lib/program.ts'
import { report } from './report.ts'
import { session } from './session.ts'
import { wire } from './wire.ts'

const usage = `npm run bench -- [--corpus DIR] [--full] [--only NAMES] [--keep]

A session, a first upload, and the idle service, in a short form of about two
minutes; --full: at full length, with the single large file, the kernels, the
codecs for screenshots and JSON lines, the report, the wire, bad lines and a
fleet.
Without --corpus the session is generated. NAMES: contenders, as in session.ts.`

interface Lengths {
  readonly slices: number
  readonly bulkBytes: number
  readonly idleSeconds: number
  readonly idleFiles: number
}

const short: Lengths = { slices: 5, bulkBytes: 64 * 2 ** 20, idleSeconds: 10, idleFiles: 2_000 }
const full: Lengths = { slices: 20, bulkBytes: 2 * 2 ** 30, idleSeconds: 60, idleFiles: 10_000 }
const singleBytes = 5 * 2 ** 30

async function all(corpus: Corpus, only: string | undefined, keep: boolean, isFull: boolean): Promise<void> {
  const lengths = isFull ? full : short
  await session({ corpus, slices: lengths.slices, only, keep })
  await bulk({ sizeBytes: lengths.bulkBytes, rounds: 1, level: 3, only, keep, single: false })
  const measuresSluice = only === undefined || only.split(',').includes('sluice')
  if (measuresSluice) await idle({ seconds: lengths.idleSeconds, files: lengths.idleFiles, sensors: false, keep })
  if (!isFull) return
  if (measuresSluice) await bulk({ sizeBytes: singleBytes, rounds: 1, level: 3, only: 'sluice', keep, single: true })
  await kernels({ corpus, limitBytes: 8 * 2 ** 20, only: undefined })
  await frames({ corpus: corpus.folder, frames: 120, window: 2, run: 32 })
  await lines({ corpus, generatedBytes: 4 * 2 ** 20, slices: [1, 20, 200], only: undefined })
  if (!measuresSluice) return
  await report({ devices: 10_000, days: 30, rounds: 1, only: undefined, keep })
  await wire({ only: undefined })
  await links({ lines: undefined, rounds: 3, share: 1, only: undefined, keep })
  await fleet({ devices: 500, mostPacks: 10, rounds: 3, generators: 1, store: undefined, only: undefined, keep })
}

await runProgram(usage, async (args) => {
  const { values } = parseArgs({
    args, options: { ...commonOptions, corpus: { type: 'string' }, full: { type: 'boolean', default: false } },
  })
  if (values.corpus !== undefined) {
    await all(openCorpus(values.corpus), values.only, values.keep, values.full)
    return
  }
  using work = openWorkFolder(values.keep)
  say('no --corpus: the session is a generated one; its figures compare contenders and say little about real captures')
  const folder = join(work.path, 'session')
  generateSession(folder)
  await all(openCorpus(folder), values.only, values.keep, values.full)
})
