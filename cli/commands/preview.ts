import type { Command } from 'commander'
import { join } from 'node:path'
import type { Config } from '../../config/options.ts'
import type { Preview } from '../../src/control/preview.ts'
import type { Status } from '../../src/control/status.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import type { ConfigOptions } from '../options.ts'
import { formatBytes } from '../../config/units.ts'
import { headline, nextChange } from '../../src/scheduler/explain.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import { counted, table, type Io } from '../output.ts'
import { serviceAt, serviceOfOthers } from '../service-at.ts'
import { currentStatus } from './status.ts'

export function register(program: Command, io: Io): void {
  describe(addJson(addConfig(program.command('preview'))), 'Show what would leave next, by stream, and why it has not left.', [
    ['sluice preview', 'what is packed and waits, and what is captured and not packed yet'],
  ]).action((options: ConfigOptions) => preview(options, io))
}

async function preview(options: ConfigOptions, io: Io): Promise<void> {
  const { config } = await configFor(options)
  const [found, status] = await Promise.all([read(config), currentStatus(config, io.now())])
  io.result(options.json, found, previewLines(found, status, { now: io.now(), timeZone: config.timeZone }))
}

async function read(config: Config): Promise<Preview> {
  const service = await serviceOfOthers(config) ?? await serviceAt(config)
  const told = await service?.call('GET /v1/preview', {}).catch(() => undefined)
  if (told) return told
  const [{ existsSync }, { Journal }, { journalPath }, { readPreview }, { Spool }, { realDisk }, { zstdNative }] = await Promise.all([
    import('node:fs'), import('../../src/journal/journal.ts'), import('../../src/journal/open-state.ts'),
    import('../../src/control/preview.ts'), import('../../src/journal/spool.ts'), import('../../src/journal/real-disk.ts'),
    import('../../src/compress/zstd-native.ts'),
  ])
  const path = journalPath(config.stateFolder)
  const nothing = { version: 1, packed: { packs: 0, packBytes: 0, rawBytes: 0 }, streams: [], closed: { packs: 0, packBytes: 0, encrypted: 0 } } as const
  if (!existsSync(path)) return nothing
  using journal = new Journal(path, 'read')
  return await readPreview(journal, new Spool(join(config.stateFolder, 'spool'), realDisk), zstdNative)
}

function previewLines({ packed, streams, closed, captured = [] }: Preview, status: Status | undefined, clock: Clock): string[] {
  const packedLine = packed.packs === 0 ? 'Nothing is packed and waiting.'
    : `${counted(packed.packs, 'pack')} waiting, ${formatBytes(packed.packBytes)}, for ${formatBytes(packed.rawBytes)} of captures.`
  const rows = streams.map(({ stream, files, rawBytes, oldestAt, newestAt }) =>
    [stream, String(files), formatBytes(rawBytes), timeInWords(oldestAt, clock), timeInWords(newestAt, clock)])
  const closedLine = closed.packs === 0 ? [] : wrap(`${counted(closed.packs, 'pack')} more (${formatBytes(closed.packBytes)}), of which only the size can be told`
    + `${closed.encrypted > 0 ? ': this machine cannot read what it encrypted' : ' now'}.`, 80, '')
  const unpacked = captured.map(({ stream, files, bytes, oldestAt }) => [stream, String(files), `about ${formatBytes(bytes)}`, timeInWords(oldestAt, clock)])
  const change = status && nextChange(status, clock)
  return [
    packedLine,
    ...(rows.length > 0 ? ['', ...table([['stream', 'files', 'captures', 'oldest', 'newest'], ...rows], 80)] : []),
    ...closedLine,
    ...(unpacked.length > 0 ? ['', 'Captured and not packed yet:', ...table([['stream', 'files', 'captures', 'since'], ...unpacked], 80)] : []),
    '',
    ...(status ? wrap(headline(status), 80, '') : ['Sluice has not run on this state folder yet. Start it with: sluice run']),
    ...(change === undefined ? [] : wrap(`Next change: ${change}.`, 80, '')),
  ]
}
