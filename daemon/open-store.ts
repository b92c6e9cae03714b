import { homedir } from 'node:os'
import type { Destination } from '../src/transfer/destination.ts'
import type { Link } from '../src/transfer/link/link.ts'
import type { UploadMemory } from '../src/transfer/tus.ts'
import { openS3, type S3Settings } from '../src/transfer/s3/open.ts'

/** The destination at an `s3://` address, as config and environment of this process want it. */
export function openStoreAt(address: string, settings: S3Settings, link: Link, uploads: UploadMemory): Destination {
  return openS3(address, { settings, environment: process.env, home: homedir(), link, uploads, now: Date.now })
}
