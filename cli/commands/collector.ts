import type { Command } from 'commander'
import type { CollectorConfig } from '../../config/collector-options.ts'
import type { DeviceState } from '../../src/collector/overview.ts'
import type { OutputOptions } from '../options.ts'
import { formatBytes, formatDuration, parseDuration } from '../../config/units.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { isDeviceName } from '../../src/pack/header.ts'
import { addJson, describe } from '../options.ts'
import { table, type Io } from '../output.ts'

interface PlaceOptions extends OutputOptions {
  readonly folder?: string
  readonly config?: string
}

interface RunOptions extends PlaceOptions {
  readonly listen?: string
}

interface TokenOptions extends PlaceOptions {
  readonly device?: string
  readonly uses: string
  readonly expires: string
  readonly create?: boolean
}

/** A token that nobody used for so long was forgotten in some file. */
const longestTokenMs = 365 * 24 * 3600_000
const mostUses = 10_000

export function register(program: Command, io: Io): void {
  const group = addPlace(program.command('collector'))
    .option('--listen <address>', 'address and port (default: 127.0.0.1:8080)')
  describe(group, 'Run the server that devices send to.', [
    ['sluice collector --folder /srv/packs', 'for this machine, at http://127.0.0.1:8080/'],
    ['sluice collector --config collector.yaml', 'with TLS, quotas, metrics: docs/collector.md'],
    ['sluice collector token --folder /srv/packs', 'lets one device enrol, within a week'],
    ['sluice collector devices --folder /srv/packs', 'who sends, how far, when last'],
  ]).action((options: RunOptions) => run(options, io))

  const token = addPlace(group.command('token'))
    .option('--device <name>', 'only for this device; also lets it enrol again')
    .option('--uses <count>', 'how many devices may use it', '1')
    .option('--expires <duration>', 'how long it can be used', '7d')
    .option('--create', 'also where no collector has run yet')
  describe(addJson(token), 'Make a token with which a device enrols.', [
    ['sluice collector token --folder /srv/packs --uses 200 --expires 30d', 'one token for a roll-out'],
    ['sluice collector token --folder /srv/packs --device laptop-17', 'laptop-17 enrols, or enrols again'],
  ]).action((options: TokenOptions) => makeToken(options, io))

  const devices = addPlace(group.command('devices'))
  describe(addJson(devices), 'List the devices that have enrolled.', [
    ['sluice collector devices --folder /srv/packs', 'head, size, last pack, last request'],
  ]).action((options: PlaceOptions) => list(options, io))
  const revoke = addPlace(devices.command('revoke').argument('<name>', 'as `devices` lists it'))
  describe(addJson(revoke), 'Refuse a device from now on. What it has sent stays.', [
    ['sluice collector devices revoke laptop-17 --folder /srv/packs', 'a running collector notices within seconds'],
  ]).action((name: string, options: PlaceOptions) => revokeDevice(name, options, io))
}

function addPlace(command: Command): Command {
  return command
    .option('--folder <path>', 'where packs are kept')
    .option('--config <file>', 'the collector’s config file, in place of the others')
}

async function run(options: RunOptions, io: Io): Promise<void> {
  const config = await configFor(options)
  const [{ runCollector }, { collectorCatalogue }] = await Promise.all([import('../../daemon/run-collector.ts'), import('../../src/observe/collector-events.ts')])
  await runCollector(config, (event) => {
    io.result(true, { time: new Date(io.now()).toISOString(), level: collectorCatalogue[event.event].level, ...event }, [])
  })
}

async function makeToken(options: TokenOptions, io: Io): Promise<void> {
  const { device, uses: usesText, expires } = options
  const uses = /^\d{1,5}$/.test(usesText) ? Number(usesText) : 0
  if (uses < 1 || uses > mostUses) throw usage(`--uses takes a number from 1 to ${mostUses}`)
  const lifeMs = parseDuration(expires) ?? 0
  if (lifeMs <= 0 || lifeMs > longestTokenMs) throw usage('--expires takes a duration such as 7d, up to 365d')
  if (device !== undefined && !isDeviceName(device)) throw usage(`"${device}" is no name of a device`)
  const { accounts } = await open(options, io)
  const expiresAt = io.now() + lifeMs
  const token = await accounts.makeToken({ ...(device !== undefined && { device }), uses, expiresAt })
  io.result(options.json, { version: 1, token, uses, expiresAt, ...(device !== undefined && { device }) }, [token])
  if (options.json) return
  io.note(`For ${device ?? (uses === 1 ? 'one device' : `${uses} devices`)}, within ${formatDuration(lifeMs)}. It is shown this once.`)
}

