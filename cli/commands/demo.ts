import type { Command } from 'commander'
import type { OutputOptions } from '../options.ts'
import type { Io } from '../output.ts'
import { makeFolders } from '../../src/journal/durable-file.ts'
import { SluiceError, systemCode } from '../../src/observe/error.ts'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { addJson, describe } from '../options.ts'

interface DemoOptions extends OutputOptions {
  readonly folder?: string
  readonly seconds: string
}

/** Shorter, and the pause, the unplugging and the metered spell do not fit in. */
const leastSeconds = 10

export function register(program: Command, io: Io): void {
  const command = program.command('demo')
    .option('--folder <path>', 'where to leave captures, packs and the rebuilt copy (default: a new temporary folder)')
    .option('--seconds <n>', 'how long the simulated person works', '30')
  describe(addJson(command), 'Show the whole thing on this machine: capture, pack, hold, send, rebuild, compare.', [
    ['sluice demo', 'half a minute; needs no set-up and touches nothing outside its folder'],
  ]).action((options: DemoOptions) => demo(options, io))
}

async function demo(options: DemoOptions, io: Io): Promise<void> {
  const seconds = Number(options.seconds)
  if (!Number.isInteger(seconds) || seconds < leastSeconds || seconds > 600) {
    throw new SluiceError('usage', `--seconds ${options.seconds}: allowed are whole numbers from ${leastSeconds} to 600`)
  }
  const { playDemo } = await import('../demo/play.ts')
  const folder = options.folder === undefined ? await mkdtemp(join(tmpdir(), 'sluice-demo-')) : resolve(options.folder)
  try {
    makeFolders(folder)
  } catch (error) {
    throw new SluiceError('usage', `cannot make the folder ${folder} (${systemCode(error) ?? 'unknown'}): choose another one`, { cause: error })
  }
  const say = (line: string): void => {
    if (!options.json) io.result(false, {}, [line])
  }
  const result = await playDemo({ folder, seconds, say, signal: io.signal })
  if (options.json) io.result(true, { version: 1, folder, ...result }, [])
  if (result.different > 0) io.exit(1)
}
