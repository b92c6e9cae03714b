import { execFile } from 'node:child_process'
import { chmod, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { makeFolders } from '../../src/journal/durable-file.ts'
import { SluiceError, systemCode } from '../../src/observe/error.ts'

/** One thing that installing or uninstalling does. */
export type Step =
  | { readonly does: 'write'; readonly path: string; readonly text: string; readonly encoding?: 'utf16le' }
  /** A file, or a folder with all that is in it; nothing when it is not there. */
  | { readonly does: 'remove'; readonly path: string }
  /** `mayFail`: what it undoes may not be there. */
  | { readonly does: 'run'; readonly command: readonly [string, ...string[]]; readonly mayFail?: true; readonly onlyAfterChange?: true }

export interface Done {
  readonly step: Step
  readonly outcome: 'done' | 'unchanged' | 'failed'
}

/** What everybody may read, and only its owner write: unit files hold no secrets. */
const fileMode = 0o644
const limitMs = 5 * 60_000
const run = promisify(execFile)

/** Carries steps out in order. Throws `state-unusable` at the first that fails and may not. */
export async function carryOut(steps: readonly Step[]): Promise<Done[]> {
  const done: Done[] = []
  for (const step of steps) {
    const hasChanged = done.some(({ step: { does }, outcome }) => does === 'write' && outcome === 'done')
    done.push({ step, outcome: await carryOutOne(step, hasChanged) })
  }
  return done
}

async function carryOutOne(step: Step, hasChanged: boolean): Promise<Done['outcome']> {
  switch (step.does) {
    case 'write':
      return await write(step)
    case 'remove':
      await rm(step.path, { recursive: true, force: true })
      return 'done'
    case 'run':
      return step.onlyAfterChange && !hasChanged ? 'unchanged' : await runCommand(step.command, step.mayFail)
  }
}

async function write({ path, text, encoding }: Extract<Step, { does: 'write' }>): Promise<Done['outcome']> {
  const before = await readFile(path, encoding ?? 'utf8').catch(() => undefined)
  if (before === text) return 'unchanged'
  try {
    makeFolders(dirname(path), 0o755)
    await writeFile(`${path}.new`, text, encoding ?? 'utf8')
    await chmod(`${path}.new`, fileMode) // whatever the umask is
    await rename(`${path}.new`, path)
    return 'done'
  } catch (error) {
    throw new SluiceError('state-unusable', `Cannot write ${path} (${systemCode(error)}).`, { cause: error })
  }
}

async function runCommand([program, ...parameters]: readonly [string, ...string[]], mayFail?: true): Promise<Done['outcome']> {
  try {
    await run(program, parameters, { timeout: limitMs })
    return 'done'
  } catch (error) {
    if (mayFail) return 'failed'
    const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
    const why = systemCode(error) === 'ENOENT' ? 'there is no such program' : said || (error instanceof Error ? error.message : String(error))
    throw new SluiceError('state-unusable', `${[program, ...parameters].join(' ')} failed: ${why}`, { cause: error })
  }
}
