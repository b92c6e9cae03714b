import type { Config } from '../config/options.ts'
import type { Journal } from '../src/journal/journal.ts'
import type { Destination } from '../src/transfer/destination.ts'
import type { LinkRate } from '../src/transfer/link/link.ts'
import type { UploadMemory } from '../src/transfer/tus.ts'
import { realDisk } from '../src/journal/real-disk.ts'
import { openDestination } from '../src/transfer/open-destination.ts'

/** The way to the destination, and what shapes it when it leads over a network. */
export interface Sending extends AsyncDisposable {
  readonly destination: Destination
  readonly setRate?: (rate: LinkRate) => void
}

/**
 * Opens the destination of the config; a network one over a link of its own. `journal` keeps where uploads were begun; it
 * is asked for only while something is sent. Nothing is connected yet.
 */
export async function openSending({ destination: address, rate }: Config, journal: () => Journal): Promise<Sending> {
  if (!/^https?:/.test(address)) {
    return { destination: openDestination(address, realDisk), [Symbol.asyncDispose]: async () => {} }
  }
  // A folder needs no HTTP, which takes tens of milliseconds to load.
  const { openLink } = await import('../src/transfer/link/link.ts')
  const link = openLink({ clock: () => performance.now(), rate })
  const uploads = lastUpload(journal)
  return {
    destination: openDestination(address, realDisk, { link, uploads, now: Date.now }),
    setRate: (next) => link.setRate(next),
    [Symbol.asyncDispose]: () => link[Symbol.asyncDispose](),
  }
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
