import { mkdtemp, rm } from 'node:fs/promises'
import { writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Dispatcher } from 'undici'
import { describe } from 'vitest'
import { startCollector } from '../../src/collector/collector.ts'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { isDeviceName } from '../../src/pack/header.ts'
import { folderDestination } from '../../src/transfer/folder.ts'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import type { Meter } from '../../src/transfer/meter.ts'
import { describePutting } from '../suites/destination-put.ts'
import { contentOf } from '../transfer/packs.ts'
import { Authority, plainLink, tusAt } from '../transfer/tus-bench.ts'
import { perDevice } from './per-device.ts'

/** As `plainLink`, but each slice of a body is charged before it moves. */
function plain(ca?: string): Link {
  const link = plainLink(ca)
  let meter: Meter | undefined
  async function *paid(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const slice of body) {
      if (meter?.charge(slice.length) === false) throw new Error('the meter refused')
      yield slice
    }
  }
  const charging = (dispatch: Dispatcher['dispatch']): Dispatcher['dispatch'] => ({ body, ...options }, handler) =>
    dispatch({ ...options, ...(body ? { body: paid(body as unknown as AsyncIterable<Uint8Array>) as never } : {}) }, handler)
  return {
    ...link,
    dispatcher: link.dispatcher.compose(charging),
    use: (used) => {
      meter = used
      return { [Symbol.asyncDispose]: async () => { meter = undefined } }
    },
  }
}

const metered = (ca?: string): Link => openLink({
  clock: () => performance.now(), rate: { yields: false }, ...(ca !== undefined && { tls: { ca } }),
})

describe.each([
  ['http', 'http', plain],
  ['https', 'https', plain],
  ['http and a metered link', 'http', metered],
  ['https and a metered link', 'https', metered],
])('over %s', (_, scheme, linkTo) => {
  describePutting('a collector', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
    const root = join(folder, 'packs')
    const authority = scheme === 'https' ? new Authority(folder) : undefined
    const collector = await startCollector({
      store: await openFolderStore(root, realDisk, Date.now), ...(authority && { tls: tlsFiles(authority, folder) }),
    })
    const url = collector.url.replace('127.0.0.1', 'localhost')
    const uploads = new Map<string, string>()
    const links: Link[] = []
    const credentials = new Map<string, Promise<string>>()
    const credentialOf = (device: string): Promise<string> => {
      const known = credentials.get(device) ?? enrolled(device)
      credentials.set(device, known)
      return known
    }
    const enrolled = async (device: string): Promise<string> => {
      const token = await collector.accounts.makeToken({ uses: 1, expiresAt: Date.now() + 60_000 })
      return (await collector.accounts.enrol(device, token)).credential
    }
    const reopen = () => perDevice(url, async (device) => {
      const link = linkTo(authority?.certificate)
      links.push(link)
      const credential = await credentialOf(isDeviceName(device) ? device : 'laptop-1')
      return tusAt({ url, link, uploads, credential: () => credential })
    })
    const written = folderDestination(pathToFileURL(root).href, realDisk)
    return {
      destination: reopen(),
      reopen,
      list: (device) => written.list(device),
      content: (name) => contentOf(written, name),
      async remove() {
        for (const link of links) await link[Symbol.asyncDispose]()
        await collector.stop()
        await rm(folder, { recursive: true })
      },
    }
  })
})

function tlsFiles(authority: Authority, folder: string): { readonly cert: string, readonly key: string } {
  const { cert, key } = authority.issue('localhost')
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key') }
  writeFileSync(files.cert, cert)
  writeFileSync(files.key, key)
  return files
}
