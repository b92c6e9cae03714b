import { readFileSync } from 'node:fs'
import { createServer as createPlainServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'

/**
 * A server that counts what it is sent. `receiver.ts FOLDER`: with FOLDER/key.pem and FOLDER/cert.pem, TLS on 8443, HTTP/2
 * over TLS and nothing else on 8444, and plain HTTP on 8080. `PUT /ID` appends a body to what came before, `HEAD /ID` says how much that is (`offset`), `GET
 * /N` sends N bytes. Prints `ready`; ends with its input.
 */
const [folder = '.'] = process.argv.slice(2)
const received = new Map<string, number>()
const block = Buffer.alloc(64 << 10)

function handle(request: IncomingMessage, response: ServerResponse): void {
  const id = request.url ?? ''
  const offset = () => received.get(id) ?? 0
  if (request.method === 'GET') {
    send(response, Number(id.slice(1)))
  } else if (request.method === 'HEAD') {
    response.writeHead(200, { offset: offset() }).end()
  } else {
    request.on('data', (bytes: Buffer) => { received.set(id, offset() + bytes.length) })
    request.on('end', () => { response.writeHead(204, { offset: offset() }).end() })
  }
}

function send(response: ServerResponse, bytes: number): void {
  let left = bytes
  const more = () => {
    while (left > 0 && response.write(block.subarray(0, left))) left -= block.length
    if (left > 0) { left -= block.length; response.once('drain', more) } else response.end()
  }
  more()
}

const pem = (name: string) => readFileSync(`${folder}/${name}.pem`)
const secure = createServer({ key: pem('key'), cert: pem('cert') }, handle)
const plain = createPlainServer(handle)
for (const server of [secure, plain]) server.requestTimeout = 0
const http2 = createSecureServer({ key: pem('key'), cert: pem('cert') }, (request, response) => {
  // What is used of both is the same.
  handle(request as unknown as IncomingMessage, response as unknown as ServerResponse)
})
http2.listen(8444, () => secure.listen(8443, () => plain.listen(8080, () => process.stdout.write('ready\n'))))
process.stdin.resume().once('end', () => process.exit())
