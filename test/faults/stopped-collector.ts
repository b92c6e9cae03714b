/**
 * A collector in a process of its own: `node test/faults/stopped-collector.ts collector.yaml`. On SIGTERM it stops, prints
 * what still keeps the process as JSON, and ends.
 */
import { once } from 'node:events'
import { loadBy } from '../../config/load.ts'
import { checkCollectorConfig } from '../../config/collector-options.ts'
import { openStore } from '../../daemon/run-collector.ts'
import { startCollector } from '../../src/collector/collector.ts'

const config = await loadBy(process.argv[2] ?? '', checkCollectorConfig)
const collector = await startCollector({ ...config, store: await openStore(config) })
await once(process, 'SIGTERM')
await collector.stop()
// What was closed just now is gone two turns later.
for (let turns = 0; turns < 2; turns++) await new Promise((resolve) => { setImmediate(resolve) })
process.stdout.write(JSON.stringify(process.getActiveResourcesInfo()))
process.exit()
