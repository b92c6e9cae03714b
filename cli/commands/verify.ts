import type { Command } from 'commander'
import type { OutputOptions } from '../options.ts'
import { counted, type Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { openLogs, sayProblems } from '../device-logs.ts'
import { addJson, describe } from '../options.ts'

interface VerifyOptions extends OutputOptions {
  readonly device?: string
}

export function register(program: Command, io: Io): void {
  const command = program.command('verify')
    .argument('<destination>', 'file:///folder, or a folder')
    .option('--device <name>', 'only this device')
  describe(addJson(command), 'Check every pack, chain, reference and chunk of a destination.', [
    ['sluice verify file:///mnt/packs', 'exits with 0 when all is well, with 1 when something is not'],
  ]).action((destination: string, options: VerifyOptions) => verify(destination, options, io))
}

async function verify(address: string, options: VerifyOptions, io: Io): Promise<void> {
  const { readLog } = await import('../../src/pack/read-log.ts')
  const { destination, devices, zstd } = await openLogs(address, options.device)
  const progress = io.progress()
  const reports = []
  for (const device of devices) {
    const { packs, packBytes, problems } = await readLog({
      destination, device, zstd, content: true, signal: io.signal,
      onPack: ({ done, of }) => progress.show(`${device}: pack ${done} of ${of}`),
    })
    reports.push({ device, packs, packBytes, problems: problems.map(({ pack, error }) => ({ pack, code: error.code, message: error.message })) })
  }
  progress.end()
  const problems = reports.flatMap((report) => report.problems)
  sayProblems(problems, io)
  io.result(options.json, { version: 1, devices: reports }, reports.map(({ device, packs, packBytes, problems: found }) =>
    `${device}: ${counted(packs, 'pack')}, ${formatBytes(packBytes)}: ${found.length === 0 ? 'all good' : `${counted(found.length, 'problem')}, see above`}`))
  if (problems.length > 0) io.exit(1)
}
