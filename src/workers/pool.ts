import type { ErrorCode } from '../observe/error-codes.ts'
import type { ErrorDetails } from '../observe/error.ts'
import type { InputOf, JobName, OutputOf } from './jobs.ts'
import { Worker } from 'node:worker_threads'
import { SluiceError } from '../observe/error.ts'
import { inline, type Workers } from './workers.ts'

export interface Question {
  readonly id: number
  readonly name: JobName
  readonly input: unknown
}

export interface Answer {
  readonly id: number
  readonly output?: unknown
  readonly failed?: { readonly code: ErrorCode; readonly message: string } & Pick<ErrorDetails, 'transient' | 'data'>
}

export interface PoolOptions {
  /** Most threads. */
  readonly threads: number
  /** Threads that had nothing to do for so long are ended: each holds some 20 MB. */
  readonly restMs: number
}

/** One is worked on while the next one is already there; more would only wait in the wrong place. */
const mostPerThread = 2
/** Threads that may end by themselves (no memory, most likely) until no more are started. */
const mostDeaths = 3

interface Waiting {
  readonly question: Question
  readonly moved: readonly ArrayBuffer[]
  readonly resolve: (output: unknown) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly underWay: Map<number, Waiting>
}

/**
 * Threads that do jobs, started when there is more to do than those that run can take. What waits is as much as is asked for at
 * a time: callers keep to `width`. A job whose thread ended is done on the calling thread, unless what it needs went with the thread. Threads do not keep the process
 * alive unless they have something to do.
 */
export class WorkerPool implements Workers, AsyncDisposable {
  readonly #options: PoolOptions
  readonly #threads = new Set<Thread>()
  readonly #queue: Waiting[] = []
  #lastId = 0
  #deaths = 0
  #rest: NodeJS.Timeout | undefined

  constructor(options: PoolOptions) {
    this.#options = options
  }

  get width(): number {
    return this.#options.threads * mostPerThread
  }

  /** Threads there are now. */
  get running(): number {
    return this.#threads.size
  }

  async run<Name extends JobName>(name: Name, input: InputOf<Name>, moved: readonly ArrayBuffer[] = []): Promise<OutputOf<Name>> {
    clearTimeout(this.#rest)
    const output = await new Promise<unknown>((resolve, reject) => {
      this.#queue.push({ question: { id: ++this.#lastId, name, input }, moved, resolve, reject })
      this.#hand()
    })
    return output as OutputOf<Name>
  }

  /** Ends every thread; jobs under way are done here. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#rest)
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()))
  }

  #hand(): void {
    for (;;) {
      const next = this.#queue[0]
      if (!next) return
      const thread = this.#freest()
      if (!thread && this.#threads.size > 0) return
      this.#queue.shift()
      if (thread) this.#ask(thread, next)
      else doHere(next)
    }
  }

  /** An idle one, or a new one, or the one with the least to do that takes more. */
  #freest(): Thread | undefined {
    const [least] = [...this.#threads].sort((a, b) => a.underWay.size - b.underWay.size)
    if (least?.underWay.size === 0) return least
    if (this.#threads.size < this.#options.threads && this.#deaths < mostDeaths) return this.#start()
    return least && least.underWay.size < mostPerThread ? least : undefined
  }

  #start(): Thread {
    const worker = new Worker(new URL('thread.ts', import.meta.url))
    const thread: Thread = { worker, underWay: new Map() }
    this.#threads.add(thread)
    worker.unref()
    worker.on('message', (answer: Answer) => this.#answered(thread, answer))
    // It ends with it; what follows is told there.
    worker.on('error', () => void this.#deaths++)
    worker.on('exit', () => this.#ended(thread))
    return thread
  }

  #ask(thread: Thread, waiting: Waiting): void {
    thread.worker.ref()
    thread.underWay.set(waiting.question.id, waiting)
    thread.worker.postMessage(waiting.question, waiting.moved)
  }

  #answered(thread: Thread, { id, output, failed }: Answer): void {
    const waiting = thread.underWay.get(id)
    thread.underWay.delete(id)
    if (failed) waiting?.reject(new SluiceError(failed.code, failed.message, failed))
    else waiting?.resolve(output)
    this.#hand()
    if (thread.underWay.size === 0) thread.worker.unref()
    this.#restWhenIdle()
  }

  #ended(thread: Thread): void {
    this.#threads.delete(thread)
    for (const waiting of thread.underWay.values()) {
      if (waiting.moved.length === 0) doHere(waiting)
      else waiting.reject(new SluiceError('codec-failed', `a thread ended with what it was given for ${waiting.question.name}`))
    }
    this.#hand()
  }

  #restWhenIdle(): void {
    if ([...this.#threads].some(({ underWay }) => underWay.size > 0)) return
    clearTimeout(this.#rest)
    this.#rest = setTimeout(() => {
      for (const { worker } of this.#threads) void worker.terminate()
    }, this.#options.restMs).unref()
  }
}

function doHere({ question: { name, input }, resolve, reject }: Waiting): void {
  inline.run(name, input as InputOf<JobName>).then(resolve, reject)
}
