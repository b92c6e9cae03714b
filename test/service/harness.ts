import type { ChildProcess } from 'node:child_process'
import type { Config } from '../../config/options.ts'
import type { Disk } from '../../src/journal/disk.ts'
import type { Emit, SluiceEvent } from '../../src/observe/events.ts'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { Capture } from '../../src/capture/collect.ts'
import type { FileTake } from '../../src/capture/take.ts'
import { Reclaim } from '../../src/capture/reclaim.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { Journal } from '../../src/journal/journal.ts'
import type { PackRow } from '../../src/journal/journal.ts'
import { journalPath, openState } from '../../src/journal/open-state.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { readLog } from '../../src/pack/read-log.ts'
import { keyOf, toHex } from '../../src/pack/sha256.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import { Packer } from '../../src/pack/packer.ts'
import type { Route } from '../../src/scheduler/judge.ts'
import { queuesOf } from '../../src/scheduler/queues.ts'
import { Sender } from '../../src/transfer/sender.ts'
import { openDestination } from '../../src/transfer/open-destination.ts'
import { logChecker } from '../log-lines.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import type { Captured } from './written.ts'

const root = join(import.meta.dirname, '../..')
const pinnedNode = join(root, 'node_modules/.bin/node')
const node = existsSync(pinnedNode) ? pinnedNode : process.execPath

/** One machine: capture folders, state, destination and the config that names them. */
export interface Place {
  readonly folder: string
  readonly configFile: string
  readonly config: Config
  readonly log: string
  readonly shots: string
  readonly state: string
  readonly packs: string
}

export interface PlaceOptions {
  readonly state?: string
  readonly packs?: string
  /** YAML lines after those every place has. */
  readonly more?: string
  /** More keys of the `shots` stream, as in a YAML flow mapping. */
  readonly shots?: string
}

/** Streams `log` (append) and `shots` (whole, only on free networks): two queues. Small packs, sealed soon. */
export async function makePlace({ state, packs, more = '', shots = '' }: PlaceOptions = {}): Promise<Place> {
  const folder = await temporaryFolder()
  const at = (name: string): string => join(folder, name)
  const place = { log: at('captures/log'), shots: at('captures/shots'), state: state ?? at('state'), packs: packs ?? at('packs') }
  mkdirSync(place.log, { recursive: true })
  mkdirSync(place.shots, { recursive: true })
  const configFile = at('sluice.yaml')
  writeFileSync(configFile, `
device: laptop-1
state: ${place.state}
destination: file://${place.packs}
streams:
  - { name: log, path: ${place.log}, purpose: tests, files: append }
  - { name: shots, path: ${place.shots}, purpose: tests, files: whole, quiet: 200ms, networks: [free]${shots === '' ? '' : `, ${shots}`} }
seal: { size: 64 KiB, age: 1s }
conditions: { power: mains }
effort: 1
timeZone: UTC
${more}`)
  return { folder, configFile, config: (await loadConfig(configFile)).config, ...place }
}

/** A running `sluice` process. It is killed when the test ends, if it still runs. */
export class Sluice {
  readonly child: ChildProcess
  /** Events so far, of `run --json`. */
  readonly events: SluiceEvent[] = []
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>
  stdout = ''
  stderr = ''
  #onNews: () => void = () => {}
  #hasEnded = false

