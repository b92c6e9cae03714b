import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Config } from '../config/options.ts'
import type { EffectiveConfig } from '../config/load.ts'
import type { Emit, EventOf } from '../src/observe/events.ts'
import { changedKeys, fixedKey, onSameMachine } from '../config/changes.ts'
import { checkEffective, problemAt } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'
import { SluiceError, systemCode } from '../src/observe/error.ts'
import { readConnection } from './connection.ts'
import { watchFiles } from './watch-files.ts'

/** Editors write a file in several steps, and a roll-out several files. */
const settleMs = 300
const mostKeysTold = 20

/** Where the config of a running service comes from. */
export interface ConfigSource {
  readonly loaded: EffectiveConfig
  readonly policyFolder: string
  /** Calls back when somebody asks for the files to be read again. */
  readonly onRequest?: (reload: () => void) => Disposable
}

/** A config with what the files hold that it names, by key: they are read when a service is put together. */
interface Reading {
  readonly loaded: EffectiveConfig
  readonly files: ReadonlyMap<string, string>
}

type Refusal = EventOf<'config.refused'>

/**
 * Watches the config of a running service. A good new one ends the round that goes on with the old one; a wrong one is told,
 * and the last good one stays. A config is taken whole or not at all.
 */
export class Reload implements Disposable {
  readonly #source: ConfigSource
  readonly #tell: Emit
  readonly #stack = new DisposableStack()
  /** What the service goes on with. */
  #next: Reading
  /** What it ran with last, until it runs with the next. */
  #good: Reading | undefined
  #round = new AbortController()
  #watch: Disposable | undefined
  #timer: NodeJS.Timeout | undefined
  #looking = Promise.resolve()
  #lastRefusal = ''

  private constructor(source: ConfigSource, first: Reading, tell: Emit) {
    this.#source = source
    this.#next = first
    this.#tell = tell
  }

  /** `tell` gets every `config.refused`. */
  static async start(source: ConfigSource, tell: Emit): Promise<Reload> {
    const reload = new Reload(source, { loaded: source.loaded, files: new Map() }, tell)
    reload.#arm()
    reload.#next = await readingOf(source.loaded)
    if (source.onRequest) reload.#stack.use(source.onRequest(reload.#soon))
    reload.#soon() // what changed before anybody watched
    return reload
  }

  /** The config to go on with, and the signal that ends its round: `outer`, or another config. */
  begin(outer: AbortSignal): { readonly config: Config; readonly signal: AbortSignal } {
    this.#round = new AbortController()
    return { config: this.#next.loaded.config, signal: AbortSignal.any([outer, this.#round.signal]) }
  }

  /** The service runs with what `begin` gave it. Returns the keys that changed since it last ran. */
  taken(): string[] {
    const keys = this.#good ? changes(this.#good, this.#next) : []
    this.#good = this.#next
    return keys.slice(0, mostKeysTold)
  }

  /** The service cannot start with what `begin` gave it: back to what it ran with. False where that is the same. */
  giveBack(error: SluiceError): boolean {
    if (!this.#good || this.#good === this.#next) return false
    this.#refuse(refusalOf([{ file: this.#next.loaded.file, line: 1, column: 1, key: 'file', found: error.message, allowed: error.code }]))
    this.#next = this.#good
    return true
  }

  /** Looks whether there is another config to go on with, after whoever looks already. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look())
    return this.#looking
  }

  async #look(): Promise<void> {
    if (this.#stack.disposed) return
    this.#arm()
    const refusal = await this.#lookAt()
    if (refusal) this.#refuse(refusal)
    else this.#lastRefusal = ''
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    this.#watch?.[Symbol.dispose]()
    this.#stack.dispose()
  }

  /** Watches before it reads, so that no change goes unseen. */
  #arm(): void {
    if (this.#stack.disposed) return
    const { loaded: { file, config } } = this.#next
    const before = this.#watch
    this.#watch = watchFiles({ files: [file, ...namedFiles(config).values()], folder: this.#source.policyFolder }, this.#soon)
    before?.[Symbol.dispose]()
  }

  readonly #soon = (): void => {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.look(), settleMs).unref()
  }

  async #lookAt(): Promise<Refusal | undefined> {
    let { loaded } = this.#next
    try {
      const checked = await checkEffective(loaded.file, this.#source.policyFolder)
      if ('problems' in checked) return refusalOf(checked.problems)
      loaded = onSameMachine(checked, this.#next.loaded)
      const reading = await readingOf(loaded)
      const keys = changes(this.#next, reading)
      const fixed = fixedKey(keys)
      if (fixed !== undefined) return refusalOf([problemAt(loaded, fixed, 'it needs a restart', 'restart the service to change it')])
      if (keys.length === 0) return undefined
      await readConnection(loaded.config.connection, process.env)
      this.#next = reading
      this.#round.abort('another config')
      this.#arm()
      return undefined
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      const key = /^(connection\.\w+): /.exec(error.message)?.[1] ?? 'file'
      return refusalOf([problemAt(loaded, key, error.message, 'see docs/connection.md')])
    }
  }

  #refuse(refusal: Refusal): void {
    const text = JSON.stringify(refusal)
    if (text !== this.#lastRefusal) this.#tell(refusal)
    this.#lastRefusal = text
  }
}

/** What is wrong, without the values that were found: whoever reads the log need not know them. */
function refusalOf(problems: readonly Problem[]): Refusal {
  const [{ file, line, key, found, allowed } = { file: '', line: 1, key: 'file', found: '', allowed: '' }] = problems
  return { event: 'config.refused', file, line, key, reason: `${found.replace(/"[^"]*"/g, '"…"')}; ${allowed}`, problems: problems.length }
}

function changes(before: Reading, after: Reading): string[] {
  const files = [...after.files].filter(([key, content]) => before.files.get(key) !== content).map(([key]) => key)
  return [...new Set([...changedKeys(before.loaded, after.loaded), ...files])]
}

async function readingOf(loaded: EffectiveConfig): Promise<Reading> {
  const files = [...namedFiles(loaded.config)].map(async ([key, path]) => [key, await contentOf(path)] as const)
  return { loaded, files: new Map(await Promise.all(files)) }
}

/** Files that are read when a service is put together, by the key that names them. */
function namedFiles({ connection: { caFile, certificateFile, keyFile, proxyCredentialFile } }: Config): Map<string, string> {
  const named = { 'connection.ca': caFile, 'connection.certificate': certificateFile, 'connection.key': keyFile, 'connection.proxyCredential': proxyCredentialFile }
  return new Map(Object.entries(named).flatMap(([key, path]) => (path === undefined ? [] : [[key, path]])))
}

/** What tells whether the content of a file is another. */
async function contentOf(path: string): Promise<string> {
  try {
    return createHash('sha256').update(await readFile(path)).digest('hex')
  } catch (error) {
    return systemCode(error) ?? 'unknown'
  }
}
