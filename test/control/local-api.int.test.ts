import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { get, request, type ClientRequest, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LocalApi, pauseRoutes, type LocalApiOptions } from '../../src/control/local-api.ts'
import type { PauseState } from '../../src/control/pause-state.ts'
import { controlPath } from '../../src/control/private-socket.ts'
import { SluiceError } from '../../src/observe/error.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-'))
})
afterEach(async () => {
  for (const api of running.splice(0)) await api[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})
const running: LocalApi[] = []

const off: PauseState = { version: 1, paused: false, streamsOff: [], at: 1 }
const on: PauseState = { ...off, paused: true, since: 2, captures: 'drop', at: 2 }

async function start(options: Partial<LocalApiOptions> = {}): Promise<LocalApi> {
  const api = await LocalApi.start({ stateFolder: folder, routes: pauseRoutes(() => off), ...options })
  running.push(api)
  return api
}

async function answered(client: ClientRequest): Promise<IncomingMessage> {
  return (await once(client, 'response') as [IncomingMessage])[0]
}

async function ask(path: string, method = 'GET'): Promise<{ status: number | undefined; body: unknown }> {
  const client = request({ socketPath: controlPath(folder), path, method, agent: false })
  client.end()
  const response = await answered(client)
  const text = (await response.setEncoding('utf8').toArray()).join('')
  return { status: response.statusCode, body: JSON.parse(text) }
}

const listen = (): Promise<IncomingMessage> =>
  answered(get({ socketPath: controlPath(folder), path: '/v1/events', agent: false })).then((response) => response.setEncoding('utf8'))

/** Reads until `part` has come, and returns everything up to there. */
async function until(response: IncomingMessage, part: string): Promise<string> {
  let text = ''
  while (!text.includes(part)) text += String((await once(response, 'data'))[0])
  return text
}

describe('the local API', () => {
  test('answers what the pause is', async () => {
    await start()
    expect(await ask('/v1/pause?x=1')).toEqual({ status: 200, body: off })
  })

  test('says what it does not know', async () => {
    await start({ routes: { ...pauseRoutes(() => off), 'GET /v1/broken': () => { throw new SluiceError('state-full', 'full') }, 'GET /v1/bug': () => { throw new Error('secret') } } })
    expect(await ask('/v1/other')).toMatchObject({ status: 404 })
    expect(await ask('/v1/pause', 'POST')).toMatchObject({ status: 405 })
    expect(await ask('/v1/broken')).toEqual({ status: 500, body: { error: { code: 'state-full', message: 'full' } } })
    expect(JSON.stringify(await ask('/v1/bug'))).not.toContain('secret')
  })

  test('tells the state at once and each change to everybody', async () => {
    const api = await start()
    const listeners = await Promise.all([listen(), listen()])
    for (const listener of listeners) expect(await until(listener, '\n\nevent: pause')).toContain('retry: 1000')
    const news = listeners.map((listener) => until(listener, JSON.stringify(on)))
    api.publish('pause', on)
    for (const text of await Promise.all(news)) expect(text).toContain(`event: pause\ndata: ${JSON.stringify(on)}\n\n`)
  })

  test('sends a comment while nothing happens', async () => {
    await start({ heartbeatMs: 5 })
    expect(await until(await listen(), ': still here')).toContain(': still here\n\n')
  })

  test('takes 32 listeners and no more', async () => {
    await start()
    for (let n = 0; n < 32; n++) expect((await listen()).statusCode).toBe(200)
    expect((await listen()).statusCode).toBe(503)
  })

  test('cuts off a listener that does not read, and no other', async () => {
    const api = await start()
    const [slow, quick] = [await listen(), await listen()]
    slow.pause()
    let told = ''
    quick.on('data', (text) => (told += String(text)))
    slow.on('error', () => undefined)
    const cut = new Promise((resolve) => slow.on('close', resolve))
    const big = { ...on, streamsOff: Array.from({ length: 100 }, (_, n) => `stream-${n}`) }
    for (let n = 0; n < 1_000; n++) {
      api.publish('pause', { ...big, at: n })
      const seen = told
      while (told === seen) await new Promise(setImmediate)
    }
    slow.resume()
    await cut
    expect(quick.destroyed).toBe(false)
    const last = until(quick, '"at":77777')
    api.publish('pause', { ...on, at: 77777 })
    await last
  })

  test('is for its owner alone, and leaves nothing behind', async () => {
    const api = await start()
    expect(statSync(controlPath(folder)).mode & 0o777).toBe(0o600)
    await listen()
    await api[Symbol.asyncDispose]()
    expect(readdirSync(folder)).toEqual([])
  })

  test('takes the place of a socket that a crash has left', async () => {
    const gone = createServer().listen(join(folder, 'gone'))
    await once(gone, 'listening')
    // Under another name, closing does not remove it: as when its process was killed.
    renameSync(join(folder, 'gone'), controlPath(folder))
    gone.close()
    await once(gone, 'close')
    expect(existsSync(controlPath(folder))).toBe(true)
    await start()
    expect(await ask('/v1/pause')).toMatchObject({ status: 200 })
  })

  test('does not take the place of one that answers, or of what is no socket', async () => {
    const api = await start()
    await expect(start()).rejects.toMatchObject({ code: 'state-locked' })
    expect(await ask('/v1/pause')).toMatchObject({ status: 200 })
    await api[Symbol.asyncDispose]()
    writeFileSync(controlPath(folder), 'a file')
    await expect(start()).rejects.toMatchObject({ code: 'state-unusable', message: expect.stringContaining('no socket') as string })
    expect(existsSync(controlPath(folder))).toBe(true)
  })

  test('refuses a path that the system would cut, and says so', async () => {
    const long = join(folder, 'x'.repeat(100))
    mkdirSync(long)
    await expect(start({ stateFolder: long })).rejects.toMatchObject({ code: 'state-unusable', message: expect.stringContaining('shorter path') as string })
  })

  test('says when the folder cannot be written', async () => {
    chmodSync(folder, 0o500)
    const isRoot = process.geteuid?.() === 0
    if (isRoot) process.seteuid?.(65534) // root may write everywhere
    try {
      await expect(start()).rejects.toMatchObject({ code: 'state-unusable' })
    } finally {
      if (isRoot) process.seteuid?.(0)
      chmodSync(folder, 0o700)
    }
  })
})
