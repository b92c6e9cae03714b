import { execFileSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Sending, Sent } from './sender.ts'
import { startWireNetwork, type Counters, type WireNetwork } from './wire-network.ts'

/** A network with a receiver on its far side. */
export interface Transfers extends AsyncDisposable {
  readonly net: WireNetwork
  /** Starts a sender on the near side. */
  start(sending: Omit<Sending, 'url' | 'ca'> & { readonly plain?: boolean, readonly http2?: boolean }): RunningSender
  /** Runs one to its end; `wireBytes`: what crossed the near interface meanwhile, and until nothing moved any more. */
  send(sending: Parameters<Transfers['start']>[0]): Promise<Sent & { readonly wireBytes: number }>
  /** Resolves once so many more bytes have left the near side. */
  moved(bytes: number): Promise<void>
  /** Somebody else's download to the near side, over plain HTTP: bytes a second. */
  download(how: { readonly skipSeconds: number, readonly seconds: number }): Promise<number>
  /** The counters once nothing moves. */
  quiet(): Promise<Counters>
}

export interface RunningSender {
  readonly process: ChildProcess
  readonly sent: Promise<Sent>
  /** Has it abort its transfer. */
  stop(): void
}

const script = (name: string) => fileURLToPath(new URL(name, import.meta.url))

export async function startTransfers(): Promise<Transfers> {
  await using cleanup = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'))
  cleanup.defer(() => rm(folder, { recursive: true, force: true }))
  const net = cleanup.use(await startWireNetwork())
  execFileSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', '/CN=far', '-addext', `subjectAltName=IP:${net.address.far}`,
    '-keyout', join(folder, 'key.pem'), '-out', join(folder, 'cert.pem'),
  ], { stdio: 'ignore' })
  const receiver = net.spawn('far', [process.execPath, script('receiver.ts'), folder], { stdio: ['pipe', 'pipe', 'inherit'] })
  if (!receiver.stdout) throw new Error('the receiver needs a pipe')
  await Promise.race([once(receiver.stdout, 'data'), once(receiver, 'exit').then(() => { throw new Error('the receiver ended') })])

  const start: Transfers['start'] = ({ plain, http2, ...rest }) => {
    const sending: Sending = plain
      ? { ...rest, url: `http://${net.address.far}:8080` }
      : { ...rest, url: `https://${net.address.far}:${http2 ? 8444 : 8443}`, ca: join(folder, 'cert.pem') }
    const process_ = net.spawn('near', [process.execPath, script('sender.ts'), JSON.stringify(sending)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    if (!process_.stdout) throw new Error('a sender needs a pipe')
    return {
      process: process_,
      sent: text(process_.stdout).then((json) => JSON.parse(json) as Sent),
      stop: () => process_.stdin?.write('stop\n'),
    }
  }
  const quiet = async () => {
    for (let before = await net.counters('near'); ;) {
      await delay(250)
      const now = await net.counters('near')
      if (now.inBytes === before.inBytes && now.outBytes === before.outBytes) return now
      before = now
    }
  }
  const everything = cleanup.move()
  return {
    net, start, quiet,
    send: async (sending) => {
      const before = await net.counters('near')
      const sent = await start({ ...sending }).sent
      const after = await quiet()
      return { ...sent, wireBytes: after.inBytes + after.outBytes - before.inBytes - before.outBytes }
    },
    moved: async (bytes) => {
      const start = (await net.counters('near')).outBytes
      while ((await net.counters('near')).outBytes - start < bytes);
    },
    download: async ({ skipSeconds, seconds }) => Number(await net.exec('near', [
      process.execPath, script('downloader.ts'), `http://${net.address.far}:8080/1000000000000`, String(skipSeconds), String(seconds),
    ])),
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  }
}