async function list(options: PlaceOptions, io: Io): Promise<void> {
  const { store, accounts } = await open(options, io)
  const { overview } = await import('../../src/collector/overview.ts')
  const devices = await overview(store, accounts)
  io.result(options.json, { version: 1, devices }, devices.length === 0 ? ['No device has enrolled.'] : deviceTable(devices, io.now()))
}

function deviceTable(devices: readonly DeviceState[], now: number): string[] {
  const ago = (time: number | undefined): string => time === undefined ? 'never' : `${formatDuration(Math.max(0, Math.floor((now - time) / 1000) * 1000))} ago`
  return table([
    ['device', 'head', 'size', 'last pack', 'last seen', 'state'],
    ...devices.map(({ device, headSeq, bytes, lastPackAt, lastSeenAt, revokedAt }) => [
      device, String(headSeq), formatBytes(bytes), ago(lastPackAt), ago(lastSeenAt), revokedAt === undefined ? 'enrolled' : 'revoked',
    ]),
  ], 80)
}

async function revokeDevice(name: string, options: PlaceOptions, io: Io): Promise<void> {
  if (!isDeviceName(name)) throw usage(`"${name}" is no name of a device`)
  const { accounts } = await open(options, io)
  if (!await accounts.revoke(name)) throw usage(`${name} has not enrolled here; see sluice collector devices`)
  io.result(options.json, { version: 1, device: name, revoked: true }, [`${name} is refused from now on. What it has sent stays.`])
}

/** The store of a collector. A path that was mistyped must not become a new one, in which nobody has enrolled. */
async function open(options: PlaceOptions & Pick<TokenOptions, 'create'>, io: Io) {
  const config = await configFor(options)
  const { isCollected, openAccounts, openStore } = await import('../../daemon/run-collector.ts')
  if (config.folder !== undefined && !options.create && !await isCollected(config.folder)) {
    throw usage(`No collector has run on ${config.folder}. Check the path, or start the collector first; \`token --create\` does not wait for it`)
  }
  const store = await openStore(config)
  return { store, accounts: openAccounts(store, (error) => { io.note(`sluice: ${error.message}`) }) }
}

async function configFor({ config, folder, listen }: RunOptions): Promise<CollectorConfig> {
  if ((config === undefined) === (folder === undefined)) throw usage('Name either --folder or --config')
  if (config !== undefined && listen !== undefined) throw usage('With --config, the address stands in the file')
  const [{ checkCollectorConfig }, { loadBy, readBy }] = await Promise.all([
    import('../../config/collector-options.ts'), import('../../config/load.ts'),
  ])
  if (config !== undefined) return await loadBy(config, checkCollectorConfig)
  if (listen !== undefined) await checkListen(listen)
  // As JSON, which is YAML, so that any path can be written.
  return readBy(JSON.stringify({ folder, ...(listen !== undefined && { listen }) }), 'the command line', checkCollectorConfig)
}

async function checkListen(listen: string): Promise<void> {
  const { isLoopback, parseListenAddress } = await import('../../src/collector/listen-address.ts')
  const address = parseListenAddress(listen)
  if (!address) throw usage('--listen takes an address and a port such as 127.0.0.1:8080')
  if (isLoopback(address.host)) return
  throw usage(`--listen ${listen} would let anybody on the way read credentials, as there is no TLS. Listen on 127.0.0.1, `
    + 'or use --config with a file that sets folder, listen, and tls, or behindProxy where a proxy ends TLS')
}

function usage(message: string): SluiceError {
  return new SluiceError('usage', `${message}. See: sluice collector --help`)
}
