import { jsonLines, seededRandom } from './random.ts'

/** Logs of a few kinds of programs, about `sizeBytes` each. They say how a codec does, not what real captures come to. */
export function generatedLogs(sizeBytes: number): Map<string, Buffer> {
  const prose = Buffer.alloc(sizeBytes)
  jsonLines(1)(prose)
  return new Map([
    ['access', linesOf(sizeBytes, accessLog(2))], ['service', linesOf(sizeBytes, serviceLog(3))],
    ['metrics', linesOf(sizeBytes, metrics(4))], ['prose', prose],
  ])
}

function linesOf(sizeBytes: number, line: () => string): Buffer {
  const lines: string[] = []
  for (let length = 0; length < sizeBytes; length += lines.at(-1)?.length ?? 0) lines.push(`${line()}\n`)
  return Buffer.from(lines.join(''))
}

/** A web server's, as compact JSON: times, addresses, paths with ids, statuses, sizes. */
function accessLog(seed: number): () => string {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const paths = Array.from({ length: 300 }, () => `/api/${['users', 'orders', 'items', 'static'][below(4)]}/${below(5000)}`)
  let timeMs = 1_795_000_000_000
  return () => {
    timeMs += below(80)
    const status = [200, 200, 200, 304, 404, 500][below(6)]
    return `{"ts":${(timeMs / 1000).toFixed(3)},"ip":"10.0.${below(4)}.${below(200)}","method":"${below(5) === 0 ? 'POST' : 'GET'}",`
      + `"path":"${paths[Math.floor(300 * random() ** 3)]}","status":${status},"bytes":${200 + below(40_000)},"ms":${(random() * 90).toFixed(2)}}`
  }
}

/** An application's, as Python's `json` writes it: ISO times, levels, loggers, trace ids, members that come and go. */
function serviceLog(seed: number): () => string {
  const random = seededRandom(seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  let timeMs = 1_795_000_000_000
  return () => {
    timeMs += below(3000)
    const level = ['DEBUG', 'INFO', 'INFO', 'INFO', 'WARNING', 'ERROR'][below(6)]
    const trace = Array.from({ length: 4 }, () => below(2 ** 32).toString(16).padStart(8, '0')).join('')
    const extra = below(3) === 0 ? `, "user": {"id": ${below(9000)}, "admin": ${below(9) === 0}}` : ''
    return `{"timestamp": "${new Date(timeMs).toISOString()}", "level": "${level}", "logger": "app.module${below(12)}", `
      + `"message": "request ${below(100_000)} finished in ${below(900)} ms", "trace_id": "${trace}"${extra}}`
  }
}

/** Samples of sensors: nested numbers that drift. */
function metrics(seed: number): () => string {
  const random = seededRandom(seed)
  const values = [21.5, 48.2, 1013.25, 0.4]
  let time = 1_795_000_000
  return () => {
    time += 10
    for (const at of values.keys()) values[at] = (values[at] ?? 0) + (random() - 0.5) / 5
    const [temperature, humidity, pressure, load] = values.map(value => value.toFixed(2))
    return `{"time":${time},"host":"node-${Math.floor(random() * 8)}","env":{"temperature":${temperature},"humidity":${humidity},"pressure":${pressure}},"load":[${load},${load},0.5]}`
  }
}
