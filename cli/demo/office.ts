import type { CollectorEvent } from '../../src/observe/collector-events.ts'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { startCollector } from '../../src/collector/collector.ts'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'

/** A cut comes after so much of a pack: less than the first slice, so that small packs can be cut too. */
const cutAfterBytes = 32 << 10
const tokenMs = 3600_000

/** What became of the upload that was cut. */
export interface Resumed {
  readonly packBytes: number
  /** Where sending went on: what had arrived before. */
  readonly keptBytes: number
  /** All that arrived for it: no more than `packBytes` when nothing came twice. */
  readonly arrivedBytes: number
}

export interface OfficeOptions {
  /** Where device logs are kept. */
  readonly folder: string
  readonly device: string
  /** Gets a token with which the device enrols. */
  readonly tokenFile: string
  readonly onCut: () => void
  readonly onResumed: (resumed: Resumed) => void
}

/** The other end of the demo: a collector on this machine, and a road to it on which a connection can be cut. */
export interface Office extends AsyncDisposable {
  /** The address that a device sends to. */
  readonly url: string
  /** Cuts the next upload that is large enough, once. */
  readonly cutNext: () => void
}

export async function startOffice({ folder, device, tokenFile, onCut, onResumed }: OfficeOptions): Promise<Office> {
  await using cleanup = new AsyncDisposableStack()
  const follow = new Follower(onResumed)
  const store = await openFolderStore(folder, realDisk, Date.now)
  const collector = cleanup.use(await startCollector({ store, emit: (event) => follow.take(event) }))
  const token = await collector.accounts.makeToken({ device, uses: 1, expiresAt: Date.now() + tokenMs })
  await writeFile(tokenFile, token, { mode: 0o600 })
  const road = cleanup.use(await openRoad(collector.port, () => {
    follow.begin()
    onCut()
  }))
  const kept = cleanup.move()
  return { url: `http://127.0.0.1:${road.port}/`, cutNext: road.cutNext, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** Follows the upload that was cut to its end. */
class Follower {
  readonly #onResumed: OfficeOptions['onResumed']
  #cut: { seq?: number, keptBytes: number, arrivedBytes: number } | undefined

  constructor(onResumed: OfficeOptions['onResumed']) {
    this.#onResumed = onResumed
  }

  begin(): void {
    this.#cut = { keptBytes: 0, arrivedBytes: 0 }
  }

  take(event: CollectorEvent): void {
    const cut = this.#cut
    if (!cut) return
    if (event.event === 'upload.received' && (cut.seq ?? event.seq) === event.seq) {
      cut.seq = event.seq
      cut.keptBytes = event.offset - event.bytes
      cut.arrivedBytes += event.bytes
    } else if (event.event === 'pack.accepted' && event.seq === cut.seq) {
      this.#cut = undefined
      this.#onResumed({ packBytes: event.packBytes, keptBytes: cut.keptBytes, arrivedBytes: cut.arrivedBytes })
    }
  }
}

interface Road extends AsyncDisposable {
  readonly port: number
  readonly cutNext: () => void
}

/** Passes connections on to a port of this machine. */
async function openRoad(port: number, onCut: () => void): Promise<Road> {
  let isToCut = false
  const sockets = new Set<Socket>()
  const server = createServer((near) => {
    const far = connect(port, '127.0.0.1')
    for (const end of [near, far]) {
      sockets.add(end)
      end.on('error', () => { end.destroy() }).on('close', () => {
        sockets.delete(end)
        near.destroy()
        far.end() // what has come so far arrives
      })
    }
    let bytesSinceAnswer = 0
    near.on('data', (bytes: Buffer) => {
      bytesSinceAnswer += bytes.length
      const beyond = isToCut ? Math.max(0, bytesSinceAnswer - cutAfterBytes) : 0
      far.write(bytes.subarray(0, Math.max(0, bytes.length - beyond)))
      if (beyond === 0) return
      isToCut = false
      onCut()
      near.resetAndDestroy()
    })
    far.on('data', (bytes: Buffer) => {
      bytesSinceAnswer = 0
      near.write(bytes)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    cutNext: () => { isToCut = true },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      sockets.forEach((socket) => { socket.destroy() })
      await closed
    },
  }
}
