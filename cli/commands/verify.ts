import type { Command } from 'commander'
import type { OutputOptions } from '../options.ts'
import { counted, type Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { addIdentity, openLogs, sayProblems, unlockWith } from '../device-logs.ts'
import { addJson, describe } from '../options.ts'

interface VerifyOptions extends OutputOptions {
  readonly device?: string
  readonly identity: readonly string[]
}

export function register(program: Command, io: Io): void {
  const command = program.command('verify')
    .argument('<destination>', 's3://bucket/prefix, file:///folder, or a folder')
    .option('--device <name>', 'only this device')
  describe(addJson(addIdentity(command)), 'Check every pack, chain, reference and chunk of a destination.', [
    ['sluice verify file:///mnt/packs', 'exits with 0 when all is well, with 1 when something is not'],
    ['sluice verify /mnt/packs --identity key.txt', 'also what encrypted packs hold'],
  ]).action((destination: string, options: VerifyOptions) => verify(destination, options, io))
}

async function verify(address: string, options: VerifyOptions, io: Io): Promise<void> {
  const { readLog } = await import('../../src/pack/read-log.ts')
  await using logs = await openLogs(address, options.device)
  const { destination, devices, zstd } = logs
  const unlock = options.identity.length > 0 ? await unlockWith(options.identity, io) : undefined
  const progress = io.progress()
  const reports = []
  for (const device of devices) {
    const { packs, packBytes, closed, problems: found } = await readLog({
      destination, device, zstd, content: true, signal: io.signal, ...(unlock && { unlock }),
      onPack: ({ done, of }) => progress.show(`${device}: pack ${done} of ${of}`),
    })
    // Without an identity their content is not asked for.
    const problems = unlock ? [...found, ...closed] : found
    reports.push({ device, packs, packBytes, closedPacks: closed.length, problems: problems.map(({ pack, error }) => ({ pack, code: error.code, message: error.message })) })
  }
  progress.end()
  const problems = reports.flatMap((report) => report.problems)
  sayProblems(problems, io)
  io.result(options.json, { version: 1, devices: reports }, reports.flatMap(({ device, packs, packBytes, closedPacks, problems: found }) => [
    `${device}: ${counted(packs, 'pack')}, ${formatBytes(packBytes)}: ${found.length === 0 ? 'all good' : `${counted(found.length, 'problem')}, see above`}`,
    ...(closedPacks > 0 ? [notChecked(closedPacks, packs)] : []),
  ]))
  if (problems.length > 0) io.exit(1)
}

/** Said also where all is good: an encrypted pack can be whole and hold nothing. */
function notChecked(closed: number, packs: number): string {
  const which = closed === packs ? 'contents' : `contents of ${closed} of them`
  return `  ${which} not checked: encrypted, and no identity opened them (--identity)`
}
