import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Disk } from '../journal/disk.ts'
import { SluiceError } from '../observe/error.ts'
import type { Destination } from './destination.ts'
import { folderDestination } from './folder.ts'
import { directWireBytes, s3WireBytes } from './s3/wire-bytes.ts'
import { maskAddress, parseTusAddress } from './tus-address.ts'
import { tusDestination, tusWireBytes, type TusOptions } from './tus.ts'

// Two letters at least: `C:\packs` is a path.
const scheme = /^[a-z][a-z0-9+.-]+:/i

/** What sending over a network takes. */
export type Sending = Pick<TusOptions, 'link' | 'uploads' | 'now' | 'credential'>

/**
 * The destination at an address: `https://…` with `sending`, `file:///folder`, or a plain path, absolute or relative to
 * the working directory. Throws `destination-invalid`. Nothing is opened or created yet.
 */
export function openDestination(address: string, disk: Disk, sending?: Sending): Destination {
  if (isTus(address)) return openTus(address, sending)
  const path = scheme.test(address) ? pathOfUrl(address) : address
  if (path === '' || path.includes('\0')) throw invalid(address, 'It names no folder.')
  return folderDestination(pathToFileURL(resolve(path)).href, disk)
}

/** What `wireBytes` of the destination at an address says, without opening it. `direct`: as the config has it. */
export function wireBytesTo(address: string, direct: boolean): Destination['wireBytes'] {
  if (isS3(address)) return s3WireBytes
  if (isTus(address)) return direct ? directWireBytes : tusWireBytes
  return (payloadBytes) => payloadBytes
}

/** Such an address is opened by `openS3`, which is loaded only then. */
export const isS3 = (address: string): boolean => /^s3:/i.test(address)

const isTus = (address: string): boolean => /^https?:/i.test(address)

function openTus(address: string, sending: Sending | undefined): Destination {
  const url = parseTusAddress(address)
  if (!url) {
    throw invalid(address, 'It takes https://host/path without ? and #; http:// only for this machine (localhost).')
  }
  if (!sending) throw invalid(address, 'Packs can be sent there, not read: give the folder where that server keeps them.')
  return tusDestination({ url, ...sending })
}

function pathOfUrl(address: string): string {
  if (!/^file:/i.test(address)) throw invalid(address, 'This version knows https://, s3://bucket, file:///folder and plain paths.')
  // Node drops these silently, and the packs would land in another folder.
  if (/[?#]/.test(address)) throw invalid(address, 'In a file:// address, write ? as %3F and # as %23.')
  if (!/^file:\/\/\//i.test(address)) throw invalid(address, 'A file:// address has three slashes: file:///folder.')
  try {
    return fileURLToPath(address)
  } catch (cause) {
    throw invalid(address, 'It is not a well-formed file:/// address.', cause)
  }
}

function invalid(address: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('destination-invalid', `Cannot use the destination '${maskAddress(address)}'. ${why}`, { cause })
}
