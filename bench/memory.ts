import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { hasGnuTime } from './lib/measure.ts'
import { generateMixedFiles } from './lib/mixed-files.ts'
import { commonOptions, openWorkFolder, parseCount, parseSize, progress, runProgram } from './lib/program.ts'
import { say, settleDisk, writeResults } from './lib/program.ts'
import { restOf, startSluice } from './lib/sluice-service.ts'
import { runOnce, sluiceVersion, writeSluiceConfig } from './lib/sluice.ts'
import { untilAtRest } from './lib/running.ts'
import { generateSmallFiles } from './lib/small-files.ts'
import { fixed, megabytes, table, whole } from './lib/table.ts'

const usage = `node bench/memory.ts [--volumes 64MiB,512MiB,2GiB] [--files 1000,10000,100000]
                     [--rest 65] [--keep]

The memory that Sluice takes to send so many bytes (mixed files) or so many
small files (200 B to 4 kB) once, and what a service that watches them
afterwards holds after so many seconds of rest.`

export interface MemoryOptions {
  readonly volumes: readonly number[]
  readonly files: readonly number[]
  readonly restSeconds: number
  readonly keep: boolean
}

interface Row {
  readonly name: string
  readonly files: number
  readonly bytes: number
  readonly wallSeconds: number
  readonly cpuSeconds: number
  readonly peakRssBytes: number | undefined
  readonly restingRssBytes: number
}

/** Measures, prints the table, and writes `bench/out/memory.json`. */
export async function memory(options: MemoryOptions): Promise<void> {
  const version = await sluiceVersion()
  if (version === undefined) { say('sluice is not here: cli/launch.mjs is missing from this tree'); return }
  if (!hasGnuTime) say('no peak memory: apt-get install time')
  const rows = await measureMemory(options)
  progress('')
  say(`\nMemory of the first run, and of the service after ${options.restSeconds} s of rest\n`)
  say(table(['', 'files', 'MB', 'wall s', 'CPU s', 'peak MB', 'at rest MB'], rows.map((row) => [
    row.name, whole(row.files), megabytes(row.bytes), fixed(row.wallSeconds, 1), fixed(row.cpuSeconds, 1),
    megabytes(row.peakRssBytes), megabytes(row.restingRssBytes),
  ])))
  writeResults('memory', { sluice: version }, { restSeconds: options.restSeconds, rows })
}

/** A row for each volume, then one for each number of files. */
export async function measureMemory({ volumes, files, restSeconds, keep }: MemoryOptions): Promise<Row[]> {
  using work = openWorkFolder(keep)
  const rows: Row[] = []
  for (const sizeBytes of volumes) {
    rows.push(await measureTree('volume', join(work.path, `volume-${sizeBytes}`), restSeconds, keep, async (source) =>
      ({ files: (await generateMixedFiles(source, sizeBytes)).files.length, bytes: sizeBytes })))
  }
  for (const count of files) {
    const shape = { files: count, folders: Math.ceil(count / 200), leastBytes: 200, mostBytes: 4000 }
    rows.push(await measureTree('file count', join(work.path, `files-${count}`), restSeconds, keep, async (source) =>
      ({ files: count, bytes: generateSmallFiles(source, shape) })))
  }
  return rows
}

async function measureTree(
  name: string, work: string, restSeconds: number, keep: boolean,
  generate: (source: string) => Promise<Pick<Row, 'files' | 'bytes'>>,
): Promise<Row> {
  const source = join(work, 'source')
  await mkdir(source, { recursive: true })
  progress(`${name}: writing files`)
  const size = await generate(source)
  settleDisk()
  const streams = [{ name: 'files', folder: '.', files: 'whole' as const }]
  const places = await writeSluiceConfig(source, work, streams, { sensors: false })
  progress(`${name} of ${megabytes(size.bytes)} MB in ${size.files} files: sending`)
  const { wallSeconds, cpuSeconds, peakRssBytes } = await runOnce(places)
  const restingRssBytes = await restingMemory(places, restSeconds)
  if (!keep) await rm(work, { recursive: true })
  return { name, ...size, wallSeconds, cpuSeconds, peakRssBytes, restingRssBytes }
}

async function restingMemory(places: Parameters<typeof startSluice>[0], restSeconds: number): Promise<number> {
  await using service = await startSluice(places)
  progress('waiting until the service is at rest')
  await untilAtRest(service, restOf(false))
  await delay(restSeconds * 1000)
  return service.read().rssBytes
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({
      args,
      options: {
        ...commonOptions, volumes: { type: 'string', default: '64MiB,512MiB,2GiB' },
        files: { type: 'string', default: '1000,10000,100000' }, rest: { type: 'string', default: '65' },
      },
    })
    const list = (text: string): string[] => text.split(',').filter((each) => each !== '')
    await memory({
      volumes: list(values.volumes).map(parseSize), files: list(values.files).map((text) => parseCount('files', text)),
      restSeconds: parseCount('rest', values.rest), keep: values.keep,
    })
  })
}
