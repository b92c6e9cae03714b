import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect } from 'vitest'

import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { checkRunLog } from '../log-lines.ts'

export const root = join(import.meta.dirname, '../..')

export interface Finished {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * A folder with a valid config and nothing else; `sluice` runs the real program there with that config as the default.
 * `more` is added to the config, `stream` to its one stream.
 */
export interface Sandbox extends Disposable {
  readonly folder: string
  readonly state: string
  sluice(...parameters: string[]): Promise<Finished>
}

export function sandbox(more = '', stream = 'fidelity: bytes'): Sandbox {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  const config = join(folder, 'sluice.yaml')
  const state = join(folder, 'state')
  writeFileSync(
    config,
    `streams: [{ name: a, path: ./captures, purpose: tests, files: whole, ${stream} }]\ndestination: file://${folder}/out\nstate: ${state}\n${more}`,
  )
  return {
    folder,
    state,
    sluice: async (...parameters) => {
      const finished = await runProcess(process.execPath, [join(root, 'cli/launch.mjs'), ...parameters], { SLUICE_CONFIG: config })
      checkRunLog(parameters, finished)
      return finished
    },
    [Symbol.dispose]: () => { rmSync(folder, { recursive: true }) },
  }
}

/** As if the service had run on the state folder once. */
export function hasRun({ state }: Sandbox): void {
  mkdirSync(state, { recursive: true, mode: 0o700 })
  using journal = new Journal(journalPath(state))
  journal.setMeta('device', 'test')
}

/** What a command printed with `--json`: one line, and nothing on stderr. */
export function json(finished: Finished): unknown {
  expect(finished.stderr).toBe('')
  expect(finished.stdout.endsWith('\n') && finished.stdout.trimEnd().includes('\n')).toBe(false)
  return JSON.parse(finished.stdout)
}

/** Runs a program to its end. */
export function runProcess(program: string, parameters: readonly string[], environment: Record<string, string> = {}): Promise<Finished> {
  const { promise, resolve, reject } = Promise.withResolvers<Finished>()
  const child = spawn(
    program,
    parameters,
    {
      env: { PATH: process.env['PATH'] ?? '', HOME: tmpdir(), TZ: 'Europe/Berlin', ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  child.on('error', reject)
  child.on('close', (code, signal) => { resolve({ code, signal, stdout, stderr }) })
  return promise
}
