import type { Codec } from '../src/compress/codec.ts'
import type { Destination } from '../src/transfer/destination.ts'
import type { Io } from './output.ts'
import { parseDuration } from '../config/units.ts'
import { zstdNative } from '../src/compress/zstd-native.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { SluiceError } from '../src/observe/error.ts'
import { openDestination } from '../src/transfer/open-destination.ts'

/** Lines of problems that are printed; `--json` has them all. */
const mostLines = 20

export interface Logs {
  readonly destination: Destination
  /** At least one. */
  readonly devices: readonly string[]
  readonly zstd: Codec
}

/** The device logs at an address. Throws `destination-invalid` when there are none, or not the one asked for. */
export async function openLogs(address: string, device: string | undefined): Promise<Logs> {
  const destination = openDestination(address, realDisk)
  const found = await destination.devices()
  const devices = device === undefined ? found : found.filter((name) => name === device)
  if (devices.length > 0) return { destination, devices, zstd: zstdNative }
  const what = device === undefined ? 'no device logs' : `no log of ${device}`
  const there = device !== undefined && found.length > 0 ? `; there are: ${found.slice(0, 8).join(', ')}` : ''
  throw new SluiceError('destination-invalid', `${address} holds ${what}${there}`)
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
