import type { AddressInfo } from 'node:net'
import type { Emit, SluiceEvent } from '../../src/observe/events.ts'
import type { MetricsText } from '../../src/observe/metrics-server.ts'
import type { ServiceMetrics } from '../../src/observe/metrics.ts'
import type { Beside, Companion, StartCompanion } from './companion.ts'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { replaceFile } from '../../src/journal/durable-file.ts'
import { SluiceError, systemCode } from '../../src/observe/error.ts'
import { forIt } from '../../src/observe/for-it.ts'
import { programVersion } from '../version.ts'
import { figuresOf } from './summary.ts'

/** How often the text file is written at most. */
const writeMs = 60_000

/** Anybody may read it: node_exporter runs as a user of its own. */
const textfileMode = 0o644

/** Metrics at an address and in a file, where the config asks for them. What fails is told once, and the service goes on. */
export const startMetrics: StartCompanion = async (beside) => {
  const { config: { metrics: { listen, textfile }, device }, emit } = beside
  if (!listen && textfile === undefined) return undefined
  // prom-client takes some 15 ms to load.
  const { ServiceMetrics } = await import('../../src/observe/metrics.ts')
  const metrics = new ServiceMetrics({ figures: figuresOf(beside), device, version: programVersion(), now: Date.now, cpuSeconds })
  await using stack = new AsyncDisposableStack()
  if (listen) stack.defer(await serve(listen, metrics, emit))
  const written = textfile === undefined ? undefined : stack.use(new Textfile(textfile, metrics, emit))
  const kept = stack.move()
  return {
    take: (event) => {
      metrics.take(event)
      written?.hear(event)
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  } satisfies Companion
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Returns what ends it. */
async function serve(address: NonNullable<Beside['config']['metrics']['listen']>, metrics: MetricsText, emit: Emit): Promise<() => void> {
  const { metricsServer } = await import('../../src/observe/metrics-server.ts')
  const server = metricsServer(metrics)
  try {
    server.listen(address)
    await once(server, 'listening')
  } catch (error) {
    emit({ event: 'metrics.unavailable', what: 'listen', errno: systemCode(error) ?? 'unknown' })
    return () => undefined
  }
  const { port } = server.address() as AddressInfo
  emit({ event: 'metrics.listening', url: `http://${address.host.includes(':') ? `[${address.host}]` : address.host}:${port}/metrics` })
  return () => void server.close().closeAllConnections()
}

/** What tells whether anything happened. */
function withoutCpu(text: string): string {
  return text.replaceAll(/^sluice_cpu_seconds_total .*$/gm, '')
}

/** Metrics in a file, written when something happened, and removed at a stop: what is left there would be told for ever. */
class Textfile implements AsyncDisposable {
  readonly #path: string
  readonly #metrics: ServiceMetrics
  readonly #emit: Emit
  /** What is there, as far as it tells anything. */
  #there = ''
  #writtenMs = -Infinity
  #told = ''
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #isFailing = false
  #isOver = false

  constructor(place: string, metrics: ServiceMetrics, emit: Emit) {
    this.#path = place.endsWith('.prom') ? place : join(place, 'sluice.prom')
    this.#metrics = metrics
    this.#emit = emit
  }

  /** A pause is no event here, as it is none in the log. */
  hear(event: SluiceEvent): void {
    const { event: news, told } = forIt(event, this.#told)
    this.#told = told
    if (!news || event.event === 'metrics.unavailable' || this.#timer || this.#isOver) return
    const due = Math.max(0, this.#writtenMs + writeMs - performance.now())
    this.#timer = setTimeout(() => { this.#writing = this.#write() }, due)
    this.#timer.unref()
  }

  async #write(): Promise<void> {
    this.#timer = undefined
    this.#writtenMs = performance.now()
    try {
      const text = await this.#metrics.metrics()
      if (withoutCpu(text) === this.#there) return
      replaceFile(this.#path, text, textfileMode)
      this.#there = withoutCpu(text)
      this.#isFailing = false
    } catch (error) {
      // The journal's own trouble is told by others.
      if (error instanceof SluiceError) return
      if (!this.#isFailing) this.#emit({ event: 'metrics.unavailable', what: 'textfile', errno: systemCode(error) ?? 'unknown' })
      this.#isFailing = true
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    clearTimeout(this.#timer)
    await this.#writing
    rmSync(this.#path, { force: true })
  }
}
