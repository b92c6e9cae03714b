import { expect, onTestFinished } from 'vitest'

import { checkEvent } from '../src/observe/events.ts'
import { checkLine } from '../src/observe/log/line.ts'

/** Takes lines of a service's log, and fails the test when it ends if one of them is not what the catalogue says. */
export function logChecker(): (line: string) => void {
  return checker(checkLine)
}

/** The same for events that never became lines. */
export function eventChecker(): (event: object) => void {
  return checker(checkEvent)
}

function checker<T>(check: (value: T) => readonly string[]): (value: T) => void {
  const problems: string[] = []
  onTestFinished(() => { expect(problems, 'lines that docs/events.md does not know').toEqual([]) })
  return (value) => {
    const found = check(value)
    if (found.length > 0) problems.push(`${found.join('; ')}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
}

/** Checks the log in what `sluice run …` wrote on stdout and stderr in all; a line that a kill cut off is none. */
export function checkRunLog(parameters: readonly string[], { stdout, stderr }: { readonly stdout: string; readonly stderr: string }): void {
  if (parameters[0] !== 'run' || parameters.includes('--once')) return
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.startsWith('{"level"') && line.endsWith('}'))
  expect(lines.flatMap(checkLine)).toEqual([])
}