  constructor(...parameters: readonly string[]) {
    const child = spawn(node, [join(root, 'cli/launch.mjs'), ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] })
    this.child = child
    const isLog = parameters[0] === 'run' && !parameters.includes('--once')
    const check = logChecker()
    const takeLines = wholeLines((line) => {
      if (!line.startsWith('{')) return
      if (isLog) check(line)
      this.events.push(JSON.parse(line) as SluiceEvent)
    })
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      takeLines(text)
      this.#onNews()
    })
    const takeErrors = wholeLines((line) => { if (isLog && line.startsWith('{"level"')) check(line) })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
      takeErrors(text)
    })
    this.ended = new Promise((resolve) => child.on('close', (code, signal) => {
      this.#hasEnded = true
      resolve({ code, signal })
      this.#onNews()
    }))
    onTestFinished(() => void child.kill('SIGKILL'))
  }

  /** Waits until the events, from number `from` on, hold what is looked for. */
  async event(isIt: (event: SluiceEvent) => boolean, from = 0): Promise<SluiceEvent> {
    for (;;) {
      const found = this.events.slice(from).find(isIt)
      if (found) return found
      if (this.#hasEnded) throw new Error(`sluice ended first: ${JSON.stringify(this.events)} ${this.stderr}`)
      await new Promise<void>((resolve) => (this.#onNews = resolve))
    }
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    this.child.kill(signal)
  }
}

/** Cuts what comes into lines; the last one counts once it has ended. */
function wholeLines(take: (line: string) => void): (text: string) => void {
  let rest = ''
  return (text) => {
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(take)
  }
}

/** Runs `sluice` to its end. */
export async function sluice(...parameters: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const run = new Sluice(...parameters)
  const { code } = await run.ended
  return { code, stdout: run.stdout, stderr: run.stderr }
}

export const runOnce = (place: Place): ReturnType<typeof sluice> => sluice('run', '--once', '--config', place.configFile)

export const destinationOf = (place: Place): Destination => openDestination(place.config.destination, realDisk)

/** What a device log holds, read and checked to the last chunk. */
export interface Stored {
  readonly captured: readonly Captured[]
  readonly problems: readonly string[]
  /** Chunks stored more than once in an epoch. */
  readonly repeated: readonly string[]
  readonly packs: number
}

export async function readStored(destination: Destination, device = 'laptop-1'): Promise<Stored> {
  const seen = new Set<string>()
  const repeated: string[] = []
  const { log, versions, problems, packs } = await readLog({
    destination, device, zstd: zstdNative, content: true,
    onPack({ pack }) {
      for (const chunk of pack?.manifest.blocks.flatMap((block) => block.chunks) ?? []) {
        const key = `${toHex(pack?.manifest.epoch ?? new Uint8Array())}/${toHex(chunk.hash)}`
        if (seen.has(key)) repeated.push(`${pack?.name.seq}: ${key}`)
        seen.add(key)
      }
    },
  })
  const captured: Captured[] = []
  for (const version of versions.newestFirst()) {
    const parts: Uint8Array[] = []
    for (const segment of version.segments) for await (const bytes of log.content(segment)) parts.push(Uint8Array.from(bytes))
    captured.push({ stream: version.stream, path: keyOf(version.path), bytes: Buffer.concat(parts), complete: version.complete })
  }
  return { captured, repeated, packs, problems: problems.map(({ pack, error }) => `${pack}: ${error.message}`) }
}

/** Bytes of packs and of parts of packs in a folder destination. */
export function bytesThere(place: Place): number {
  const folder = join(fileURLToPath(place.config.destination), 'laptop-1')
  if (!existsSync(folder)) return 0
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

/** What the ledger of a state folder shows in all. */
export function ledgerBytes(place: Place): number {
  const path = journalPath(place.state)
  if (!existsSync(path)) return 0
  using journal = new Journal(path, 'read')
  return new Ledger(journal).usedSince(0, {})
}

export interface PartsOptions {
  readonly destination?: Destination
  readonly disk?: Disk
  readonly now?: () => number
  readonly emit?: Emit
  readonly signal?: AbortSignal
  readonly sealBytes?: number
  readonly onPending?: () => void
  /** What the config says of caps and sealing may be replaced here. */
  readonly config?: Config
}

/** The parts of a service over a place, without the service: a test moves them itself. Closing the journal is the test's. */
export async function openParts(place: Place, options: PartsOptions = {}) {
  const { disk = realDisk, now = Date.now, emit = () => undefined, config = place.config, signal } = options
  const destination = options.destination ?? openDestination(config.destination, disk)
  const state = await openState({ config, destination, zstd: zstdNative, disk, now, emit, ...(signal && { signal }) })
  const { journal, spool, ledger, lineages } = state
  const packer = new Packer({
    journal, spool, lineages, zstd: zstdNative, level: 1, sealBytes: options.sealBytes ?? config.seal.sizeBytes,
    epochMs: 24 * 3_600_000, now, randomBytes, emit,
  })
  const capture = new Capture({ streams: config.streams, cursors: journal, drops: journal.drops, emit, now, randomBytes, onPending: () => options.onPending?.() })
  const sender = new Sender({ device: config.device, journal, spool, ledger, destination, now, emit })
  const reclaim = new Reclaim({ streams: config.streams, cursors: journal, emit })
  return { ...state, config, destination, wireBytes: destination.wireBytes, packer, capture, sender, reclaim }
}

export type Parts = Awaited<ReturnType<typeof openParts>>

/** Packs everything as it stands. */
export async function packAll({ capture, packer, journal, config }: Parts): Promise<void> {
  const takeAgain = (take: Pick<FileTake, 'stream' | 'path'>): void => capture.takeAgain(take)
  for (const { name, streams } of queuesOf(config.streams)) {
    const takes = capture.takes({ streams: new Set(streams.map((stream) => stream.name)), asItStands: true })
    await packer.pack(name, takes, { onTorn: takeAgain, onUnsealed: takeAgain })
    journal.dropCursors(capture.gone())
  }
}

/** What may be sent without limit, until `signal` says otherwise. */
export function freely(signal = new AbortController().signal): { maxBytes: number; route: Route; signal: AbortSignal } {
  return { maxBytes: Infinity, route: { on: 'free' }, signal }
}

/** The stamped pack if there is one, else the one of these queues that was sealed first. */
export function nextPack({ journal }: Pick<Parts, 'journal'>, queues: readonly string[] = ['any', 'free']): PackRow | undefined {
  return journal.stamped() ?? queues.flatMap((queue) => journal.nextOf(queue) ?? []).sort((a, b) => a.id - b.id)[0]
}

/** Sends everything that is sealed, or the first `most` packs. */
export async function sendAll(parts: Parts, most = Infinity): Promise<void> {
  const queues = queuesOf(parts.config.streams).map((queue) => queue.name)
  for (let sent = 0; sent < most; sent++) {
    const pack = nextPack(parts, queues)
    if (!pack) return
    await parts.sender.send(pack, freely())
  }
}
