import type { Command } from 'commander'

import type { Config } from '../../config/options.ts'
import type { Status } from '../../src/control/status.ts'
import { formatBytes } from '../../config/units.ts'
import { nearest } from '../../config/nearest.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { timeInWords, wrap } from '../../src/scheduler/words.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import { table } from '../output.ts'
import { serviceOfOthers } from '../service-at.ts'
import type { Io } from '../output.ts'

interface ListedStream {
  readonly name: string
  readonly purpose: string
  /** Missing while it is on. */
  readonly offSince?: number
  readonly optional: boolean
  readonly priority: 'high' | 'normal' | 'low'
  /** Missing: any. */
  readonly networks?: readonly ('free' | 'metered')[]
  /** Packed and not sent, together with the streams that share its rules; missing before the first run. */
  readonly waiting?: { readonly packs: number; readonly bytes: number; readonly with: readonly string[] }
}

export function register(program: Command, io: Io): void {
  const group = describe(program.command('stream'), 'See what is captured, and turn off what is optional.', [
    ['sluice stream list', 'what is captured, why, and what waits'],
    ['sluice stream off screens', 'neither read nor send screens'],
  ])
  describe(addJson(addConfig(group.command('list'))), 'List what is captured.', [
    ['sluice stream list', 'state, what waits, and where it may be sent'],
  ]).action((options: ConfigOptions) => list(options, io))
  describe(addJson(addConfig(group.command('off').argument('<name>', 'as `stream list` shows it'))), 'Turn a stream off.', [
    ['sluice stream off screens', 'until `sluice stream on screens`'],
  ]).action((name: string, options: ConfigOptions) => turnOff(name, options, io))
  describe(addJson(addConfig(group.command('on').argument('<name>', 'as `stream list` shows it'))), 'Turn a stream on again.', [
    ['sluice stream on screens', 'read it and send it again'],
  ]).action((name: string, options: ConfigOptions) => turnOn(name, options, io))
}

async function list(options: ConfigOptions, io: Io): Promise<void> {
  const { config, settings } = await load(options)
  const now = io.now()
  const service = await serviceOfOthers(config)
  const { statusFor } = await import('../status-for.ts')
  const off = service ? (await service.call('GET /v1/streams', {})).streams : settings.readSettings(config.stateFolder).streamsOff.map(({ stream, since }) => ({ name: stream, offSince: since }))
  const status = service ? await service.call('GET /v1/status', {}) : await statusFor(config, now)
  const streams = listed(config, new Map(off.map(({ name, offSince }) => [name, offSince])), status)
  io.result(options.json, { version: 1, streams }, streamTable(streams, { now, timeZone: config.timeZone }))
}

async function turnOff(name: string, options: ConfigOptions, io: Io): Promise<void> {
  const { config, decidedBy } = await load(options)
  const stream = config.streams.find((each) => each.name === name)
  if (!stream) throw unknown(name, config)
  if (!stream.optional) {
    throw new SluiceError(
      'usage',
      `${name} cannot be turned off: ${decidedBy(name)} does not say \`optional: yes\` for it. Ask whoever writes that file, `
      + 'usually your IT. To stop everything for a while: sluice pause',
    )
  }
  const service = await serviceOfOthers(config)
  if (service) {
    const { offSince, wasOff } = await service.call('POST /v1/streams/set', { stream: name, on: false })
    io.result(options.json, { version: 1, stream: name, on: false, since: offSince, wasOff }, [
      wasOff ? `${name} is off already.` : `${name} is off: it is neither read nor sent.`, `Turn it on again with: sluice stream on ${name}`,
    ])
    return
  }
  const since = io.now()
  let wasOff = false
  const [{ changeSettings }, { withStream }] = await Promise.all([import('../../src/control/pause-state.ts'), import('../../src/control/wishes.ts')])
  const { streamsOff } = changeSettings(config.stateFolder, () => since, (old) => {
    const changed = withStream({ stream: name, on: false }, old, since, config)
    wasOff = changed.wasOff
    return changed.settings
  })
  const off = streamsOff.find((each) => each.stream === name)
  const waitingBytes = await packedBytes(config, name, since)
  io.result(options.json, { version: 1, stream: name, on: false, since: off?.since ?? since, wasOff, waitingBytes }, [
    wasOff ? `${name} is off already.` : `${name} is off: it is neither read nor sent.`,
    waitingBytes > 0
      ? `${formatBytes(waitingBytes)} of it are packed already. They stay here while it is off, and are sent once it is on.`
      : 'Nothing of it is packed and waiting.',
    `Turn it on again with: sluice stream on ${name}`,
  ].flatMap((line) => wrap(line, 80, '')))
}

