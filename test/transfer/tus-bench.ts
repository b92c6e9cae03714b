import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Agent, type Dispatcher } from 'undici'
import { packFileName, type Destination, type PackName } from '../../src/transfer/destination.ts'
import type { Link } from '../../src/transfer/link/link.ts'
import type { Meter } from '../../src/transfer/meter.ts'
import { tusDestination, type UploadMemory } from '../../src/transfer/tus.ts'
import type { Patience } from '../../src/transfer/tus-session.ts'
import { storedPacks } from './tus-server.ts'

/** Patience of tests: a machine under load must not cut a stop short. */
export const patient: Patience = { answerMs: 30_000, progressMs: 30_000, stopMs: 30_000, lockMs: 0 }

export interface TusBench {
  readonly url: string
  readonly link?: Link
  readonly uploads?: UploadMemory
  readonly patience?: Patience
  readonly now?: () => number
  readonly credential?: () => string | undefined
}

/** A destination at a test server, with everything that is not given made up. */
export function tusAt({ url, link = plainLink(), uploads = new Map<string, string>(), patience = patient, now = Date.now, ...rest }: TusBench): Destination {
  return tusDestination({ ...rest, url: new URL(url), link, uploads, now, patience })
}

/** A link that charges the bodies of requests only, after they were written: enough to see that it is used. */
export function plainLink(ca?: string): Link {
  const agent = new Agent({ allowH2: false, connections: 1, connect: ca === undefined ? {} : { ca } })
  let meter: Meter | undefined
  const charging = (dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] => (options, handler) => {
    let controller: Dispatcher.DispatchController | undefined
    return dispatch(options, {
      onRequestStart: (started, context) => {
        controller = started
        handler.onRequestStart?.(started, context)
      },
      onBodySent: (chunk) => {
        if (meter?.charge(chunk.length) === false) controller?.abort(new Error('the meter refused'))
      },
      onResponseStart: (...all) => handler.onResponseStart?.(...all),
      onResponseData: (...all) => handler.onResponseData?.(...all),
      onResponseEnd: (...all) => handler.onResponseEnd?.(...all),
      onResponseError: (...all) => handler.onResponseError?.(...all),
    })
  }
  return {
    dispatcher: agent.compose(charging),
    setRate: () => undefined,
    use: (used) => {
      if (meter) throw new Error('a link has one user at a time')
      meter = used
      return { [Symbol.asyncDispose]: async () => { meter = undefined } }
    },
    [Symbol.asyncDispose]: () => agent.destroy(),
  }
}

/** The packs of a device that a server holds whole. */
export async function packsIn(folder: string, device: string): Promise<PackName[]> {
  return (await storedPacks(folder)).map(({ name }) => name).filter((name) => name.device === device)
}

export async function packBytes(folder: string, name: PackName): Promise<Buffer> {
  const found = (await storedPacks(folder)).find((stored) => packFileName(stored.name) === packFileName(name) && stored.name.device === name.device)
  if (!found) throw new Error(`${packFileName(name)} is not there`)
  return readFile(found.path)
}

export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An authority of the test's own, which makes certificates for names; `days` may be negative: expired. */
export class Authority {
  readonly #folder: string
  readonly certificate: string
  #made = 0

  constructor(folder: string) {
    this.#folder = folder
    this.#openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '30', '-subj', '/CN=test authority')
    this.certificate = this.#read('ca.crt')
  }

  issue(name: string, days = 30): Certificate {
    const file = `server-${++this.#made}`
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
    this.#openssl('req', ...newKey, '-keyout', `${file}.key`, '-out', `${file}.csr`, ...subject)
    this.#openssl(
      'x509', '-req', '-in', `${file}.csr`, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-copy_extensions', 'copy',
      '-days', String(days), '-out', `${file}.crt`,
    )
    return { cert: this.#read(`${file}.crt`), key: this.#read(`${file}.key`) }
  }

  selfSigned(name: string): Certificate {
    const subject = ['-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`]
    this.#openssl('req', '-x509', ...newKey, '-keyout', 'self.key', '-out', 'self.crt', '-days', '30', ...subject)
    return { cert: this.#read('self.crt'), key: this.#read('self.key') }
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: 'pipe' })
  }

  #read(file: string): string {
    return readFileSync(join(this.#folder, file), 'utf8')
  }
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
