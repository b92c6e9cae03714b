import { isLoopback, parseListenAddress, type ListenAddress } from '../src/collector/listen-address.ts'
import type { CollectorLimits } from '../src/collector/limits.ts'
import { maxPackBytes } from '../src/pack/header.ts'
import { readByTable, type Refused } from './parse.ts'
import { map, value } from './schema.ts'
import type { Environment, TypeOf, ValueType } from './schema.ts'
import { storeFields } from './store-options.ts'
import { bucket, bytes, duration, file, folder, integer, yesNo } from './types.ts'

const second = 1000
const minute = 60 * second
const day = 24 * 3600 * second

const address: ValueType<ListenAddress> = {
  allowed: 'an address and a port such as 127.0.0.1:8080 or [::]:443',
  parse: parseListenAddress,
}

const tls = map({
  cert: value(file, { doc: 'The certificate with those between it and its authority, in PEM.' }),
  key: value(file, { doc: 'Its private key, in PEM.' }),
  clientCa: value(file, {
    optional: true, doc: 'Authorities in PEM: devices must show a certificate of theirs, with the name of the device as CN or DNS name.',
  }),
}, { optional: true, doc: 'TLS; the files are read again when they change, and on SIGHUP.' })

const metrics = map({
  listen: value(address, { doc: 'Where `GET /metrics` answers Prometheus. Nobody is asked who they are there.' }),
  perDevice: value(yesNo, { default: 'no', doc: 'Whether labels may name devices.' }),
}, { optional: true, doc: 'Metrics; without it there are none.' })

const s3 = map(storeFields, { doc: 'What `store` takes. The address comes first where both say something. See s3.md.' })

const limits = map({
  quota: value(bytes(1e6), { as: 'quotaBytes', default: '50 GB', doc: 'Packs and announced uploads of one device together.' }),
  pack: value(bytes(64 << 10, maxPackBytes), { as: 'maxPackBytes', default: '64 MiB', doc: 'Largest pack.' }),
  headers: value(bytes(2 << 10, 64 << 10), { as: 'maxHeaderBytes', default: '8 KiB', doc: 'Largest headers of a request.' }),
  connections: value(integer(1, 100_000), { default: '4000', doc: 'Open connections in all.' }),
  connectionsPerAddress: value(integer(1, 100_000), {
    default: '256', doc: 'Open connections from one address; not counted behind a proxy.',
  }),
  requestsPerDevice: value(integer(10, 1_000_000), {
    as: 'requestsPerMinutePerDevice', default: '600', doc: 'Requests of one device within a minute.',
  }),
  requestsPerAddress: value(integer(10, 1_000_000), {
    as: 'requestsPerMinutePerAddress', default: '6000', doc: 'Requests from one address (IPv6: one /64) within a minute.',
  }),
  headersTime: value(duration(second, minute), { as: 'headersMs', default: '10s', doc: 'How long the headers of a request may take.' }),
  slowBody: value(bytes(1), { as: 'slowBodyBytes', default: '4 KiB', doc: 'A body that brings less than this within `slowBodyTime` is cut.' }),
  slowBodyTime: value(duration(second, 10 * minute), { as: 'bodyMs', default: '30s', doc: 'See `slowBody`; also how long a request without a pack may take.' }),
  expire: value(duration(minute, 365 * day), {
    as: 'uploadsExpireMs', default: '7d', doc: 'An upload to which nothing was added for so long is removed.',
  }),
  drain: value(duration(0, 10 * minute), { as: 'drainMs', default: '10s', doc: 'How long running requests may take once the collector stops.' }),
}, { doc: 'What the collector bears.' })

/** Every key of a collector’s config file; docs/collector-config.md comes from here. */
export const collectorOptions = map({
  folder: value(folder, { optional: true, doc: 'Where packs are kept; several collectors may share one. The folder above it exists.' }),
  store: value(bucket, { optional: true, doc: 'A bucket where packs are kept, in place of `folder`; several collectors may share one.' }),
  s3,
  direct: value(yesNo, { default: 'no', doc: 'Devices may put packs into `store` by themselves, with URLs that the collector signs.' }),
  listen: value(address, {
    default: '127.0.0.1:8080', doc: 'Where devices, or the proxy, connect. Without `tls` and `behindProxy` only an address of this machine.',
  }),
  tls,
  behindProxy: value(yesNo, {
    default: 'no', doc: 'A proxy ends TLS, and sets X-Forwarded-For, of which the last address counts, and X-Forwarded-Proto. Nobody else may reach the collector.',
  }),
  metrics,
  limits,
}, { doc: 'The collector’s config file.' })

/** A valid config of a collector, every default filled in. */
export type CollectorConfig = Omit<TypeOf<typeof collectorOptions>, 'limits'> & { readonly limits: Partial<CollectorLimits> }

/** Reads the text of a collector's config file, or returns what is wrong with it. */
export function checkCollectorConfig(text: string, fileName: string, environment: Environment): CollectorConfig | Refused {
  const read = readByTable(collectorOptions, text, fileName, environment)
  if ('problems' in read) return read
  const config = read.value as CollectorConfig
  if (!config.tls && !config.behindProxy && !isLoopback(config.listen.host)) {
    read.reader.report('listen', `found ${config.listen.host} without tls and behindProxy`, 'allowed: 127.0.0.1, or one of those two set')
  }
  if ((config.folder === undefined) === (config.store === undefined)) {
    read.reader.report('folder', config.store === undefined ? 'found neither folder nor store' : 'found it beside store', 'allowed: one of the two')
  }
  if (config.direct && config.store === undefined) read.reader.report('direct', 'found yes without store', 'allowed: yes only with store: s3://…')
  return read.reader.problems.length > 0 ? { problems: read.reader.problems } : config
}
