import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { jsonLines, incompressible, seededRandom } from './random.ts'

const durationMs = 300_000
const stepMs = 500
const screenEveryMs = 5_000

/**
 * Writes a small session in the shape of a recorded one (about 9 MB): JSON lines that grow and images that share most
 * of their content with the one before. Good for comparing contenders in one run, not for knowing what real captures
 * come to.
 */
export function generateSession(folder: string, seed = 1): void {
  const [random, lines, noise] = [seededRandom(seed), jsonLines(seed), incompressible(seed)]
  const writes: object[] = []
  const write = (t: number, op: 'append' | 'create', path: string, bytes: Uint8Array): void => {
    const target = join(folder, path)
    mkdirSync(dirname(target), { recursive: true })
    if (op === 'append') appendFileSync(target, bytes)
    else writeFileSync(target, bytes)
    writes.push({ t, op, path, length: bytes.length })
  }
  const screen = Buffer.alloc(640 * 400)
  noise(screen.subarray(0, screen.length / 4))
  for (let t = 0; t <= durationMs; t += stepMs) {
    const part = String(Math.floor(t / 100_000)).padStart(3, '0')
    for (const [stream, most] of [['dom', 8000], ['pointer', 800]] as const) {
      const bytes = Buffer.alloc(200 + Math.floor(random() * most))
      lines(bytes)
      write(t, 'append', `${stream}/${stream}-${part}.jsonl`, bytes)
    }
    if (t % screenEveryMs !== 0) continue
    const changed = Math.floor(random() * (screen.length - 8000))
    noise(screen.subarray(changed, changed + 8000))
    write(t, 'create', `screens/screen-${t}.bin`, deflateSync(screen))
  }
  writeFileSync(join(folder, 'timeline.jsonl'), `${writes.map((each) => JSON.stringify(each)).join('\n')}\n`)
}
