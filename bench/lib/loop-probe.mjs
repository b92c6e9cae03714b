// Preloaded into a measured process, plain JavaScript so that it costs no compiling: at the end it writes to the file
// named by SLUICE_BENCH_LOOP how long the main loop was kept from turning. `loop-delay.ts` reads it.
import { tracingChannel } from 'node:diagnostics_channel'
import { writeFileSync } from 'node:fs'
import { createHistogram } from 'node:perf_hooks'
import { isMainThread } from 'node:worker_threads'

const stepMs = 5
const longMs = 50
const path = process.env.SLUICE_BENCH_LOOP

// A Node.js too old for Sluice only starts another one, which measures itself.
if (isMainThread && path !== undefined && Number(process.versions.node.split('.')[0]) >= 24) {
  // As monitorEventLoopDelay does it, but that does not see what blocks the loop before its timer has fired once.
  const delays = createHistogram()
  let [last, over50, loadingMs, isLoaded] = [performance.now(), 0, 0, false]
  let note = (ms) => {
    loadingMs = Math.max(loadingMs, ms)
    if (isLoaded) note = noteLoaded
  }
  const noteLoaded = (ms) => {
    delays.record(Math.max(1, Math.round(ms * 1e6)))
    if (ms > longMs) over50++
  }
  const turned = () => {
    const now = performance.now()
    note(now - last)
    last = now
  }
  setInterval(turned, stepMs).unref()
  tracingChannel('module.import').subscribe({
    asyncEnd: ({ url }) => { isLoaded ||= url.endsWith('daemon/run-service.ts') },
  })
  process.on('exit', () => {
    turned()
    const loaded = { loadingMs, maxMs: delays.max / 1e6, p99Ms: delays.percentile(99) / 1e6, over50 }
    writeFileSync(path, JSON.stringify(isLoaded ? loaded : {}))
  })
}
