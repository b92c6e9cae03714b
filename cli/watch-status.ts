import { setTimeout as sleep } from 'node:timers/promises'

import type { Config } from '../config/options.ts'
import type { Progress } from '../src/control/api.ts'
import type { Status } from '../src/control/status.ts'
import { headline } from '../src/scheduler/explain.ts'
import type { Io } from './output.ts'
import { lookOf } from './paint.ts'
import { serviceAt } from './service-at.ts'
import { statusFor } from './status-for.ts'
import { statusLines } from './status-lines.ts'

/** How often a service that does not answer is looked for. */
const lookMs = 2000

interface Watching {
  readonly json: boolean
  readonly io: Io
  readonly output: NodeJS.WriteStream
  readonly environment: Readonly<Record<string, string | undefined>>
}

/** What is shown of a service, and taken away again. */
interface View extends Disposable {
  show(status: Status | undefined, progress?: Progress): void
}

/** Shows the status and every change of it until Ctrl-C, through stops and starts of the service. */
export async function watchStatus(config: Config, { json, io, output, environment }: Watching): Promise<void> {
  const isTerminal = output.isTTY && environment['TERM'] !== 'dumb'
  using view = isTerminal && !json ? screen(config, io, output, environment) : lines(json, io, config.timeZone)
  let progress: Progress | undefined
  while (!io.signal.aborted) {
    const service = await serviceAt(config)
    if (service) {
      let status: Status | undefined
      for await (const event of service.events(['status', 'progress'], io.signal)) {
        if (event.name === 'status') status = event.data
        if (event.name === 'progress') progress = event.data
        if (status) view.show(status, progress)
      }
      progress = undefined
    }
    if (!io.signal.aborted) view.show(await statusFor(config, io.now()).catch(() => undefined))
    await sleep(lookMs, undefined, { signal: io.signal }).catch(() => undefined)
  }
}

/** A screen of its own that rewrites itself; what was on the terminal before comes back. */
function screen(config: Config, io: Io, output: NodeJS.WriteStream, environment: Watching['environment']): View {
  let shown: readonly [Status | undefined, Progress | undefined] = [undefined, undefined]
  let last = ''
  const draw = (): void => {
    const look = lookOf(output, environment)
    const clock = { now: io.now(), timeZone: config.timeZone }
    const found = shown[0] ? statusLines(shown[0], config.rate, clock, look, shown[1]) : ['Sluice is not running. Start it with: sluice run']
    last = shown[0] ? headline(shown[0]) : ''
    const kept = found.slice(0, Math.max(1, output.rows - 2))
    const frame = [...kept, look.paint('dim', `${new Date(clock.now).toTimeString().slice(0, 8)}  Ctrl-C ends this view`)]
    output.write(`\x1b[H${frame.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`)
  }
  const leave = (): void => { output.write('\x1b[?25h\x1b[?1049l') }
  output.write('\x1b[?1049h\x1b[?25l\x1b[2J')
  process.once('exit', leave) // also where a second Ctrl-C ends the process at once
  output.on('resize', draw)
  const clock = setInterval(draw, 1000)
  return {
    show(status, progress) {
      shown = [status, progress]
      draw()
    },
    [Symbol.dispose]() {
      clearInterval(clock)
      output.off('resize', draw)
      process.off('exit', leave)
      leave()
      if (last !== '') output.write(`${last}\n`)
    },
  }
}

/** One line for each thing that is new. */
function lines(json: boolean, io: Io, timeZone: string): View {
  let told = ''
  return {
    show(status) {
      const text = status ? headline(status) : 'Sluice is not running.'
      if (text === told) return
      told = text
      const time = new Intl.DateTimeFormat('en-GB', { timeZone, timeStyle: 'medium' }).format(io.now())
      io.result(json, status ?? { version: 1, queues: [] }, [`${time}  ${text}`])
    },
    [Symbol.dispose]: () => undefined,
  }
}
