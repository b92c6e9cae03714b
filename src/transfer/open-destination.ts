import { resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Disk } from '../journal/disk.ts'
import { SluiceError } from '../observe/error.ts'
import type { Destination } from './destination.ts'
import { folderDestination } from './folder.ts'

// Two letters at least: `C:\packs` is a path.
const scheme = /^[a-z][a-z0-9+.-]+:/i

/**
 * The destination at an address: `file:///folder`, or a plain path, absolute or relative to the working directory.
 * Throws `destination-invalid`. Nothing is opened or created yet.
 */
export function openDestination(address: string, disk: Disk): Destination {
  const path = scheme.test(address) ? pathOfUrl(address) : address
  if (path === '' || path.includes('\0')) throw invalid(address, 'It names no folder.')
  return folderDestination(pathToFileURL(resolve(path)).href, disk)
}

function pathOfUrl(address: string): string {
  if (!/^file:/i.test(address)) throw invalid(address, 'This version knows file:///folder and plain paths only.')
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
  // An address may carry a password.
  const shown = address.replace(/\/\/[^/]*@/, '//…@')
  return new SluiceError('destination-invalid', `Cannot use the destination '${shown}'. ${why}`, { cause })
}
