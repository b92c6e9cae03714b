/**
 * A collector in a process of its own: `node bench/lib/collector-server.ts '{"store":…,"uses":500}'` prints its address
 * and a token as JSON in one line, and stops on SIGTERM.
 */
import { resolve } from 'node:path'
import { openStore } from '../../daemon/run-collector.ts'
import { startCollector, type CollectorOptions } from '../../src/collector/collector.ts'

/** Its only argument, as JSON. */
export interface CollectorServer {
  /** A folder, or `s3://bucket/prefix?endpoint=…` with keys from the environment. */
  readonly store: string
  readonly listen?: NonNullable<CollectorOptions['listen']>
  readonly tls?: NonNullable<CollectorOptions['tls']>
  /** How many devices may enrol with the token. */
  readonly uses: number
}

/** What it prints. */
export interface CollectorServing {
  readonly url: string
  readonly token: string
}

const { store, uses, listen, tls } = JSON.parse(process.argv[2] ?? '') as CollectorServer
const collector = await startCollector({ store: await openStore(placeOf(store)), ...(listen && { listen }), ...(tls && { tls }) })
const token = await collector.accounts.makeToken({ uses, expiresAt: Date.now() + 3600_000 })
process.once('SIGTERM', () => { void collector.stop().then(() => process.exit()) })
const serving: CollectorServing = { url: collector.url, token }
process.stdout.write(`${JSON.stringify(serving)}\n`)

function placeOf(address: string): Parameters<typeof openStore>[0] {
  return address.startsWith('s3://') ? { store: address } : { folder: resolve(address) }
}
