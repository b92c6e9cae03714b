import type { Command } from 'commander'
import type { OutputOptions } from '../options.ts'
import { counted, type Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { resolve } from 'node:path'
import { SluiceError } from '../../src/observe/error.ts'
import { addIdentity, openLogs, parseTime, sayProblems, unlockWith } from '../device-logs.ts'
import { addJson, describe } from '../options.ts'

interface PullOptions extends OutputOptions {
  readonly device?: string
  readonly stream?: readonly string[]
  readonly since?: string
  readonly latest?: boolean
  readonly identity: readonly string[]
}

export function register(program: Command, io: Io): void {
  const command = program.command('pull')
    .argument('<destination>', 's3://bucket/prefix, file:///folder, or a folder')
    .argument('<out>', 'the folder to rebuild into; it may hold part of it already')
    .option('--device <name>', 'whose captures (default: the only device there is)')
    .option('--stream <name...>', 'only these streams')
    .option('--since <time>', 'only files changed since then: 2026-11-23, 2026-11-23T14:00, 2h')
    .option('--latest', 'leave out older versions (NAME.~1~, NAME.~2~ …)')
  describe(addJson(addIdentity(command)), 'Rebuild capture files from a device log, every byte verified.', [
    ['sluice pull file:///mnt/packs ./captures', 'everything'],
    ['sluice pull /mnt/packs ./out --stream screens --since 2h', 'the screenshots of the last two hours'],
    ['sluice pull /mnt/packs ./out --identity key.txt', 'from encrypted packs'],
  ]).action((destination: string, out: string, options: PullOptions) => pull(destination, out, options, io))
}

async function pull(address: string, out: string, options: PullOptions, io: Io): Promise<void> {
  const since = options.since === undefined ? undefined : parseTime(options.since, io.now())
  const [{ readLog }, { restore }] = await Promise.all([import('../../src/pack/read-log.ts'), import('../../src/pack/restore.ts')])
  await using logs = await openLogs(address, options.device)
  const { destination, devices, zstd } = logs
  const device = devices[0] as string
  if (devices.length > 1) {
    throw new SluiceError('usage', `${address} holds ${devices.length} devices: choose one with --device (${devices.slice(0, 8).join(', ')})`)
  }
  const unlock = await unlockWith(options.identity, io)
  const progress = io.progress()
  let bytes = 0
  const content = await readLog({
    destination, device, zstd, content: false, unlock, signal: io.signal,
    onPack: ({ done, of }) => progress.show(`checking pack ${done} of ${of}`),
  })
  const { closed } = content
  if (closed[0] && closed.length === content.packs) throw closed[0].error
  const streams = content.versions.streams()
  const unknown = options.stream?.find((name) => !streams.has(name))
  if (unknown !== undefined) throw new SluiceError('usage', `${device} has no stream ${unknown}; there are: ${[...streams].join(', ')}`)
  const report = await restore({
    content, out: resolve(out), latestOnly: options.latest ?? false, signal: io.signal,
    ...(options.stream && { streams: new Set(options.stream) }),
    ...(since !== undefined && { since }),
    onBytes: (count) => progress.show(`rebuilt ${formatBytes((bytes += count))}`),
  })
  progress.end()
  const problems: SluiceError[] = [...[...content.problems, ...closed].map(({ error }) => error), ...report.problems]
  sayProblems(problems, io)
  const found = { ...report, problems: problems.map(({ code, message }) => ({ code, message })) }
  io.result(options.json, { version: 1, device, packs: content.packs, closedPacks: closed.length, ...found }, [
    `${device}: ${counted(report.files, 'file')}, ${formatBytes(report.bytes)}, from ${counted(content.packs, 'pack')} (${formatBytes(content.packBytes)})`,
    ...(report.present > 0 ? [`${report.present} of them were there already`] : []),
    ...(report.older > 0 ? [`${report.older} are older versions of others, named NAME.~1~, NAME.~2~ …`] : []),
    ...(report.incomplete > 0 ? [`left out: ${report.incomplete} whose end has not arrived`] : []),
    problems.length === 0 ? 'every byte verified' : `${counted(problems.length, 'problem')}, see above: what they touch is missing`,
  ])
  if (problems.length > 0) io.exit(1)
}
