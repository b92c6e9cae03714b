/**
 * Claim: whatever was cut, taken over or refused just before, a collector that has stopped leaves nothing that keeps its process.
 *
 * Method: a request of each such kind to a collector in a process of its own, then SIGTERM; when it has stopped, the process tells
 * what it still waits for. Not modelled: a disk that holds a write for ever.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { uploadId } from '../../src/collector/upload-id.ts'
import { creation } from '../collector/bench.ts'
import { openRaw } from '../collector/raw-socket.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { packOf } from '../transfer/packs.ts'
import { makeCollectorPlace } from './collector-process.ts'

const waiting = { timeout: 30_000 }
const pack = packOf(1, randomBytes(100_000))
const partBytes = 40_000

/** A collector at which an upload was begun. */
async function startOne() {
  const place = await makeCollectorPlace(await temporaryFolder())
  const { configFile, packs, port } = place
  const program = fileURLToPath(new URL('stopped-collector.ts', import.meta.url))
  const child = spawn(process.execPath, [program, configFile], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const told = text(child.stdout)
  const url = `http://127.0.0.1:${port}/`
  const answers = () => vi.waitFor(async () => { expect((await fetch(new URL('health', url))).status).toBe(200) }, waiting)
  await answers()
  const authorization = `Bearer ${await place.enrol('laptop-1')}`
  const { method = '', headers } = creation(pack)
  const created = await fetch(url, { method, headers: { ...headers, authorization, 'tus-resumable': '1.0.0' } })
  expect(created.status).toBe(201)
  const patch = (offset: number, by = authorization) =>
    `PATCH /uploads/${uploadId(pack.name)} HTTP/1.1\r\nhost: x\r\nauthorization: ${by}\r\ntus-resumable: 1.0.0\r\nupload-offset: ${offset}\r\n`
    + `content-type: application/offset+octet-stream\r\ncontent-length: ${pack.sizeBytes - offset}\r\n\r\n`
  const send = (from: number, to: number, by?: string) => openRaw(port, Buffer.concat([Buffer.from(patch(from, by)), pack.bytes.subarray(from, to)]))
  return {
    send, answers,
    /** Returns once so much of the upload is there. */
    arrived: (bytes: number) => vi.waitFor(() => { expect(partSize(packs)).toBe(bytes) }, waiting),
    /** What keeps the process, apart from its output. */
    stop: async () => {
      child.kill('SIGTERM')
      return (JSON.parse(await told) as string[]).filter((kind) => !kind.startsWith('Pipe'))
    },
  }
}

function partSize(packs: string): number {
  const folder = join(packs, '.collector', 'incoming', 'laptop-1')
  const [part] = existsSync(folder) ? readdirSync(folder) : []
  return part === undefined ? 0 : statSync(join(folder, part)).size
}

test('after an upload that was cut', async () => {
  const { send, arrived, stop } = await startOne()
  const socket = await send(0, partBytes)
  await arrived(partBytes)
  socket.resetAndDestroy()
  expect(await stop()).toEqual([])
})

test('after a connection that took an upload over from one that seemed alive', async () => {
  const { send, answers, arrived, stop } = await startOne()
  const first = await send(0, partBytes)
  await arrived(partBytes)
  const second = await send(partBytes, 2 * partBytes)
  await answers() // the second waits by now
  first.destroy()
  await arrived(2 * partBytes)
  second.resetAndDestroy()
  expect(await stop()).toEqual([])
})

test('after an upload that was refused and cut', async () => {
  const { send, stop } = await startOne()
  const socket = await send(0, partBytes, 'Bearer nobody')
  await new Promise((resolve) => { socket.once('data', resolve) })
  socket.resetAndDestroy()
  expect(await stop()).toEqual([])
})
