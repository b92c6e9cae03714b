import type { Duplex } from 'node:stream'
import { authorityOf, type Proxy } from './proxy-address.ts'
import { connectRefusal, connectRequest, proxyRefused } from './proxy.ts'

/** Longest head of an answer to CONNECT: those of real proxies have some hundred bytes. */
const mostHeadBytes = 16 << 10

/**
 * Has a proxy, to which `stream` leads, open a way to `target` (`host:port`); afterwards the stream leads there. Throws
 * `proxy-refused`, and why `ended` aborted.
 */
export async function openTunnel(stream: Duplex, proxy: Proxy, target: string, ended: AbortSignal): Promise<void> {
  stream.write(connectRequest(target, proxy))
  const refusal = connectRefusal(await headFrom(stream, proxy, ended), target, proxy)
  if (refusal) throw refusal
}

/** The head of an answer; what follows it stays in the stream. */
async function headFrom(stream: Duplex, proxy: Proxy, ended: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let heard = Buffer.alloc(0)
  const hear = (bytes: Buffer) => {
    heard = Buffer.concat([heard, bytes])
    const end = /\r?\n\r?\n/.exec(heard.toString('latin1', 0, mostHeadBytes))
    if (end) {
      stream.pause()
      stream.off('data', hear)
      const rest = heard.subarray(end.index + end[0].length)
      if (rest.length > 0) stream.unshift(rest)
      resolve(heard.toString('latin1', 0, end.index))
    }
    else if (heard.length >= mostHeadBytes) reject(proxyRefused(`What answers at ${authorityOf(proxy)} is no proxy: its answer does not end.`))
  }
  const hangUp = () => { reject(proxyRefused(`The proxy ${authorityOf(proxy)} hung up without an answer.`, {}, true)) }
  const stop = () => { reject(ended.reason as Error) }
  ended.addEventListener('abort', stop)
  stream.on('data', hear).once('end', hangUp)
  try {
    return await promise
  } finally {
    ended.removeEventListener('abort', stop)
    stream.off('data', hear).off('end', hangUp)
  }
}
