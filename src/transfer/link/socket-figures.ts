import { spawn, type ChildProcessByStdio } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'

/** What the kernel counted for one connection since it was opened. */
export interface SocketFigures {
  /** Payload, retransmits included. */
  readonly sentBytes: number
  readonly retransmittedBytes: number
  readonly retransmittedSegments: number
  readonly receivedBytes: number
  /** All segments, those without payload included. */
  readonly segmentsOut: number
  readonly segmentsIn: number
  /** Sent and not acknowledged. */
  readonly unackedSegments: number
  /** Handed to the kernel and not acknowledged, sent or not. */
  readonly queuedBytes: number
  /** Largest payload of a segment. */
  readonly segmentBytes: number
  /** Whether segments carry the timestamp option. */
  readonly timestamps: boolean
  /** Smoothed round trip; missing until one was measured. */
  readonly rttMs?: number
  /** Least round trip that the kernel remembers, milliseconds; 0 until one was measured. */
  readonly leastRttMs: number
  /** What the congestion control let through of late; missing while it was kept waiting for bytes. */
  readonly deliveredBytesPerMs?: number
}

/** Where figures come from. */
export interface FigureSource {
  /**
   * The figures of the connections with these local ports. Those that it cannot tell are missing; undefined when nobody
   * answered in time, which says nothing. One call at a time.
   */
  read(localPorts: readonly number[]): Promise<ReadonlyMap<number, SocketFigures> | undefined>
  /** Ends what it keeps running between calls; the next call begins anew. */
  rest(): void
}

/** Where the kernel tells nothing. */
export const noFigures: FigureSource = { read: async () => new Map(), rest: () => undefined }

/** Reading takes some milliseconds; on a machine so busy that it takes this long, an estimate has to do. */
const limitMs = 1000

/**
 * A small shell that stays: starting a program from a service of 100 MB takes 5 ms of CPU and holds everything up for
 * as long, from a shell a tenth of that.
 */
const script = 'command -v ss >/dev/null || exit 3; while read -r filter; do ss -tinoHO "$filter"; echo end; done'
const endLine = 'end\n'

/** Asks `ss` of iproute2, which is on every Linux desktop; other systems have nothing alike. */
export function socketFigures(platform: NodeJS.Platform): FigureSource {
  return platform === 'linux' ? new SsFigures() : noFigures
}

class SsFigures implements FigureSource {
  #shell: ChildProcessByStdio<Writable, Readable, null> | undefined
  #isMissing = false

  async read(localPorts: readonly number[]): Promise<ReadonlyMap<number, SocketFigures> | undefined> {
    if (localPorts.length === 0 || this.#isMissing) return new Map()
    this.#shell ??= this.#start()
    const text = await answer(this.#shell, `( ${localPorts.map((port) => `sport = :${port}`).join(' or ')} )\n`)
    if (text !== undefined) return parseSocketFigures(text)
    this.rest()
    return this.#isMissing ? new Map() : undefined
  }

  rest(): void {
    this.#shell?.stdin.destroy()
    this.#shell?.kill()
    this.#shell = undefined
  }

  #start(): ChildProcessByStdio<Writable, Readable, null> {
    const shell = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] })
    shell.once('error', () => { this.#isMissing = true })
    shell.once('exit', (code) => { this.#isMissing ||= code === 3 })
    shell.stdin.on('error', () => undefined) // that it ended shows in what it answers
    shell.unref()
    return shell
  }
}

/** What the shell prints for a line; undefined when it ended or took too long. */
async function answer(shell: ChildProcessByStdio<Writable, Readable, null>, line: string): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  let text = ''
  const hear = (bytes: Buffer) => {
    text += bytes.toString('latin1')
    if (text.endsWith(endLine)) resolve(text)
  }
  const giveUp = () => { resolve(undefined) }
  const timer = setTimeout(giveUp, limitMs)
  shell.stdout.on('data', hear).once('close', giveUp)
  shell.once('error', giveUp)
  if (shell.stdin.writable) shell.stdin.write(line)
  else giveUp()
  const heard = await promise
  clearTimeout(timer)
  shell.stdout.off('data', hear).off('close', giveUp)
  shell.off('error', giveUp)
  return heard
}

/** Reads lines of `ss -tinoHO`; key: local port. Figures that are 0 are not printed. */
export function parseSocketFigures(text: string): Map<number, SocketFigures> {
  const found = new Map<number, SocketFigures>()
  for (const line of text.split('\n')) {
    const [, queued, port] = /^\S+\s+\d+\s+(\d+)\s+\S+:(\d+)\s/.exec(line) ?? []
    if (port !== undefined && line.includes(' rto:')) found.set(Number(port), parseLine(line, Number(queued)))
  }
  return found
}

function parseLine(line: string, queuedBytes: number): SocketFigures {
  const rate = /\sdelivery_rate (\d+)bps(?!.*\sapp_limited)/.exec(line)?.[1]
  const rtt = /\srtt:([\d.]+)/.exec(line)?.[1]
  return {
    sentBytes: figure(line, 'bytes_sent'),
    retransmittedBytes: figure(line, 'bytes_retrans'),
    retransmittedSegments: Number(/\sretrans:\d+\/(\d+)/.exec(line)?.[1] ?? 0),
    receivedBytes: figure(line, 'bytes_received'),
    segmentsOut: figure(line, 'segs_out'),
    segmentsIn: figure(line, 'segs_in'),
    unackedSegments: figure(line, 'unacked'),
    queuedBytes,
    segmentBytes: figure(line, 'mss'),
    timestamps: /\sts\s/.test(line),
    leastRttMs: Number(/\sminrtt:([\d.]+)/.exec(line)?.[1] ?? 0),
    ...(rtt === undefined ? {} : { rttMs: Number(rtt) }),
    ...(rate === undefined ? {} : { deliveredBytesPerMs: Number(rate) / 8000 }),
  }
}

function figure(line: string, name: string): number {
  return Number(new RegExp(`\\s${name}:(\\d+)`).exec(line)?.[1] ?? 0)
}
