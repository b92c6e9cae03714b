import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { get, request, type ClientRequest, type IncomingMessage } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { eventsAsked, LocalApi, pauseRoutes, type LocalApiOptions } from '../../src/control/local-api.ts'
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

const listen = (query = ''): Promise<IncomingMessage> =>
  answered(get({ socketPath: controlPath(folder), path: `/v1/events${query}`, agent: false })).then((response) => response.setEncoding('utf8'))

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

  test('tells of an event only those who asked for it', async () => {
    const routes: LocalApiOptions['routes'] = {
      'GET /v1/events': (given) => ({ kind: 'events', of: eventsAsked(given), first: {} }),
    }
    const api = await start({ routes })
    const [pauses, progress] = [await listen(), await listen('?of=progress,status')]
    const told = until(progress, 'event: progress')
    api.publish('pause', on)
    api.publish('progress', { packBytes: 2, sentBytes: 1 })
    expect(await told).not.toContain('event: pause')
    expect(await until(pauses, 'event: pause')).not.toContain('progress')
    expect([api.listensTo('status'), (await listen('?of=all')).statusCode]).toEqual([true, 400])
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

  test.each([
    ['of another type', '{"a":1}', 'text/plain', 'application/json'],
    ['cut short', '{"a":1', 'application/json', 'no JSON object'],
    ['no object', '[1]', 'application/json', 'no JSON object'],
    ['too large', `{"a":"${'x'.repeat(20_000)}"}`, 'application/json', 'larger than'],
  ])('refuses a body that is %s', async (_, body, type, why) => {
    await start({ routes: { 'POST /v1/echo': (given) => ({ kind: 'json', body: given }) } })
    const client = request({ socketPath: controlPath(folder), path: '/v1/echo', method: 'POST', agent: false, headers: { 'content-type': type } })
    client.end(body)
    const response = await answered(client)
    expect([response.statusCode, (await response.setEncoding('utf8').toArray()).join('')]).toEqual([400, expect.stringContaining(why)])
  })

  test('gives up on a client that takes too long to say what it wants', async () => {
    await start({ requestMs: 200, routes: { 'POST /v1/echo': (given) => ({ kind: 'json', body: given }) } })
    const client = request({ socketPath: controlPath(folder), path: '/v1/echo', method: 'POST', agent: false, headers: { 'content-type': 'application/json', 'content-length': 100 } })
    client.write('{')
    client.on('error', () => undefined)
    expect(await answered(client)).toMatchObject({ statusCode: 408 })
    client.destroy()
  })

  const noRoot = process.getuid?.() === 0 ? '' : ' (skipped: needs root)'
  test.skipIf(noRoot !== '')(`is for members of a group at a socket of its own, and for no other user${noRoot}`, async () => {
    chmodSync(folder, 0o755)
    const state = join(folder, 'state')
    mkdirSync(state, { mode: 0o700 })
    writeFileSync(join(state, 'settings.json'), '{}')
    const api = await start({ stateFolder: state })
    const shared = join(folder, 'group.sock')
    await api.openTo(61_000, shared)
    const printed = (program: string, parameters: string[], id: number, gid: number): Promise<string> =>
      promisify(execFile)(program, parameters, { uid: id, gid, cwd: '/' }).then(({ stdout }) => stdout, () => 'refused')
    const asked = (socket: string, id: number, gid: number) => printed('curl', ['-s', '--unix-socket', socket, 'http://sluice/v1/pause'], id, gid)
    const read = (id: number, gid: number) => printed('cat', [join(state, 'settings.json')], id, gid)
    const answer = `${JSON.stringify(off)}\n`
    expect([await asked(shared, 61_001, 61_000), await asked(shared, 61_002, 61_002)]).toEqual([answer, 'refused'])
    expect([await asked(controlPath(state), 61_001, 61_000), await asked(controlPath(state), 0, 0)]).toEqual(['refused', answer])
    expect([await read(61_001, 61_000), await read(0, 0)]).toEqual(['refused', '{}'])
    await api[Symbol.asyncDispose]()
    expect(readdirSync(folder)).toEqual(['state'])
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
