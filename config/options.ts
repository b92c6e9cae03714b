import { join } from 'node:path'

import type { Cap } from '../src/budget/cap.ts'
import { leastCapBytes } from '../src/budget/cap.ts'
import { recipient } from './recipient.ts'
import { list, map, value } from './schema.ts'
import type { TypeOf } from './schema.ts'
import { bytes, cleanName, destination, duration, file, folder, glob, pin, proxy } from './types.ts'
import { storeFields } from './store-options.ts'
import { clock, integer, integerOrAuto, date, loopback, name, oneOf, percent, rate, sentence, timeZone, weekdays, yesNo } from './types.ts'

const second = 1000
const minute = 60 * second
const day = 24 * 60 * minute

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
  priority: value(oneOf('high', 'normal', 'low'), {
    default: 'normal', doc: 'Which captures leave first. What has waited for days moves up.',
  }),
  optional: value(yesNo, {
    default: 'no',
    doc: 'Whether the worker may turn the stream off. It shares no pack with other streams then.',
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
  limit: value(bytes(leastCapBytes), { as: 'limitBytes', doc: 'Most bytes on the wire in one period, both directions.' }),
  per: value(
    oneOf('day', 'week', 'month', 'rolling'),
    { doc: 'The period; it begins at midnight in `timeZone`, weeks on Monday. `rolling`: always the last `days`.' },
  ),
  resetDay: value(integer(1, 31), {
    optional: true,
    doc: 'Day of the month on which a monthly cap starts again; a shorter month uses its last day. Without it: 1.',
  }),
  days: value(integer(1, 366), { optional: true, doc: 'How many times 24 hours a `rolling` cap looks back.' }),
  network: value(name, { optional: true, doc: 'Count only bytes on the network that the worker gave this name, and on networks that cannot be told.' }),
  on: value(oneOf('free', 'metered'), { optional: true, doc: 'Count only bytes on networks of this class.' }),
  stream: value(name, { optional: true, doc: 'Count only bytes of this stream. It shares no pack with others then; a pack that it shared before counts as a whole.' }),
  pace: value(yesNo, {
    default: 'no',
    doc: 'Spread what is left of a weekly or monthly cap over the days that are left; unspent days roll over.',
  }),
}, { doc: 'One limit.' })

const plan = map({
  limit: value(bytes(leastCapBytes), { as: 'limitBytes', doc: 'The worker’s whole data plan, for everything on this machine.' }),
  per: value(oneOf('day', 'week', 'month'), { default: 'month', doc: 'How often the plan starts again.' }),
  resetDay: value(integer(1, 31), { optional: true, doc: 'Day of the month on which a monthly plan starts again.' }),
  keep: value(percent, { as: 'keepPercent', default: '20%', doc: 'What is kept for the person: with less left, nothing is sent.' }),
  network: value(name, { optional: true, doc: 'Count only what the machine moves on the network of this name.' }),
}, { optional: true, doc: 'The worker’s data plan, watched through the machine’s own counters.' })

const window = map({
  days: value(weekdays, { default: 'mon-sun', doc: 'Days on which it begins.' }),
  from: value(clock, { as: 'fromMinutes', doc: 'Time of day at which it begins, in `timeZone`.' }),
  to: value(clock, { as: 'toMinutes', doc: 'Time of day at which it ends; not after `from` means the day after.' }),
}, { doc: 'A time in which sending is allowed.' })

const exemption = map({
  because: value(oneOf('limited-line', 'no-charger', 'sensitive-work'), {
    doc: '`limited-line`: send only on networks known to be free. `no-charger`: rest on battery. `sensitive-work`: read and send nothing.',
  }),
  streams: list(value(name, { doc: 'A stream.' }), { max: 100, optional: true, doc: 'The streams it is for; all without it.' }),
  until: value(date, { optional: true, doc: 'The day on which it ends, at its beginning in UTC.' }),
}, { doc: 'Somebody whom IT spares.' })

