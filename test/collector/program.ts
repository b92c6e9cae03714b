import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { once } from 'node:events'
import { expect } from 'vitest'
import { checkCollectorLine } from '../../src/observe/collector-events.ts'

export interface Program {
  readonly url: string
  readonly child: ChildProcess
  /** Every line on stdout so far. */
  readonly lines: readonly string[]
  /** All of stderr so far. */
  readonly stderr: () => string
  /** Sends a signal and returns the exit code, null after SIGKILL. */
  end(signal: NodeJS.Signals): Promise<number | null>
}

const launcher = join(import.meta.dirname, '../../cli/launch.mjs')

/** `sluice collector …` as a process of its own; returns once it listens. */
export async function startProgram(...parameters: string[]): Promise<Program> {
  const child = spawn(process.execPath, [launcher, 'collector', ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] })
  const lines: string[] = []
  const wrong: string[] = []
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  const exited = once(child, 'exit')
  const started = new Promise<string>((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      lines.push(line)
      wrong.push(...checkCollectorLine(line))
      const event = JSON.parse(line) as { readonly event: string, readonly url?: string }
      if (event.event === 'collector.started') resolve(event.url ?? '')
    })
    void exited.then(() => { reject(new Error(`the collector ended: ${stderr}`)) })
  })
  return {
    url: await started, child, lines, stderr: () => stderr,
    async end(signal) {
      child.kill(signal)
      await exited
      expect(wrong, 'lines that docs/events.md does not know').toEqual([])
      return child.exitCode
    },
  }
}
