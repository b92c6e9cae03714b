import { execFileSync, type ChildProcess } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import type { WireNetwork } from '../../test/link/wire-network.ts'
import type { CollectorServer, CollectorServing } from './collector-server.ts'
import { nginxArgv } from './nginx.ts'
import type { FarSide } from './uploaders.ts'

const collectorServer = join(import.meta.dirname, 'collector-server.ts')
const ports = { collector: 9443, webdav: 8443 }

/** Starts a collector and nginx on the far side of a network, with TLS; they end with it. */
export async function startFarSide(net: WireNetwork, folder: string): Promise<FarSide> {
  const { far } = net.address
  const [key, ca] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=far', '-addext', `subjectAltName=IP:${far}`, '-keyout', key, '-out', ca,
  ], { stdio: 'ignore' })
  const tls = { cert: ca, key }
  const [store, webdavFolder] = [join(folder, 'store'), join(folder, 'webdav')]
  await mkdir(webdavFolder)
  const { url, token } = await startCollector(net, { store, tls, uses: 10_000, listen: { host: far, port: ports.collector } })
  const listen = `${far}:${ports.webdav}`
  const nginx = net.spawn('far', await nginxArgv({ folder: webdavFolder, listen, tls, workers: 0 }), {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  await untilListening(net, nginx, ports.webdav)
  return {
    ca,
    collector: url,
    collectorFolder: store,
    webdav: `https://${listen}`,
    webdavFolder: join(webdavFolder, 'files'),
    enrol: async (device) => {
      const answer = await net.exec('far', [
        'curl', '--silent', '--show-error', '--fail', '--cacert', ca, '--json', JSON.stringify({ device, token }), `${url}enrol`,
      ])
      return (JSON.parse(answer) as { credential: string }).credential
    },
  }
}

async function startCollector(net: WireNetwork, options: CollectorServer): Promise<CollectorServing> {
  const child = net.spawn('far', [process.execPath, collectorServer, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (!child.stdout) throw new Error('a collector needs a pipe')
  const ended = once(child, 'exit').then(() => { throw new Error('the collector ended') })
  ended.catch(() => undefined)
  const [line] = await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended]) as [string]
  return JSON.parse(line) as CollectorServing
}

async function untilListening(net: WireNetwork, server: ChildProcess, port: number): Promise<void> {
  while ((await net.exec('far', ['ss', '-ltnH', `sport = :${port}`])) === '') {
    if (server.exitCode !== null) throw new Error(`nginx ended with status ${server.exitCode}`)
    await delay(50)
  }
}