async function turnOn(name: string, options: ConfigOptions, io: Io): Promise<void> {
  const { config } = await load(options)
  const { changeSettings } = await import('../../src/control/pause-state.ts')
  const service = await serviceOfOthers(config)
  let wasOff = false
  if (service) wasOff = (await service.call('POST /v1/streams/set', { stream: name, on: true })).wasOff
  else changeSettings(config.stateFolder, () => io.now(), (old) => {
    wasOff = old.streamsOff.some((off) => off.stream === name)
    if (!wasOff && !config.streams.some((stream) => stream.name === name)) throw unknown(name, config)
    return { ...old, streamsOff: old.streamsOff.filter((off) => off.stream !== name) }
  })
  io.result(options.json, { version: 1, stream: name, on: true, wasOff }, wrap(wasOff
    ? `${name} is on again. What was captured while it was off is read now, if its files are still there.`
    : `${name} is on already.`, 80, ''))
}

async function load(options: ConfigOptions) {
  const [{ config, file, origins }, settings] = await Promise.all([configFor(options), import('../../src/journal/settings.ts')])
  const from = (name: string): string | undefined => origins.get(`streams[${config.streams.findIndex((stream) => stream.name === name)}].optional`)?.from
  const decidedBy = (name: string): string => (from(name) ?? 'default') === 'default' ? file : from(name)?.replace(/:\d+$/, '') ?? file
  return { config, decidedBy, settings }
}

function unknown(name: string, config: Config): SluiceError {
  const names = config.streams.map((stream) => stream.name)
  const meant = nearest(name, names)
  const help = meant ? `did you mean "${meant}"?` : `there are: ${names.join(', ')}`
  return new SluiceError('usage', `there is no stream "${name}"; ${help}`)
}

/** An optional stream shares no pack with others, so what waits of it can be told. */
async function packedBytes(config: Config, name: string, now: number): Promise<number> {
  const { statusFor } = await import('../status-for.ts')
  const status = await statusFor(config, now)
  return status?.queues.find(({ streams }) => streams.length === 1 && streams[0] === name)?.waiting.bytes ?? 0
}

function listed(config: Config, off: ReadonlyMap<string, number | undefined>, status: Status | undefined): ListedStream[] {
  return config.streams.map(({ name, purpose, optional, priority, networks }) => {
    const offSince = off.get(name)
    const queue = status?.queues.find(({ streams }) => streams.includes(name))
    return {
      name, purpose, ...(offSince !== undefined && { offSince }), optional, priority, ...(networks && { networks }),
      ...(queue && { waiting: { ...queue.waiting, with: queue.streams.filter((other) => other !== name) } }),
    }
  })
}

function streamTable(streams: readonly ListedStream[], clock: Clock): string[] {
  const shared = streams.some(({ waiting }) => waiting && waiting.with.length > 0 && waiting.bytes > 0)
  const rows = streams.map(({ name, purpose, offSince, optional, priority, networks, waiting }) => [
    name,
    offSince === undefined ? 'on' : `off since ${timeInWords(offSince, clock)}`,
    waiting ? `${formatBytes(waiting.bytes)}${waiting.with.length > 0 && waiting.bytes > 0 ? '*' : ''}` : '-',
    [networks ? `${networks.join(', ') || 'no'} networks` : 'any network', priority === 'normal' ? '' : `${priority} priority`]
      .filter(Boolean).join(', '),
    optional ? 'you' : 'IT',
    purpose,
  ])
  return [
    ...table([['stream', 'state', 'waiting', 'sent on', 'decides', 'purpose'], ...rows], 80),
    ...(shared ? ['', '* together with streams that are sent under the same rules'] : []),
  ]
}
