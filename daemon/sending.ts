import type { Config } from '../config/options.ts'
import type { Journal } from '../src/journal/journal.ts'
import type { Destination } from '../src/transfer/destination.ts'
import type { Link, LinkRate } from '../src/transfer/link/link.ts'
import type { TusOptions, UploadMemory } from '../src/transfer/tus.ts'
import type { Connection } from './connection.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { isS3, openDestination } from '../src/transfer/open-destination.ts'

/** The way to the destination, and what shapes it when it leads over a network. */
export interface Sending extends AsyncDisposable {
  readonly destination: Destination
  readonly setRate?: (rate: LinkRate) => void
  /** Calls back when what this device shows to the destination may have changed. */
  readonly watchCredential?: (onChange: () => void) => Disposable
}

/**
 * Opens the destination of the config; a network one over a link of its own. `journal` keeps where uploads were begun; it
 * is asked for only while something is sent. Nothing is connected yet.
 */
export async function openSending(config: Config, journal: () => Journal): Promise<Sending> {
  const { destination: address } = config
  if (isS3(address)) return await openStore(config, lastUpload(journal))
  if (!/^https?:/.test(address)) {
    return { destination: openDestination(address, realDisk), [Symbol.asyncDispose]: async () => {} }
  }
  const [link, { deviceCredential }, { enrolling }] = await Promise.all([
    linkTo(config), import('./enrolment.ts'), import('../src/transfer/enrol.ts'),
  ])
  const uploads = lastUpload(journal)
  const credentials = deviceCredential(config, link)
  const options = { link, uploads, now: Date.now, credential: () => credentials.current() }
  const tus = openDestination(address, realDisk, options)
  const direct = config.connection.direct ? await directly(config, tus, options) : undefined
  return {
    destination: enrolling(direct?.destination ?? tus, credentials),
    watchCredential: (onChange) => credentials.watch(onChange),
    setRate: (next) => {
      link.setRate(next)
      direct?.storeLink.setRate(next)
    },
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]()
      await direct?.storeLink[Symbol.asyncDispose]()
    },
  }
}

/** A destination that puts packs into the collector's store, over a link of its own. */
async function directly(
  config: Config, tus: Destination, options: Omit<TusOptions, 'url'>,
): Promise<{ readonly destination: Destination, readonly storeLink: Link }> {
  const [{ directDestination }, { collectorOf }] = await Promise.all([import('../src/transfer/direct.ts'), import('./enrolment.ts')])
  const storeLink = await linkTo(config, 'another server')
  return { destination: directDestination({ ...options, url: collectorOf(config), tus, storeLink }), storeLink }
}

async function openStore(config: Config, uploads: UploadMemory): Promise<Sending> {
  const [link, { openStoreAt }] = await Promise.all([linkTo(config), import('./open-store.ts')])
  return {
    destination: openStoreAt(config.destination, config.s3, link, uploads),
    setRate: (next) => link.setRate(next),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  }
}

/**
 * A link as the config wants it. The certificate of this machine is shown to the destination alone. A folder needs no HTTP,
 * which takes tens of milliseconds to load.
 */
export async function linkTo(
  { rate, connection }: { readonly connection: Connection, readonly rate: LinkRate }, to: 'destination' | 'another server' = 'destination',
): Promise<Link> {
  const [{ openLink }, { readConnection }] = await Promise.all([import('../src/transfer/link/link.ts'), import('./connection.ts')])
  const { certificateFile, keyFile, ...common } = connection
  const client = to === 'destination' && { ...(certificateFile !== undefined && { certificateFile }), ...(keyFile !== undefined && { keyFile }) }
  return openLink({ clock: () => performance.now(), rate, ...await readConnection({ ...common, ...client }, process.env) })
}

/** Where the pack that was sent last is uploaded to: packs go one at a time, so one place is all there is to know. */
function lastUpload(journal: () => Journal): UploadMemory {
  const known = (): { readonly key: string; readonly url: string } | undefined => {
    const text = journal().meta('upload')
    return text === undefined ? undefined : JSON.parse(text) as { key: string; url: string }
  }
  return {
    get: (key) => {
      const upload = known()
      return upload?.key === key ? upload.url : undefined
    },
    set: (key, url) => journal().setMeta('upload', JSON.stringify({ key, url })),
    delete: (key) => {
      if (known()?.key === key) journal().dropMeta('upload')
    },
  }
}
