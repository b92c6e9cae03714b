import { execFile, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { packFileName, type PackName } from '../../src/transfer/destination.ts'
import type { Installed } from './peers.ts'
import type { LinkUpload, LinkUploaded } from './link-upload.ts'

/** One pack to upload, as a file. */
export interface Cargo extends PackName {
  readonly file: string
  readonly sizeBytes: number
  /** Of the device at the collector. */
  readonly credential: string
}

/** What the far side offers. */
export interface FarSide {
  /** Path of the certificate to trust. */
  readonly ca: string
  /** The collector's address. */
  readonly collector: string
  /** The folder in which it keeps device logs. */
  readonly collectorFolder: string
  /** Takes PUT and PROPFIND. */
  readonly webdav: string
  /** The folder that `webdav` writes to. */
  readonly webdavFolder: string
  /** Enrols a device at the collector, past the network, and returns its credential. */
  enrol(device: string): Promise<string>
}

/** A program that uploads one file, its own retries included. */
export interface Uploader extends Installed {
  /** The command; `env` on top of a small fixed environment. */
  command(cargo: Cargo, far: FarSide): { readonly argv: readonly string[], readonly env?: Readonly<Record<string, string>> }
  /** How often it began again, by what it printed. */
  retries(stdout: string, stderr: string): number
  /** Where the far side keeps the file once it arrived. */
  arrived(cargo: Cargo, far: FarSide): string
}

/** Sluice with and without yielding, and the peers. */
export const uploaders: readonly Uploader[] = [sluice('sluice', false), sluice('sluice-yield', true), curl(), rclone()]

function sluice(name: string, yields: boolean): Uploader {
  return {
    name,
    install: 'it is part of this tree',
    version: async () => process.version,
    command: ({ device, seq, hash, file, credential }, { collector, ca }) => {
      const upload: LinkUpload = { url: collector, ca, file, device, seq, hash, credential, yields }
      return { argv: [process.execPath, join(import.meta.dirname, 'link-upload.ts'), JSON.stringify(upload)] }
    },
    retries: (stdout) => (JSON.parse(stdout) as LinkUploaded).retries,
    arrived: (cargo, { collectorFolder }) => join(collectorFolder, cargo.device, packFileName(cargo)),
  }
}

/** Begins a file anew after a failure: nginx refuses a PUT that goes on where another ended, as every WebDAV server may. */
function curl(): Uploader {
  return {
    name: 'curl',
    install: 'apt-get install curl',
    version: () => versionOf('curl', '--version'),
    command: ({ file, device }, { webdav, ca }) => ({
      argv: [
        'curl', '--no-progress-meter', '--fail', '--http1.1', '--cacert', ca, '--retry', '1000', '--retry-all-errors',
        '--retry-delay', '1', '--connect-timeout', '10', '--upload-file', file, `${webdav}/${device}`,
      ],
    }),
    retries: (_, stderr) => stderr.match(/Will retry/g)?.length ?? 0,
    arrived: ({ device }, { webdavFolder }) => join(webdavFolder, device),
  }
}

function rclone(): Uploader {
  return {
    name: 'rclone',
    install: 'apt-get install rclone',
    version: () => versionOf('rclone', 'version'),
    command: ({ file, device }, { webdav, ca }) => ({
      argv: [
        'rclone', 'copyto', '--ca-cert', ca, '--contimeout', '10s', '--retries', '1000', '--retries-sleep', '1s',
        '--log-level', 'DEBUG', file, `far:${device}`,
      ],
      env: { RCLONE_CONFIG: '/nowhere', RCLONE_CONFIG_FAR_TYPE: 'webdav', RCLONE_CONFIG_FAR_URL: webdav, RCLONE_CONFIG_FAR_VENDOR: 'other' },
    }),
    retries: (_, stderr) => stderr.match(/low level retry|Attempt \d+\/\d+ failed/g)?.length ?? 0,
    arrived: ({ device }, { webdavFolder }) => join(webdavFolder, device),
  }
}

async function versionOf(program: string, argument: string): Promise<string | undefined> {
  if (spawnSync('which', [program]).status !== 0) return undefined
  const { stdout } = await promisify(execFile)(program, [argument])
  return /\d+(\.\d+)+/.exec(stdout)?.[0]
}

/** SHA-256 of a file, hex; undefined when it cannot be read. */
export async function digestOf(file: string): Promise<string | undefined> {
  const hash = createHash('sha256')
  try {
    await pipeline(createReadStream(file), hash)
  } catch {
    return undefined
  }
  return hash.digest('hex')
}