const power = map({
  sendAboveBattery: value(percent, {
    as: 'sendAboveBatteryPercent', default: '40%', doc: 'On battery, send only while the charge is above this; once it was not, from 5 points higher on.',
  }),
  lowBattery: value(percent, {
    as: 'lowBatteryPercent', default: '15%',
    doc: 'At or below this charge all work stops; it starts again 5 points higher.',
  }),
  onPowerSaver: value(
    oneOf('hold', 'trickle', 'send'),
    { default: 'hold', doc: 'What to do while the power-saver profile is on.' },
  ),
  onUnknown: value(
    oneOf('hold', 'trickle', 'send'),
    { default: 'send', doc: 'What to do when no sensor can tell the power state.' },
  ),
}, { doc: 'When the battery may be used.' })

const network = map({
  onUnknown: value(oneOf('metered', 'free'), { default: 'metered', doc: 'What a network of unknown cost counts as.' }),
  onMetered: value(
    oneOf('hold', 'trickle', 'send'),
    { default: 'hold', doc: 'What to do on a metered network; caps count in any case.' },
  ),
}, { doc: 'When the network may be used.' })

const rates = map({
  max: value(rate, { as: 'maxBytesPerSecond', optional: true, doc: 'Fastest sending. Without it: as fast as the line is.' }),
  trickle: value(rate, {
    as: 'trickleBytesPerSecond', default: '32 kB/s', doc: 'Rate of sending a little, where `trickle` is the answer; never more than `max`.',
  }),
  yield: value(yesNo, { as: 'yields', default: 'yes', doc: 'Give way to the person’s own traffic: slow down when the line gets slow.' }),
}, { doc: 'How fast a network destination is sent to.' })

const connection = map({
  ca: value(file, { as: 'caFile', optional: true, doc: 'Certificates to trust beside the system’s, PEM.' }),
  pin: list(value(pin, { doc: 'A key.' }), {
    as: 'pins', max: 20, single: true, optional: true,
    doc: 'Public keys, `sha256/…`: the destination’s certificate, or one of those above it, must have one of them.',
  }),
  certificate: value(file, { as: 'certificateFile', optional: true, doc: 'The certificate that this machine shows to the destination, PEM; needs `key`.' }),
  key: value(file, { as: 'keyFile', optional: true, doc: 'The private key of `certificate`, PEM, without a password; not readable by others.' }),
  proxy: value(proxy, {
    optional: true,
    doc: 'The proxy that leads to the destination, or `none`. Without it the environment counts: `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`.',
  }),
  proxyCredential: value(file, {
    as: 'proxyCredentialFile', optional: true, doc: 'A file with `user:password` for `proxy`; not readable by others.',
  }),
  direct: value(yesNo, {
    default: 'no', doc: 'Whether packs of up to 5 MiB go straight into the collector’s store, where the collector offers that.',
  }),
  http2: value(yesNo, { default: 'yes', doc: 'Whether HTTP/2 is spoken to a destination that offers it.' }),
}, { doc: 'The way to a network destination: proxies, and whom to trust. See connection.md.' })

const s3 = map({
  ...storeFields,
  partSize: value(bytes(5 << 20, 64 << 20), { as: 'partBytes', default: '5 MiB', doc: 'Larger packs are sent in parts of this size; a cut costs one of them.' }),
}, { doc: 'What an `s3://` destination takes. The address comes first where both say something. See s3.md.' })

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

const enrolment = map({
  tokenFile: value(file, {
    optional: true, doc: 'A file with a token, which only you can read: the service enrols this device with it by itself. See failures.md.',
  }),
  credentialFile: value(file, {
    optional: true, doc: 'A file with the credential itself, such as one that systemd hands over, in place of the one that an enrolment keeps.',
  }),
}, { doc: 'How this device comes to be known at a collector.' })

