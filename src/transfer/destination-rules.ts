import { SluiceError } from '../observe/error.ts'
import { isDeviceName } from '../pack/header.ts'
import { packFileName, type PackName } from './destination.ts'
import type { Meter } from './meter.ts'

/** The name itself; throws `destination-refused` for one that is no device's, before it becomes part of a path. */
export function checkDevice(device: string): string {
  if (isDeviceName(device)) return device
  throw new SluiceError(
    'destination-refused',
    `${JSON.stringify(device)} is no device name: it takes 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit.`,
  )
}

/** Order of a device log. By number, as names of more than ten digits do not sort by their text; a fork by hash. */
export function inLogOrder(a: PackName, b: PackName): number {
  return a.seq - b.seq || (a.hash < b.hash ? -1 : Number(a.hash > b.hash))
}

/** Throws `aborted` once the signal says so. */
export function stopIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return
  throw new SluiceError('aborted', 'Sending was stopped. What arrived is kept, and the rest goes on from there.', {
    transient: true,
    cause: signal.reason,
  })
}

/** Charges a slice that is about to be written; throws `aborted` when the meter refuses. */
export function chargeSlice(meter: Meter | undefined, bytes: number): void {
  if (meter && !meter.charge(bytes)) stopIfAborted(AbortSignal.abort('the meter refused'))
}

/** `destination-behind` for a pack that is asked for and not there. */
export function packMissing(name: PackName, url: string): SluiceError {
  return new SluiceError('destination-behind', `${name.device}/${packFileName(name)} is not at ${url}.`, {
    data: { device: name.device, seq: name.seq },
  })
}

/** `pack-invalid` for a range that a pack does not have. */
export function readPastEnd(name: PackName, offset: number, length: number, sizeBytes: number): SluiceError {
  return new SluiceError(
    'pack-invalid',
    `${name.device}/${packFileName(name)} ends at ${sizeBytes}; there are no ${length} bytes at ${offset}.`,
    { data: { offset, length, sizeBytes } },
  )
}
