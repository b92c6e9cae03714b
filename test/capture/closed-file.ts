// Run by collect.int.test.ts in a process namespace of its own, where every process can be seen. Prints what was taken
// where one file is closed and one is still open, with a quiet time that nobody waits for.
import fs from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { Bench, type Got } from './bench-folder.ts'

await using bench = new Bench({ files: 'whole', quietMs: 3_600_000 })
bench.capture.start()
const writer = fs.openSync(bench.at('open'), 'w')
fs.writeSync(writer, 'one')
fs.writeFileSync(bench.at('closed'), 'two')
let got: Got[] = []
for (let looks = 0; looks < 50 && got.length === 0; looks++) {
  got = await bench.collect()
  await setTimeout(50)
}
fs.closeSync(writer)
process.stdout.write(JSON.stringify(got.map(({ path, bytes }) => `${path}:${bytes}`)))
