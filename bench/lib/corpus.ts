import { appendFileSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { StreamConfig } from './sluice.ts'

/** One write of a capture tool: what a line of `timeline.jsonl` says. */
interface RecordedWrite {
  /** Milliseconds since the session began. */
  readonly t: number
  /** `create` writes a whole file, `append` adds its next `length` bytes. */
  readonly op: 'create' | 'append'
  /** Relative to the corpus; its first part is the stream. */
  readonly path: string
  readonly length: number
}

/** A recorded session: finished files plus `timeline.jsonl`, every write in order. */
export interface Corpus {
  readonly folder: string
  readonly writes: readonly RecordedWrite[]
  readonly rawBytes: number
  /** One a top folder; `whole` when nothing in it is ever appended to. */
  readonly streams: readonly StreamConfig[]
}

/** Throws when the folder holds no recorded session. */
export function openCorpus(folder: string): Corpus {
  const timeline = join(folder, 'timeline.jsonl')
  if (!existsSync(timeline)) throw new Error(`there is no recorded session in ${folder}: timeline.jsonl is missing`)
  const writes = readFileSync(timeline, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as RecordedWrite)
  const top = (write: RecordedWrite): string => write.path.split('/')[0] ?? write.path
  const streams = [...Map.groupBy(writes, top)].map(([name, ofStream]) => ({
    name, folder: name, files: ofStream.some(({ op }) => op === 'append') ? 'append' as const : 'whole' as const,
  }))
  return { folder, writes, streams, rawBytes: writes.reduce((total, { length }) => total + length, 0) }
}

/**
 * Plays a session into `destination` in equal slices of its time, and yields after each (1, 2, … `slices`). The
 * stream folders exist from the start, as they do when a capture tool has been installed.
 */
export function* replay(corpus: Corpus, destination: string, slices: number): Generator<number> {
  for (const { folder } of corpus.streams) mkdirSync(join(destination, folder), { recursive: true })
  const played = new Map<string, number>()
  const durationMs = corpus.writes.at(-1)?.t ?? 0
  let next = 0
  for (let slice = 1; slice <= slices; slice++) {
    for (;;) {
      const write = corpus.writes[next]
      if (!write || write.t > (durationMs * slice) / slices) break
      play(corpus, write, destination, played)
      next++
    }
    yield slice
  }
}

function play(corpus: Corpus, write: RecordedWrite, destination: string, played: Map<string, number>): void {
  const [from, to] = [join(corpus.folder, write.path), join(destination, write.path)]
  mkdirSync(dirname(to), { recursive: true })
  if (write.op === 'create') {
    writeFileSync(to, readFileSync(from))
    return
  }
  const offset = played.get(write.path) ?? 0
  const bytes = Buffer.alloc(write.length)
  const file = openSync(from, 'r')
  const read = readSync(file, bytes, 0, write.length, offset)
  closeSync(file)
  if (read !== write.length) throw new Error(`${from} ends before byte ${offset + write.length} that its timeline names`)
  appendFileSync(to, bytes)
  played.set(write.path, offset + write.length)
}
