import { closeSync, constants, fstatSync, openSync, readSync, statSync, unwatchFile, watch, watchFile } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { RequestOptions } from '../transfer/destination.ts'
import type { CredentialSource } from '../transfer/enrol.ts'
import { makePrivateFolder, roomFor } from '../journal/durable-file.ts'
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
/** An enrolment by hand and one by the service may meet. Longer, and a service stands still while somebody else’s asks. */
const lockWaitMs = 500

export const credentialPath = (stateFolder: string): string => join(stateFolder, 'credential')

/** The credential of a state folder, if there is one. Throws `credential-missing` where it cannot be used, `state-newer`. */
export function readCredential(stateFolder: string): KeptCredential | undefined {
  const path = credentialPath(stateFolder)
  const text = readSecret(path, 0o077)
  if (text === undefined) return undefined
  const kept = parseKept(text, path)
  if (kept) return kept
  throw missing(`${path} is damaged. Remove it and run: sluice enrol`)
}

/** Room for a credential, held before it is asked for: the token for it is used up once the answer comes. */
export interface CredentialRoom extends Disposable {
  /** Keeps a credential durably, for its owner alone. Throws `state-unusable`, `state-full`. */
  keep(kept: KeptCredential): void
}

/**
 * Locks the credential of a state folder and sets room aside for it, until disposed of: on most file systems it can then be
 * kept on a disk that is full by now. Throws `state-unusable`, `state-full`.
 */
export function credentialRoom(stateFolder: string): CredentialRoom {
  makePrivateFolder(stateFolder)
  const path = credentialPath(stateFolder)
  const lock = takeExclusive(join(stateFolder, 'credential.lock.sqlite'), lockWaitMs)
  if (!lock) throw new SluiceError('state-unusable', `Another process enrols this device now, and keeps ${stateFolder} locked. Try again.`, { transient: true })
  try {
    const there = statSync(path, { throwIfNoEntry: false })
    if (there && !there.isFile()) throw new SluiceError('state-unusable', `Cannot write ${path}: it is no file. Move it away.`)
    const place = written(path, () => roomFor(path, mostBytes))
    return {
      keep: (kept) => written(path, () => place.fill(`${JSON.stringify({ version, ...kept })}\n`)),
      [Symbol.dispose]() {
        place[Symbol.dispose]()
        lock[Symbol.dispose]()
      },
    }
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
}

function written<T>(path: string, work: () => T): T {
  try {
    return work()
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

/** Runs what keeps the credential of a device after an enrolment. Its error says what became of the token, and `next` what follows. */
export function keepEnrolled(device: string, next: string, keep: () => void): void {
  try {
    keep()
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const { code, message, transient } = error
    throw new SluiceError(code, `${message} ${device} is enrolled and the token is used up. ${next}`, { transient, cause: error })
  }
}

/** What this device shows to its destination, read anew each time: it may be replaced while the service runs. */
export class DeviceCredential implements CredentialSource {
  readonly #options: DeviceCredentialOptions
  /** Enrolled, and not yet on the disk. */
  #unkept: KeptCredential | undefined
  /** The token file that was tried last in place of a credential that was refused. */
  #triedToken: string | undefined

  constructor(options: DeviceCredentialOptions) {
    this.#options = options
  }

  current(): string | undefined {
    const { stateFolder, device, origin, credentialFile } = this.#options
    if (credentialFile !== undefined) return credentialIn(credentialFile)
    if (this.#unkept) return this.#unkept.credential
    const kept = readCredential(stateFolder)
    return kept?.origin === origin && kept.device === device ? kept.credential : undefined
  }

  async ensure(request: RequestOptions): Promise<void> {
    const { stateFolder, tokenFile } = this.#options
    if (this.#unkept) {
      this.#keep(this.#unkept, (kept) => {
        using room = credentialRoom(stateFolder)
        const there = readCredential(stateFolder) // somebody may have enrolled by hand meanwhile
        if (!there || there.since <= kept.since) room.keep(kept)
      })
    }
    if (this.current() !== undefined || tokenFile === undefined) return
    await this.#enrol(tokenFile, request)
  }

  async renew(request: RequestOptions): Promise<boolean> {
    const { stateFolder, tokenFile, credentialFile } = this.#options
    const token = tokenFile === undefined ? undefined : statSync(tokenFile, { throwIfNoEntry: false })
    const kept = readCredential(stateFolder)
    // By when it was put there: a file that was copied may tell the time of the original as that of its content.
    if (tokenFile === undefined || credentialFile !== undefined || !token || !kept || token.ctimeMs <= kept.since) return false
    const file = `${token.ino} ${token.ctimeMs}`
    if (this.#triedToken === file) return false
    try {
      await this.#enrol(tokenFile, request, kept)
    } catch (error) {
      if (error instanceof SluiceError && ['credential-refused', 'destination-refused'].includes(error.code)) this.#triedToken = file
      throw error
    }
    return true
  }

  /** `refused`: the credential to replace. */
  async #enrol(tokenFile: string, request: RequestOptions, refused?: KeptCredential): Promise<void> {
    const { stateFolder, device, origin, enrol, now } = this.#options
    const token = readToken(tokenFile)
    using room = credentialRoom(stateFolder)
    const current = this.current() // somebody may have enrolled by hand meanwhile
    if (current !== undefined && current !== refused?.credential) return
    this.#keep({ device, origin, credential: await enrol(token, request), since: now() }, (kept) => { room.keep(kept) })
  }

  #keep(kept: KeptCredential, keep: (kept: KeptCredential) => void): void {
    this.#unkept = kept
    keepEnrolled(kept.device, 'The credential is in memory alone until it can be written: do not stop this service.', () => { keep(kept) })
    this.#unkept = undefined
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
      throw missing(`Other users may read ${path}. To mend that: chmod ${(forbiddenMode & 0o070) === 0 ? 'o' : 'go'}= ${path}`)
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

function parseKept(text: string, path: string): KeptCredential | undefined {
  try {
    const kept = JSON.parse(text) as (Partial<Record<keyof KeptCredential, unknown>> & { readonly version?: unknown }) | null
    const { device, origin, since, credential } = kept ?? {}
    if (typeof kept?.version === 'number' && kept.version > version) {
      throw new SluiceError('state-newer', `${path} was written by a newer version of Sluice (credential version ${kept.version}). Install that version again.`)
    }
    const isWhole = typeof device === 'string' && typeof origin === 'string' && typeof credential === 'string' && Number.isSafeInteger(since)
    return kept?.version === version && isWhole ? { device, origin, credential, since: Number(since) } : undefined
  } catch (error) {
    if (error instanceof SluiceError) throw error
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
