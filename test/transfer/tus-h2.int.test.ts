import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'vitest'
import { openLink, type Link } from '../../src/transfer/link/link.ts'
import { describePutting } from '../suites/destination-put.ts'
import { startNginx, whyNoNginx } from './nginx.ts'
import { Authority, packBytes, packsIn, tusAt } from './tus-bench.ts'
import { startTusServer } from './tus-server.ts'

const why = whyNoNginx()

describe.skipIf(why)(`over HTTP/2 and a metered link${why ? ` (${why})` : ''}`, () => {
  describePutting('a tus server behind nginx', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
    const store = join(folder, 'store')
    const authority = new Authority(folder)
    const server = await startTusServer({ folder: store })
    const front = await startNginx({ folder: join(folder, 'nginx'), to: server.port, tls: authority.issue('localhost') })
    const uploads = new Map<string, string>()
    const links: Link[] = []
    const reopen = () => {
      const link = openLink({ clock: () => performance.now(), rate: { yields: false }, tls: { ca: authority.certificate } })
      links.push(link)
      return tusAt({ url: front.url, link, uploads })
    }
    return {
      destination: reopen(),
      reopen,
      list: device => packsIn(store, device),
      content: name => packBytes(store, name),
      async remove() {
        for (const link of links) await link[Symbol.asyncDispose]()
        await front[Symbol.asyncDispose]()
        await server[Symbol.asyncDispose]()
        await rm(folder, { recursive: true })
      },
    }
  })
})
