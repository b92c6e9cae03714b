/**
 * Uploads one pack as the service does, over a link of its own, and tries again when that fails:
 *
 *   node bench/lib/link-upload.ts '{"url":…,"ca":…,"file":…,"device":…,"seq":…,"hash":…,"yields":…}'
 *
 * prints what came of it as JSON, and ends.
 */
import { open, readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError } from '../../src/observe/error.ts'
import { waitAfter } from '../../src/scheduler/faults.ts'
import type { PackName } from '../../src/transfer/destination.ts'
import { openLink } from '../../src/transfer/link/link.ts'
import type { Meter } from '../../src/transfer/meter.ts'
import { tusDestination } from '../../src/transfer/tus.ts'

/** What to upload, where to; its only argument, as JSON. */
export interface LinkUpload extends PackName {
  readonly url: string
  /** Path of the certificate to trust. */
  readonly ca: string
  /** Path of the whole pack. */
  readonly file: string
  readonly credential: string
  readonly yields: boolean
}

/** What it prints. */
export interface LinkUploaded {
  readonly retries: number
  /** What the meter was charged in the end. */
  readonly chargedBytes: number
  readonly errors: readonly string[]
}

async function upload({ url, ca, file, yields, credential, device, seq, hash }: LinkUpload): Promise<LinkUploaded> {
  let chargedBytes = 0
  const meter: Meter = {
    charge: (bytes) => { chargedBytes += bytes; return true },
    correct: (delta) => { chargedBytes += delta; return true },
  }
  await using link = openLink({ clock: () => performance.now(), rate: { yields }, tls: { ca: await readFile(ca) } })
  const uploads = new Map<string, string>()
  const destination = tusDestination({ url: new URL(url), link, uploads, now: Date.now, credential: () => credential })
  await using source = await open(file)
  const { size: sizeBytes } = await source.stat()
  const read = async (offset: number, length: number): Promise<Uint8Array> =>
    (await source.read(Buffer.allocUnsafe(length), 0, length, offset)).buffer
  const errors: string[] = []
  for (let failures = 0; ;) {
    let movedBytes = 0
    const onSent = (bytes: number): void => { movedBytes += bytes }
    try {
      await destination.put({ name: { device, seq, hash }, sizeBytes, read }, { meter, onSent })
      return { retries: errors.length, chargedBytes, errors }
    } catch (error) {
      if (!(error instanceof SluiceError) || !error.transient) throw error
      errors.push(error.message)
      failures = movedBytes > 0 ? 1 : failures + 1 // progress begins the count anew, as in the service
      await delay(waitAfter(error, failures, Math.random()))
    }
  }
}

process.stdout.write(`${JSON.stringify(await upload(JSON.parse(process.argv[2] ?? '') as LinkUpload))}\n`)
