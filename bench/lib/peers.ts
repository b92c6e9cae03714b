import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { LoopDelay } from './loop-delay.ts'
import { measureOk } from './measure.ts'
import type { Usage } from './measure.ts'
import { sluiceContender, sluiceOnceContender } from './sluice.ts'
import type { StreamConfig } from './sluice.ts'
import { bytesBelow } from './trees.ts'

/** One upload history of one contender: a source folder and a destination of its own. */
export interface Job {
  /** One incremental run over the source folder as it is now. Throws when it fails. */
  run(): Promise<Usage>
  /** Bytes at the destination: sum of file sizes. */
  storedBytes(): Promise<number>
  /** Says how the stored data was checked, or throws. */
  verify(): Promise<string>
  /** Of the last run, or of all of them where one process makes them; once `storedBytes` was asked. */
  loopDelay?(): LoopDelay
}

interface JobPlaces {
  readonly source: string
  /** An empty folder for whatever the contender keeps. */
  readonly work: string
}

/** A program that may be installed. */
export interface Installed {
  readonly name: string
  /** Measured only when `--only` names it. */
  readonly onRequest?: true
  /** What to do when it is not there. */
  readonly install: string
  /** Its version, or undefined when it is not installed. */
  version(): Promise<string | undefined>
}

/** A program that is measured: Sluice itself, or a peer. */
export interface Contender extends Installed {
  start(places: JobPlaces): Promise<Job>
}

/** Sluice as a service with the given streams, and the peers. */
export function sessionContenders(streams: readonly StreamConfig[], effort?: number): Contender[] {
  return [
    sluiceContender(streams, { effort }),
    { ...sluiceContender(streams, { effort, isProbed: true }), onRequest: true },
    { ...sluiceOnceContender(streams, { effort }), onRequest: true },
    ...peers(),
  ]
}

/** Sluice as a command that ends when all is sent, and the peers. */
export function onceContenders(streams: readonly StreamConfig[]): Contender[] {
  return [{ ...sluiceOnceContender(streams, { isProbed: true }), name: 'sluice' }, ...peers()]
}

function peers(): Contender[] {
  return [
    restic('restic', []),
    { ...restic('restic-max', ['--compression', 'max']), onRequest: true },
    borg(3),
    borg(19),
    rsync(),
  ]
}

/**
 * The contenders that `only` names (comma-separated; `borg` stands for every borg) and that are installed, with their
 * versions, and what is missing. Throws on a name that no contender has.
 */
export async function chooseContenders<T extends Installed>(all: readonly T[], only: string | undefined): Promise<{
  readonly chosen: readonly T[]
  readonly versions: Record<string, string>
  readonly missing: readonly string[]
}> {
  const wanted = selectByName(all, only)
  const chosen: T[] = []
  const versions: Record<string, string> = {}
  const missing: string[] = []
  for (const contender of wanted) {
    const version = await contender.version()
    if (version === undefined) {
      missing.push(`${contender.name} is not here and is left out; ${contender.install}`)
    } else {
      versions[contender.name] = version
      chosen.push(contender)
    }
  }
  return { chosen, versions, missing }
}

/** Names separated by commas; `family` selects `family-*` too, except what is measured on request alone. */
export function selectByName<T extends { readonly name: string; readonly onRequest?: true }>(
  all: readonly T[], only: string | undefined,
): T[] {
  if (only === undefined) return all.filter((each) => !each.onRequest)
  const names = only.split(',').map((name) => name.trim())
  const matches = (each: T, name: string): boolean =>
    each.name === name || (!each.onRequest && each.name.startsWith(`${name}-`))
  const unknown = names.find((name) => !all.some((each) => matches(each, name)))
  if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${all.map(({ name }) => name).join(', ')}`)
  return all.filter((each) => names.some((name) => matches(each, name)))
}

/** What a program says its version is, or undefined where it cannot be run. */
export async function versionOf(argv: readonly string[]): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)(argv[0] ?? '', argv.slice(1))
    return /\d+(\.\d+)+/.exec(stdout)?.[0]
  } catch {
    return undefined
  }
}

/** restic encrypts always and derives its key anew (scrypt) in each run: that is part of what a run of it costs. */
function restic(name: string, options: readonly string[]): Contender {
  return {
    name,
    install: 'apt-get install restic',
    version: () => versionOf(['restic', 'version']),
    start: async ({ source, work }) => {
      const repository = join(work, 'repository')
      const env = {
        HOME: work, RESTIC_REPOSITORY: repository, RESTIC_PASSWORD: 'bench', RESTIC_CACHE_DIR: join(work, 'cache'),
      }
      await measureOk({ argv: ['restic', 'init'], env })
      return {
        run: () => measureOk({ argv: ['restic', 'backup', '--quiet', ...options, '.'], cwd: source, env }),
        storedBytes: () => bytesBelow(repository),
        verify: async () => {
          await measureOk({ argv: ['restic', 'check', '--read-data'], env })
          return 'restic check --read-data'
        },
      }
    },
  }
}

/** Without encryption, as Sluice's packs in these benches are. */
function borg(level: number): Contender {
  return {
    name: `borg-${level}`,
    install: 'apt-get install borgbackup',
    version: () => versionOf(['borg', '--version']),
    start: async ({ source, work }) => {
      const repository = join(work, 'repository')
      const env = { HOME: work, BORG_BASE_DIR: work, BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes' }
      await measureOk({ argv: ['borg', 'init', '--encryption', 'none', repository], env })
      let archive = 0
      return {
        run: () => measureOk({
          argv: ['borg', 'create', '--compression', `zstd,${level}`, `${repository}::run-${++archive}`, '.'], cwd: source, env,
        }),
        storedBytes: () => bytesBelow(repository),
        verify: async () => {
          await measureOk({ argv: ['borg', 'check', '--verify-data', repository], env })
          return 'borg check --verify-data'
        },
      }
    },
  }
}

/** Keeps no history and stores files as they are; what counts is what it sends. */
function rsync(): Contender {
  return {
    name: 'rsync',
    onRequest: true,
    install: 'apt-get install rsync',
    version: () => versionOf(['rsync', '--version']),
    start: async ({ source, work }) => {
      const copy = join(work, 'copy')
      await mkdir(copy)
      let sentBytes = 0
      return {
        run: async () => {
          const usage = await measureOk({
            argv: ['rsync', '-a', '-z', '--no-whole-file', '--stats', `${source}/`, `${copy}/`], env: { HOME: work },
          })
          sentBytes += Number(/Total bytes sent: ([\d,]+)/.exec(usage.stdout)?.[1]?.replaceAll(',', '') ?? NaN)
          return usage
        },
        storedBytes: async () => sentBytes,
        verify: async () => {
          await measureOk({ argv: ['diff', '-r', source, copy] })
          return 'diff -r (bytes are those sent, not those stored)'
        },
      }
    },
  }
}
