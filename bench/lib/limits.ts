import { readSync, openSync, closeSync } from 'node:fs'
import { createHash } from 'node:crypto'
import { constants, zstdCompressSync } from 'node:zlib'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { chunkerStart, nextCut, type ChunkerState } from '../../src/pack/chunker.ts'
import type { MixedFiles } from './mixed-files.ts'

/** What a thread does over and over: `zstd` compresses blocks of 1 MiB, each by itself, `gear` finds each file's chunks. */
type Kernel =
  | { readonly name: 'sha256' }
  | { readonly name: 'gear' }
  | { readonly name: 'zstd'; readonly level: number }

interface ThreadTask {
  readonly kernel: Kernel
  readonly paths: readonly string[]
}

interface ThreadResult {
  readonly bytes: number
  readonly outBytes: number
  /** Spent in the kernel alone: reading the files is not in it. */
  readonly seconds: number
  readonly cpuSeconds: number
}

/** How fast this machine does one thing that every contender has to do, with nothing around it. */
export interface Limit {
  readonly name: string
  readonly bytesPerSecond: number
  /** CPU time of all its threads. More threads that are not faster, at the same CPU time: the machine was busy. */
  readonly cpuSeconds: number
  readonly outBytes: number
}

export interface Limits {
  readonly kernels: readonly Limit[]
  /** What two cores could do that cut, hash and compress every byte once, and nothing else. */
  readonly togetherBytesPerSecond: number
}

const blockBytes = 1 << 20
const cores = 2

/** SHA-256 and cutting on one thread, zstd on one and on two, over the content of the files. */
export async function measureLimits({ files }: MixedFiles, level: number): Promise<Limits> {
  const single = [
    await limit('SHA-256, 1 thread', { name: 'sha256' }, 1, files),
    await limit('gear, 1 thread', { name: 'gear' }, 1, files),
    await limit(`zstd ${level}, 1 thread`, { name: 'zstd', level }, 1, files),
  ]
  const cpuSeconds = single.reduce((total, each) => total + each.cpuSeconds, 0)
  const bytes = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
  return {
    kernels: [...single, await limit(`zstd ${level}, 2 threads`, { name: 'zstd', level }, 2, files)],
    togetherBytesPerSecond: bytes / (cpuSeconds / cores),
  }
}

async function limit(name: string, kernel: Kernel, threads: number, files: MixedFiles['files']): Promise<Limit> {
  const results = await Promise.all(share(files, threads).map((paths) => runThread({ kernel, paths })))
  return {
    name,
    bytesPerSecond: results.reduce((total, { bytes, seconds }) => total + bytes / seconds, 0),
    cpuSeconds: results.reduce((total, { cpuSeconds }) => total + cpuSeconds, 0),
    outBytes: results.reduce((total, { outBytes }) => total + outBytes, 0),
  }
}

/** Largest first, each to the thread that has the least, so that all end together. */
function share(files: MixedFiles['files'], threads: number): string[][] {
  const parts = Array.from({ length: threads }, () => ({ sizeBytes: 0, paths: [] as string[] }))
  for (const file of [...files].sort((a, b) => b.sizeBytes - a.sizeBytes)) {
    const least = parts.reduce((a, b) => (b.sizeBytes < a.sizeBytes ? b : a))
    least.paths.push(file.path)
    least.sizeBytes += file.sizeBytes
  }
  return parts.map(({ paths }) => paths)
}

function runThread(task: ThreadTask): Promise<ThreadResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: task })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

function work({ kernel, paths }: ThreadTask): ThreadResult {
  const hash = createHash('sha256')
  let chunker = chunkerStart
  const buffer = Buffer.alloc(blockBytes)
  let [bytes, outBytes, milliseconds, cpuMicroseconds] = [0, 0, 0, 0]
  for (const path of paths) {
    const file = openSync(path, 'r')
    chunker = chunkerStart
    for (;;) {
      const block = buffer.subarray(0, readSync(file, buffer))
      if (block.length === 0) break
      const start = performance.now()
      const cpuStart = process.threadCpuUsage()
      if (kernel.name === 'sha256') hash.update(block)
      else if (kernel.name === 'gear') chunker = stateBehind(block, chunker)
      else outBytes += zstdCompressSync(block, { params: { [constants.ZSTD_c_compressionLevel]: kernel.level } }).length
      milliseconds += performance.now() - start
      const { user, system } = process.threadCpuUsage(cpuStart)
      cpuMicroseconds += user + system
      bytes += block.length
    }
    closeSync(file)
  }
  return { bytes, outBytes, seconds: milliseconds / 1000, cpuSeconds: cpuMicroseconds / 1e6 }
}

/** The chunker's state after all chunks that end in `block`. */
function stateBehind(block: Uint8Array, state: ChunkerState): ChunkerState {
  for (let at = 0; at < block.length;) {
    const cut = nextCut(block.subarray(at), state)
    at += cut.length
    state = cut.state
  }
  return state
}

if (!isMainThread) parentPort?.postMessage(work(workerData as ThreadTask))
