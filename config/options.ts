import { join } from 'node:path'

import type { Cap } from '../src/budget/cap.ts'
import { list, map, value } from './schema.ts'
import type { TypeOf } from './schema.ts'
import { bytes, cleanName, destination, duration, folder, glob } from './types.ts'
import { integer, name, oneOf, percent, sentence, timeZone } from './types.ts'

const second = 1000
const day = 24 * 3600 * second

const stream = map({
  name: value(name, { doc: 'What the stream is called in manifests, messages and commands; unique.' }),
  path: value(folder, { as: 'folder', doc: 'The folder of its capture files; nothing outside it is ever read.' }),
  include: list(value(glob, { doc: 'A pattern.' }), {
    max: 100, single: true, default: { item: '**' },
    doc: 'Patterns over the path inside the folder; a file is captured when one matches. The default is every file.',
  }),
  purpose: value(sentence, { doc: 'Why this is collected; travels in every manifest.' }),
  files: value(oneOf('append', 'whole'), { doc: '`append`: grows until rotated. `whole`: complete once closed.' }),
  fidelity: value(oneOf('bytes', 'pixels'), {
    default: 'bytes',
    doc: '`bytes` restores every byte; `pixels` lets screenshots be stored smaller and restores every pixel.',
  }),
  networks: list(value(oneOf('free', 'metered'), { doc: 'A network cost.' }), {
    max: 2, optional: true,
    doc: 'Network costs on which the stream may be sent, whatever the caps allow. Without it the gate alone decides.',
  }),
  onSent: value(oneOf('keep', 'delete'), {
    default: 'keep',
    doc: 'What becomes of a capture file once its pack has arrived; `delete` only with `files: whole`.',
  }),
  quiet: value(duration(100, day), {
    as: 'quietMs', default: '2s',
    doc: 'How long a `whole` file must stay unchanged to count as complete when its closing was not seen.',
  }),
}, { doc: 'One kind of capture.', later: ['exclude', 'redact'] })

const cap = map({
  limit: value(bytes(1), { as: 'limitBytes', doc: 'Most bytes on the wire in one period, both directions.' }),
  per: value(
    oneOf('day', 'week', 'month'),
    { doc: 'The period; it begins at midnight in `timeZone`, weeks on Monday.' },
  ),
  resetDay: value(integer(1, 31), {
    optional: true,
    doc: 'Day of the month on which a monthly cap starts again; a shorter month uses its last day. Without it: 1.',
  }),
}, { doc: 'One limit.', later: ['network', 'stream'] })

const power = map({
  sendAboveBattery: value(percent, {
    as: 'sendAboveBatteryPercent', default: '40%', doc: 'On battery, send only while the charge is above this.',
  }),
  lowBattery: value(percent, {
    as: 'lowBatteryPercent', default: '15%',
    doc: 'At or below this charge all work stops; it starts again 5 points higher.',
  }),
  onPowerSaver: value(
    oneOf('hold', 'send'),
    { default: 'hold', doc: 'What to do while the power-saver profile is on.' },
  ),
  onUnknown: value(
    oneOf('hold', 'send'),
    { default: 'send', doc: 'What to do when no sensor can tell the power state.' },
  ),
}, { doc: 'When the battery may be used.' })

const network = map({
  onUnknown: value(oneOf('metered', 'free'), { default: 'metered', doc: 'What a network of unknown cost counts as.' }),
  onMetered: value(
    oneOf('hold', 'send'),
    { default: 'hold', doc: 'What to do on a metered network; caps count in any case.' },
  ),
}, { doc: 'When the network may be used.' })

const conditions = map({
  power: value(
    oneOf('mains', 'battery', 'battery-low', 'unknown'),
    { optional: true, doc: 'The power state to assume.' },
  ),
  network: value(
    oneOf('free', 'metered', 'unknown', 'offline'),
    { optional: true, doc: 'The network cost to assume.' },
  ),
}, { doc: 'Overrides what sensors say: for tests, servers, and machines without sensors.' })

const seal = map({
  size: value(
    bytes(64 << 10, 32 << 20),
    { as: 'sizeBytes', default: '4 MiB', doc: 'A pack is sealed when it reaches this size.' },
  ),
  age: value(duration(second, day), {
    as: 'ageMs', default: '5m', doc: 'A smaller pack is sealed after this time if it may be sent.',
  }),
}, { doc: 'When a pack is sealed.' })

/** Every key of the config file: types, defaults, validation, messages and docs/config.md come from here. */
export const options = map({
  device: value(name, {
    default: { words: 'the machine’s host name', text: ({ hostname }) => cleanName(hostname) },
    doc: 'Names the device log at the destination; unique among the devices that share a destination.',
  }),
  state: value(folder, {
    as: 'stateFolder',
    default: {
      words: '`$XDG_STATE_HOME/sluice` or `~/.local/state/sluice`',
      text: ({ home, xdgStateHome }) => join(xdgStateHome ?? join(home, '.local/state'), 'sluice'),
    },
    doc: 'Journal, spool and settings; one running service per folder.',
  }),
  streams: list(stream, { max: 100, doc: 'What is captured. At least one.' }),
  destination: value(destination, { doc: 'Where the device log is written.' }),
  caps: list(cap, { max: 20, default: 'none', doc: 'Byte limits; all of them apply.' }),
  power,
  network,
  conditions,
  seal,
  timeZone: value(timeZone, {
    default: { words: 'the system’s', text: ({ timeZone }) => timeZone },
    doc: 'Where days, weeks and months of caps begin.',
  }),
  effort: value(integer(1, 19), { default: '6', doc: 'zstd level: higher is smaller and slower.' }),
}, { doc: 'The config file.', later: ['windows', 'rate', 'endpoint'] })

type FileConfig = TypeOf<typeof options>

/** A valid config with every default filled in. Paths are absolute, sizes bytes, times milliseconds. */
export interface Config extends Omit<FileConfig, 'caps'> {
  readonly caps: readonly Cap[]
}
