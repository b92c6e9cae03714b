import type { Command } from 'commander'
import type { Config } from '../config/options.ts'
import type { Codec } from '../src/compress/codec.ts'
import type { Destination } from '../src/transfer/destination.ts'
import type { Io } from './output.ts'
import { readFile, stat } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseDuration } from '../config/units.ts'
import { zstdNative } from '../src/compress/zstd-native.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { SluiceError, systemCode } from '../src/observe/error.ts'
import { openIdentities, parseIdentities, type Unlock } from '../src/pack/identities.ts'
import { isS3, openDestination } from '../src/transfer/open-destination.ts'

/** Lines of problems that are printed; `--json` has them all. */
const mostLines = 20

export interface Logs extends AsyncDisposable {
  readonly destination: Destination
  /** At least one. */
  readonly devices: readonly string[]
  readonly zstd: Codec
}

/** The device logs at an address. Throws `destination-invalid` when there are none, or not the one asked for. */
export async function openLogs(address: string, device: string | undefined): Promise<Logs> {
  await using stack = new AsyncDisposableStack()
  const destination = isS3(address) ? await openStore(address, stack) : openDestination(address, realDisk)
  const found = await destination.devices()
  const devices = device === undefined ? found : found.filter((name) => name === device)
  if (devices.length > 0) {
    const kept = stack.move()
    return { destination, devices, zstd: zstdNative, [Symbol.asyncDispose]: () => kept.disposeAsync() }
  }
  const what = device === undefined ? 'no device logs' : `no log of ${device}`
  const there = device !== undefined && found.length > 0 ? `; there are: ${found.slice(0, 8).join(', ')}` : ''
  throw new SluiceError('destination-invalid', `${address} holds ${what}${there}`)
}

/** Reads over a link of its own. Where this machine has a config, what it says of stores and connections holds. */
async function openStore(address: string, stack: AsyncDisposableStack): Promise<Destination> {
  const [{ linkTo }, { openStoreAt }, config] = await Promise.all([
    import('../daemon/sending.ts'), import('../daemon/open-store.ts'), foundConfig(),
  ])
  const { connection = { http2: true }, s3 = {} } = config ?? {}
  const link = stack.use(await linkTo({ connection, rate: { yields: false } }))
  return openStoreAt(address, s3, link, new Map())
}

async function foundConfig(): Promise<Config | undefined> {
  const [{ loadEffective }, { locateConfig }, { policyFolder }] = await Promise.all([
    import('../config/load.ts'), import('../config/locate.ts'), import('../config/policy-folder.ts'),
  ])
  let path: string
  try {
    path = locateConfig(undefined)
  } catch {
    return undefined
  }
  return (await loadEffective(path, policyFolder())).config
}

/** Adds `--identity`, once or several times. */
export function addIdentity(command: Command): Command {
  const collect = (file: string, before: readonly string[]): readonly string[] => [...before, file]
  return command.option('--identity <file>', 'an age identity file that opens encrypted packs, - for\nstandard input; may be given several times', collect, [])
}

/** Identity files larger than this are something else. */
const maxIdentityBytes = 1 << 20

/** What the files of `--identity` open, or with none of them says what is asked for. Throws `usage`. */
export async function unlockWith(files: readonly string[], io: Io): Promise<Unlock> {
  const identities: (readonly [string, string])[] = []
  for (const file of files) {
    const where = file === '-' ? 'standard input' : file
    const content = file === '-' ? await text(process.stdin) : await identityFile(file, io)
    for (const identity of parseIdentities(content, where)) identities.push([where, identity])
  }
  return await openIdentities(identities)
}

async function identityFile(file: string, io: Io): Promise<string> {
  try {
    const { mode, size } = await stat(file)
    if (size > maxIdentityBytes) throw new SluiceError('usage', `${file} is too large for an identity file`)
    if (process.getuid && (mode & 0o044) !== 0) io.note(`${file} can be read by others than its owner. To mend that: chmod 600 ${file}`)
    return await readFile(file, 'utf8')
  } catch (error) {
    if (error instanceof SluiceError) throw error
    throw new SluiceError('usage', `the identity file ${file} cannot be read (${systemCode(error)})`, { cause: error })
  }
}

/** A date, a date with time (this machine's time zone), or how long ago. Milliseconds since the epoch. */
export function parseTime(text: string, now: number): number {
  const ago = parseDuration(text)
  if (ago !== undefined) return now - ago
  const time = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00`).getTime() : new Date(text).getTime()
  if (/^\d{4}-\d{2}-\d{2}/.test(text) && !Number.isNaN(time)) return time
  throw new SluiceError('usage', `"${text}" is no time: allowed are 2026-11-23, 2026-11-23T14:00 and 2h (ago)`)
}

export function sayProblems(problems: readonly { readonly code: string; readonly message: string }[], io: Io): void {
  for (const { code, message } of problems.slice(0, mostLines)) io.note(`${code}: ${message}`)
  if (problems.length > mostLines) io.note(`… and ${problems.length - mostLines} more`)
}
