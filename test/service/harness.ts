import type { ChildProcess } from 'node:child_process'
import type { Config } from '../../config/options.ts'
import type { SluiceEvent } from '../../src/observe/events.ts'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { loadConfig } from '../../config/load.ts'
import { Ledger } from '../../src/budget/ledger.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { readLog } from '../../src/pack/read-log.ts'
import { keyOf, toHex } from '../../src/pack/sha256.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import { openDestination } from '../../src/transfer/open-destination.ts'
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
    let line = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      const lines = (line + text).split('\n')
      line = lines.pop() ?? ''
      for (const whole of lines) if (whole.startsWith('{')) this.events.push(JSON.parse(whole) as SluiceEvent)
      this.#onNews()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
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
  return new Ledger(journal.db).usedSince(0)
}
