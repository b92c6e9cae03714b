import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import { describePutting } from '../suites/destination-put.ts'
import { Authority, packBytes, packsIn, plainLink, tusAt } from './tus-bench.ts'
import { startTusServer } from './tus-server.ts'

const plain = (ca?: string): Link => plainLink(ca)
const metered = (ca?: string): Link => openLink({
  clock: () => performance.now(), rate: { yields: false }, ...(ca !== undefined && { tls: { ca } }),
})

describe.each([
  ['http', 'http', plain],
  ['https', 'https', plain],
  ['https and a metered link', 'https', metered],
])('over %s', (_, scheme, linkTo) => {
  describePutting('a tus server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
    const store = join(folder, 'store')
    const authority = scheme === 'https' ? new Authority(folder) : undefined
    const server = await startTusServer({ folder: store, ...(authority && { tls: authority.issue('localhost') }) })
    const uploads = new Map<string, string>()
    const links: Link[] = []
    const reopen = () => {
      const link = linkTo(authority?.certificate)
      links.push(link)
      return tusAt({ url: server.url, link, uploads })
    }
    return {
      destination: reopen(),
      reopen,
      list: device => packsIn(store, device),
      content: name => packBytes(store, name),
      async remove() {
        for (const link of links) await link[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
        await rm(folder, { recursive: true })
      },
    }
  })
})
