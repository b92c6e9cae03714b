import type { Answer, Question } from './pool.ts'
import { parentPort } from 'node:worker_threads'
import { SluiceError } from '../observe/error.ts'
import { jobs, type Done } from './jobs.ts'

/** What runs in a worker thread: one job after the other. */
async function answer({ id, name, input }: Question): Promise<void> {
  try {
    const job = jobs[name] as (input: unknown) => Done<unknown> | Promise<Done<unknown>>
    const { output, moved = [] } = await job(input)
    parentPort?.postMessage({ id, output } satisfies Answer, [...moved])
  } catch (error) {
    // What is no error of ours ends this thread; the pool does the job again, where it can be told what went wrong.
    if (!(error instanceof SluiceError)) throw error
    const { code, message, transient, data } = error
    parentPort?.postMessage({ id, failed: { code, message, transient, data } } satisfies Answer)
  }
}

parentPort?.on('message', (question: Question) => void answer(question))
