import { connect, type Socket } from 'node:net'

/** What a server answers to bytes as they are, until it ends the connection or `until` is in the answer. */
export async function sendRaw(port: number, text: string | Buffer, until?: RegExp): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const { promise, resolve } = Promise.withResolvers<string>()
  let answer = ''
  socket.setEncoding('latin1').on('data', (piece: string) => {
    answer += piece
    if (until?.test(answer)) resolve(answer)
  })
  socket.on('error', () => undefined).on('close', () => { resolve(answer) })
  socket.write(text)
  try {
    return await promise
  } finally {
    socket.destroy()
  }
}

/** The statuses of all answers in what came over a connection. */
export function statusesIn(answer: string): number[] {
  return [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
}

/** Connects, writes, and hands over the connection. */
export async function openRaw(port: number, text: string | Buffer): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  await new Promise<void>((resolve) => { socket.write(text, () => { resolve() }) })
  return socket
}
