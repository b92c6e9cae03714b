import { closeSync, constants, fstatSync, openSync, readSync, unwatchFile, watch, watchFile } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { RequestOptions } from '../transfer/destination.ts'
import type { CredentialSource } from '../transfer/enrol.ts'
import { makePrivateFolder, replaceFile } from '../journal/durable-file.ts'
import { takeExclusive } from '../journal/exclusive.ts'
import { SluiceError, systemCode } from '../observe/error.ts'

/** What an enrolment left in the state folder. */
export interface KeptCredential {
  readonly device: string
  /** Of the collector that gave it: it is shown to no other. */
  readonly origin: string
  readonly since: number
  /** Never shown. */
  readonly credential: string
}

const version = 1
/** Longest file that is taken for a token or a credential. */
const mostBytes = 4096
const pollMs = 5000
/** An enrolment by hand and one by the service may meet. */
const lockWaitMs = 5000

export const credentialPath = (stateFolder: string): string => join(stateFolder, 'credential')

/** The credential of a state folder, if there is one. Throws `credential-missing` where it cannot be used. */
export function readCredential(stateFolder: string): KeptCredential | undefined {
  const path = credentialPath(stateFolder)
  const text = readSecret(path, 0o077)
  if (text === undefined) return undefined
  const kept = parseKept(text)
  if (kept) return kept
  throw missing(`${path} is damaged. Remove it and run: sluice enrol`)
}

/** Keeps a credential durably, for its owner alone. Throws `state-unusable`, `state-full`. */
export function keepCredential(stateFolder: string, kept: KeptCredential): void {
  makePrivateFolder(stateFolder)
  using lock = takeExclusive(join(stateFolder, 'credential.lock.sqlite'), lockWaitMs)
  if (!lock) throw new SluiceError('state-unusable', `Another process keeps ${stateFolder} locked. Try again.`, { transient: true })
  const path = credentialPath(stateFolder)
  try {
    replaceFile(path, `${JSON.stringify({ version, ...kept })}\n`)
  } catch (error) {
    const isFull = ['ENOSPC', 'EDQUOT'].includes(systemCode(error) ?? '')
    throw new SluiceError(isFull ? 'state-full' : 'state-unusable',
      `Cannot write ${path} (${systemCode(error)}). Check that its folder can be written and has room.`, { transient: isFull, cause: error })
  }
}

/** The token in a file. Throws `credential-missing`. */
export function readToken(path: string): string {
  const text = readSecret(path, 0o007)
  if (text === undefined) throw missing(`There is no token at ${path}, and this device is not enrolled. Ask your IT for a token, then run: sluice enrol`)
  return checkToken(text, path)
}

/** A token as somebody gave it, without the space around it. Throws `credential-missing`. */
export function checkToken(text: string, from: string): string {
  const token = text.trim()
  if (/^[\x21-\x7e]{1,1024}$/.test(token)) return token
  throw missing(`What is in ${from} is no token: a token is one word.`)
}

export interface DeviceCredentialOptions {
  readonly stateFolder: string
  readonly device: string
  /** Of the destination. */
  readonly origin: string
  /** A token to enrol with by itself. */
  readonly tokenFile?: string | undefined
  /** A file that holds the credential itself, in place of the one in the state folder. */
  readonly credentialFile?: string | undefined
  readonly enrol: (token: string, request: RequestOptions) => Promise<string>
  readonly now: () => number
}

/** What this device shows to its destination, read anew each time: it may be replaced while the service runs. */
export class DeviceCredential implements CredentialSource {
  readonly #options: DeviceCredentialOptions

  constructor(options: DeviceCredentialOptions) {
    this.#options = options
  }

  current(): string | undefined {
    const { stateFolder, device, origin, credentialFile } = this.#options
    if (credentialFile !== undefined) return credentialIn(credentialFile)
    const kept = readCredential(stateFolder)
    return kept?.origin === origin && kept.device === device ? kept.credential : undefined
  }

  async ensure(request: RequestOptions): Promise<void> {
    const { stateFolder, device, origin, tokenFile, enrol, now } = this.#options
    if (this.current() !== undefined || tokenFile === undefined) return
    const credential = await enrol(readToken(tokenFile), request)
    keepCredential(stateFolder, { device, origin, since: now(), credential })
  }

  /** Calls back when a file that matters here changed. */
  watch(onChange: () => void): Disposable {
    const { stateFolder, tokenFile, credentialFile } = this.#options
    const watches = new DisposableStack()
    for (const path of [credentialPath(stateFolder), tokenFile, credentialFile]) if (path !== undefined) watches.use(watchPath(path, onChange))
    return watches
  }
}

function credentialIn(path: string): string {
  const text = readSecret(path, 0o007)?.trim()
  if (text !== undefined && /^[\x21-\x7e]{1,1024}$/.test(text)) return text
  throw missing(text === undefined ? `There is no credential at ${path}, where enrolment.credentialFile says it is.` : `What is in ${path} is no credential.`)
}

/** The text of a file that others may not read, undefined without one. The file is checked that was opened. */
function readSecret(path: string, forbiddenMode: number): string | undefined {
  let file: number | undefined
  try {
    file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)) // a pipe would be waited for
    const stat = fstatSync(file)
    if (!stat.isFile() || stat.size > mostBytes) throw missing(`${path} is no file with a token or credential.`)
    if (process.platform !== 'win32' && (stat.mode & forbiddenMode) !== 0) {
      throw missing(`Other users may read ${path}. To mend that: chmod go= ${path}`)
    }
    const bytes = Buffer.alloc(mostBytes)
    return bytes.toString('utf8', 0, readSync(file, bytes, 0, mostBytes, 0))
  } catch (error) {
    if (error instanceof SluiceError) throw error
    if (systemCode(error) === 'ENOENT') return undefined
    throw missing(`Cannot read ${path} (${systemCode(error) ?? 'unknown'}).`, error)
  } finally {
    if (file !== undefined) closeSync(file)
  }
}

function parseKept(text: string): KeptCredential | undefined {
  try {
    const kept = JSON.parse(text) as (Partial<Record<keyof KeptCredential, unknown>> & { readonly version?: unknown }) | null
    const { device, origin, since, credential } = kept ?? {}
    const isWhole = typeof device === 'string' && typeof origin === 'string' && typeof credential === 'string' && Number.isSafeInteger(since)
    return kept?.version === version && isWhole ? { device, origin, credential, since: Number(since) } : undefined
  } catch {
    return undefined
  }
}

/** A file that is replaced by another is still watched: its folder is. */
function watchPath(path: string, onChange: () => void): Disposable {
  try {
    const watcher = watch(dirname(path), { persistent: false }, (_, name) => {
      if (name === null || name === basename(path)) onChange()
    })
    watcher.on('error', onChange)
    return { [Symbol.dispose]: () => { watcher.close() } }
  } catch {
    // The folder is missing, or the system's limit of watches is reached.
    watchFile(path, { persistent: false, interval: pollMs }, onChange)
    return { [Symbol.dispose]: () => { unwatchFile(path, onChange) } }
  }
}

function missing(message: string, cause?: unknown): SluiceError {
  return new SluiceError('credential-missing', message, { cause })
}
