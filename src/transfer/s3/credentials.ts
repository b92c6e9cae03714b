import { execFile } from 'node:child_process'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import ini from 'ini'
import { SluiceError, systemCode } from '../../observe/error.ts'

export interface AccessKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
  /** Milliseconds since the epoch; without it they hold until they are refused. */
  readonly expiresAt?: number
}

/** Where keys come from; read when they are first needed, and again when they expire or were refused. */
export interface Credentials {
  /** Throws `credential-missing` with the places that were looked at. */
  get(): Promise<AccessKeys>
  forget(): void
}

export interface CredentialSources {
  /** `AWS_ACCESS_KEY_ID` and its kind. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly home: string
  /** From the config; what it says comes before the environment. */
  readonly profile?: string
  readonly credentialsFile?: string
  readonly credentialProcess?: string
  readonly now: () => number
}

/**
 * Keys are exchanged so long before they expire, so that none expires on the way; those that hold for less than twice as
 * long, after half of it, or they would be asked for again with every request.
 */
const renewMs = 5 * 60_000
/** A helper that asks a server over the network takes seconds; one that asks a person never ends. */
const processLimitMs = 30_000
/** Far more than any file of keys has. */
const mostFileBytes = 1 << 20
const mostAnswerBytes = 64 << 10

/**
 * Keys from the first place that has any: the config's `credentialProcess`; the config's `credentialsFile` or `profile`;
 * the environment; the shared credentials file, in which a profile may also name a `credential_process`.
 */
export function findCredentials(sources: CredentialSources): Credentials {
  let known: Promise<Known> | undefined
  const isFresh = async (): Promise<boolean> => {
    const found = await known?.catch(() => undefined)
    return found !== undefined && sources.now() < found.renewAt
  }
  return {
    async get() {
      if (!known || !await isFresh()) known = readNew(sources)
      return (await known).keys
    },
    forget: () => { known = undefined },
  }
}

interface Known {
  readonly keys: AccessKeys
  readonly renewAt: number
}

async function readNew(sources: CredentialSources): Promise<Known> {
  const keys = await read(sources)
  const { expiresAt = Infinity } = keys
  const leftMs = expiresAt - sources.now()
  return { keys, renewAt: expiresAt - Math.min(renewMs, leftMs / 2) }
}

async function read(sources: CredentialSources): Promise<AccessKeys> {
  const { environment, credentialProcess, now } = sources
  if (credentialProcess !== undefined) return await askProcess(credentialProcess, now)
  const asked = sources.credentialsFile !== undefined || sources.profile !== undefined
  const fromEnvironment = asked ? undefined : keysIn(
    environment['AWS_ACCESS_KEY_ID'], environment['AWS_SECRET_ACCESS_KEY'], environment['AWS_SESSION_TOKEN'],
  )
  if (fromEnvironment) return fromEnvironment
  const path = sources.credentialsFile ?? environment['AWS_SHARED_CREDENTIALS_FILE'] ?? join(sources.home, '.aws', 'credentials')
  const profile = sources.profile ?? environment['AWS_PROFILE'] ?? 'default'
  const found = await readProfile(path, profile, asked ? '' : 'AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set, and ')
  return typeof found === 'string' ? await askProcess(found, now) : found
}

function keysIn(id: unknown, secret: unknown, token: unknown): AccessKeys | undefined {
  if (!isKey(id) || !isKey(secret)) return undefined
  return { accessKeyId: id, secretAccessKey: secret, ...(isKey(token) && { sessionToken: token }) }
}

/** Keys become headers: whatever could end one is none. */
function isKey(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value)
}

/** The keys of a profile, or the program that it names. `before` begins the sentence of an error. */
async function readProfile(path: string, profile: string, before: string): Promise<AccessKeys | string> {
  const text = await readBounded(path).catch((error: unknown) => {
    const why = systemCode(error) === 'ENOENT' ? 'is not there' : `cannot be read (${systemCode(error) ?? 'unknown'})`
    throw missing(`${before}${path} ${why}`, error)
  })
  // A section with dots in its name is nested by the parser.
  const section = profile.split('.').reduce<unknown>((at, part) => ownValue(at, part), ini.parse(text))
  if (typeof section !== 'object' || section === null) throw missing(`${before}${path} has no profile [${profile}]`)
  const value = (name: string): unknown => ownValue(section, name)
  const keys = keysIn(value('aws_access_key_id'), value('aws_secret_access_key'), value('aws_session_token'))
  const command = value('credential_process')
  const found = keys ?? (typeof command === 'string' && command.trim() !== '' ? command : undefined)
  if (!found) throw missing(`${before}the profile [${profile}] in ${path} has neither both keys nor a credential_process`)
  return found
}

function ownValue(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null && Object.hasOwn(holder, name)
    ? (holder as Readonly<Record<string, unknown>>)[name]
    : undefined
}

async function readBounded(path: string): Promise<string> {
  await using file = await open(path, 'r')
  const { size } = await file.stat()
  const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, mostFileBytes)), 0)
  return buffer.toString('utf8', 0, bytesRead)
}

/** Runs a credential process (the contract of AWS: JSON of version 1 on stdout). Without a shell; stderr is not looked at. */
async function askProcess(command: string, now: () => number): Promise<AccessKeys> {
  const [program, ...parameters] = splitCommand(command)
  if (program === undefined) throw missing('the credential process is empty')
  const { stdout } = await promisify(execFile)(program, parameters, {
    timeout: processLimitMs, killSignal: 'SIGKILL', maxBuffer: mostAnswerBytes, windowsHide: true,
  }).catch((error: unknown) => { throw missing(`the credential process ${program} ${endOf(error)}`) })
  const keys = parseAnswer(stdout)
  if (!keys) throw missing(`the credential process ${program} did not answer with keys as JSON of version 1`)
  if (keys.expiresAt !== undefined && keys.expiresAt <= now()) {
    throw missing(`the credential process ${program} answered with keys that have expired`)
  }
  return keys
}

/** How a process ended. Nothing of what it wrote, nor of its parameters, which may hold secrets. */
function endOf(error: unknown): string {
  if (typeof error === 'object' && error !== null) {
    if ('killed' in error && error.killed === true) return `did not end within ${processLimitMs / 1000} s, or wrote too much`
    if ('code' in error && (typeof error.code === 'number' || typeof error.code === 'string')) {
      return typeof error.code === 'number' ? `ended with ${error.code}` : `cannot be run (${error.code})`
    }
  }
  return 'failed'
}

function parseAnswer(text: string): AccessKeys | undefined {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    return undefined
  }
  const value = (name: string): unknown => ownValue(answer, name)
  const keys = keysIn(value('AccessKeyId'), value('SecretAccessKey'), value('SessionToken'))
  if (value('Version') !== 1 || !keys) return undefined
  const expiration = value('Expiration')
  if (expiration === undefined || expiration === null) return keys
  const expiresAt = typeof expiration === 'string' ? Date.parse(expiration) : NaN
  return Number.isNaN(expiresAt) ? undefined : { ...keys, expiresAt }
}

/** Words of a command line; double quotes keep spaces together. */
export function splitCommand(command: string): string[] {
  return [...command.matchAll(/(?:[^\s"]|"[^"]*"?)+/g)].map(([word]) => word.replaceAll('"', ''))
}

function missing(where: string, cause?: unknown): SluiceError {
  return new SluiceError('credential-missing', `There are no keys for the store: ${where}.`, {
    transient: true, // whoever puts them there need not restart anything
    ...(cause !== undefined && { cause }),
  })
}