const pause = map({
  longest: value(duration(30 * minute, 52 * 7 * day), {
    as: 'longestMs', optional: true, policyOnly: true,
    doc: 'Longest single pause of the worker, who may pause again as often as they want. Without it a pause may last until they resume.',
  }),
}, { policyOnly: true, doc: 'What a policy may say of pauses; that there are pauses it cannot change.' })

const log = map({
  folder: value(folder, { optional: true, doc: 'Where log files are written too, one a day or more. Without it: only the journal or stderr.' }),
  level: value(oneOf('debug', 'info', 'warn', 'error'), { default: 'info', doc: 'The least that is written. What ends the service always is.' }),
  maxSize: value(bytes(64 << 10, 1 << 30), { as: 'maxBytes', default: '5 MiB', doc: 'A log file that reaches this size is followed by another.' }),
  keep: value(integer(2, 1000), { default: '31', doc: 'How many log files are kept; the oldest are deleted.' }),
  format: value(oneOf('json', 'ecs'), { default: 'json', doc: '`json`: lines as in events.md. `ecs`: the same under the names of the Elastic Common Schema.' }),
}, { doc: 'What is written of what happens. See logs.md.' })

const metrics = map({
  listen: value(loopback, { optional: true, doc: 'Where `GET /metrics` answers Prometheus, such as 127.0.0.1:9464; nobody is asked who they are there. Without it: nowhere.' }),
  textfile: value(file, {
    optional: true, doc: 'A file `….prom` for the textfile collector of node_exporter, or a folder in which it is `sluice.prom`. See operations.md.',
  }),
}, { doc: 'Metrics of this machine.' })

const control = map({
  group: value(name, {
    optional: true, doc: 'A group of this machine, by name or number, whose members may see and steer the service too. Without it: only the service’s own user.',
  }),
  socket: value(file, {
    default: '/run/sluice/control.sock', doc: 'Where they do: a socket in a folder that belongs to the service’s user. Unused without `group`.',
  }),
}, { doc: 'Who may ask the running service. See local-api.md.' })

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
  streams: list(stream, { max: 100, merge: { by: 'name' }, doc: 'What is captured. At least one.' }),
  destination: value(destination, { doc: 'Where the device log is written.' }),
  enrolment,
  recipients: list(value(recipient, { doc: 'A public key.' }), {
    max: 20, single: true, optional: true,
    doc: 'Who can read the packs: public keys of age. With any, every pack is encrypted, and this machine cannot read what it sent. See encryption.md.',
  }),
  caps: list(cap, { max: 20, default: 'none', merge: 'add', doc: 'Byte limits; all of them apply.' }),
  power,
  network,
  conditions,
  seal,
  windows: list(window, { max: 50, default: 'none', doc: 'Times in which sending is allowed; without any, always.' }),
  rate: rates,
  connection,
  s3,
  plan,
  pause,
  control,
  exemptions: list(exemption, { max: 20, default: 'none', merge: 'add', doc: 'Whom IT spares, and why.' }),
  log,
  metrics,
  timeZone: value(timeZone, {
    default: { words: 'the system’s', text: ({ timeZone }) => timeZone },
    doc: 'Where days, weeks and months of caps begin, and whose clock `windows` go by.',
  }),
  effort: value(integerOrAuto(1, 19), {
    default: 'auto',
    doc: 'zstd level, and with it the effort for screenshots (quick up to 3, thorough from 13 on): higher is smaller and slower. '
      + '`auto`: 3 on battery; on a charger 6, and 13 where sending costs something or has to wait; 1 for much at a stretch where bytes are free. See effort.md.',
  }),
}, { doc: 'The config file.' })

type FileConfig = TypeOf<typeof options>

/** A valid config with every default filled in. Paths are absolute, sizes bytes, times milliseconds. */
export interface Config extends Omit<FileConfig, 'caps'> {
  readonly caps: readonly Cap[]
}
