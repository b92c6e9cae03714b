/**
 * Many devices at once: `node bench/lib/fleet-load.ts '{"target":…,"size":…,"from":0,"to":250}'`. Prepares everything,
 * prints `ready`, begins with the first line of its input, and prints what came of it as JSON.
 */
import { once } from 'node:events'
import { Client } from 'undici'
import aws4 from 'aws4'
import { packFileName } from '../../src/transfer/destination.ts'
import type { FleetPack, FleetSize } from './fleet-plan.ts'
import { fleetLogs } from './fleet-plan.ts'

/** Where packs go, and how. */
export type Target =
  /** A tus server; with a token, each device enrols first. */
  | { readonly kind: 'tus', readonly url: string, readonly token?: string }
  /** One PUT a pack. */
  | { readonly kind: 'put', readonly url: string }
  /** One signed PUT a pack. */
  | { readonly kind: 's3', readonly url: string, readonly accessKeyId: string, readonly secretAccessKey: string }

/** Its only argument, as JSON. */
export interface FleetLoad {
  readonly target: Target
  readonly size: FleetSize
  /** Devices of the fleet that this process plays: from this number to before that. */
  readonly from: number
  readonly to: number
}

/** What it prints at the end. */
export interface FleetLoaded {
  readonly packs: number
  readonly bytes: number
  /** The first few; each ended its device's log. */
  readonly errors: readonly string[]
  readonly failedDevices: number
  /** For each pack, milliseconds from its first request to the answer behind its last byte, sorted. */
  readonly packMs: readonly number[]
  readonly cpuMs: number
}

type Send = (pack: FleetPack) => Promise<void>
type Headers = Readonly<Record<string, string>>
interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
}

/** Servers count connections and requests for each address; offices differ in theirs, and so do these on loopback. */
const devicesPerAddress = 50
const shownErrors = 5

const load = JSON.parse(process.argv[2] ?? '') as FleetLoad
const base = new URL(load.target.url)
const logs = fleetLogs(load.size, load.from, load.to)
const devices = await inTurns(logs.map((log, index) => async () => {
  const localAddress = `127.0.0.${2 + Math.floor((load.from + index) / devicesPerAddress) % 250}`
  const client = new Client(base.origin, { localAddress, keepAliveTimeout: 60_000, headersTimeout: 0, bodyTimeout: 0 })
  return { log, client, send: await sender(client, log[0]?.name.device ?? '') }
}))
process.stdout.write('ready\n')
await once(process.stdin, 'data')
const cpuBefore = process.cpuUsage()
const packMs: number[] = []
const errors: string[] = []
let bytes = 0
await Promise.all(devices.map(async ({ log, send }) => {
  try {
    for (const pack of log) {
      const startedAt = performance.now()
      await send(pack)
      packMs.push(performance.now() - startedAt)
      bytes += pack.sizeBytes
    }
  } catch (error) {
    errors.push(error instanceof Error ? error.message : String(error))
  }
}))
const { user, system } = process.cpuUsage(cpuBefore)
const loaded: FleetLoaded = {
  packs: packMs.length, bytes, errors: errors.slice(0, shownErrors), failedDevices: errors.length,
  packMs: packMs.map(Math.round).sort((a, b) => a - b), cpuMs: Math.round((user + system) / 1000),
}
process.stdout.write(`${JSON.stringify(loaded)}\n`)
await Promise.all(devices.map(({ client }) => client.destroy()))
process.exit()

/** A few at a time: enrolling is not what is measured, and servers limit how fast it goes. */
async function inTurns<T>(works: readonly (() => Promise<T>)[]): Promise<T[]> {
  const results: T[] = []
  for (let at = 0; at < works.length; at += 8) {
    results.push(...await Promise.all(works.slice(at, at + 8).map((work) => work())))
  }
  return results
}

async function sender(client: Client, device: string): Promise<Send> {
  const { target } = load
  switch (target.kind) {
    case 'tus': return await tusSender(client, device, target.token)
    case 'put': return async (pack) => {
      expect(await ask(client, 'PUT', pathOf(pack), {}, pack.bytes()), 201, 204)
    }
    case 's3': return async (pack) => {
      const { host, pathname: path } = new URL(pathOf(pack), base)
      const signed = aws4.sign(
        { service: 's3', region: 'default', method: 'PUT', host, path, headers: { 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' } }, target,
      )
      expect(await ask(client, 'PUT', path, signed.headers as Headers, pack.bytes()), 200)
    }
  }
}

function pathOf({ name }: FleetPack): string {
  return `${base.pathname.replace(/\/$/, '')}/${name.device}/${packFileName(name)}`
}

async function tusSender(client: Client, device: string, token: string | undefined): Promise<Send> {
  const credential = token === undefined ? {} : { authorization: `Bearer ${await enrol(client, device, token)}` }
  const headers = { 'tus-resumable': '1.0.0', ...credential }
  return async ({ name, sizeBytes, bytes: bytesOf }) => {
    const metadata = { device, seq: String(name.seq), hash: name.hash, filename: `${device}/${packFileName(name)}` }
    const created = expect(await ask(client, 'POST', base.pathname, {
      ...headers,
      'upload-length': String(sizeBytes),
      'upload-metadata': Object.entries(metadata).map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`).join(','),
    }), 201)
    const { pathname } = new URL(String(created.headers['location']), base)
    const patch = { ...headers, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }
    const { headers: { 'upload-offset': offset } } = expect(await ask(client, 'PATCH', pathname, patch, bytesOf()), 204)
    if (Number(offset) !== sizeBytes) throw new Error(`${String(offset)} bytes of ${sizeBytes} arrived`)
  }
}

async function enrol(client: Client, device: string, token: string): Promise<string> {
  const answer = expect(await ask(
    client, 'POST', '/enrol', { 'content-type': 'application/json' }, Buffer.from(JSON.stringify({ device, token })),
  ), 201)
  return (JSON.parse(answer.text) as { credential: string }).credential
}

async function ask(client: Client, method: 'POST' | 'PATCH' | 'PUT', path: string, headers: Headers, body?: Buffer): Promise<Answer> {
  const { statusCode: status, headers: received, body: rest } = await client.request({ method, path, headers, body: body ?? null })
  return { status, headers: received, text: await rest.text() }
}

function expect(answer: Answer, ...statuses: readonly number[]): Answer {
  if (!statuses.includes(answer.status)) throw new Error(`answered ${answer.status}: ${answer.text.slice(0, 200)}`)
  return answer
}
