import { existsSync, readFileSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { loopProbe, type LoopProbe } from './loop-delay.ts'
import { measureOk, type Usage } from './measure.ts'
import type { Contender, Installed } from './peers.ts'
import { startSluiceService } from './sluice-service.ts'
import { bytesBelow, compareTrees, sameBytes, samePixels } from './trees.ts'

/** A stream as the config file has it; `folder` is relative to the bench's source folder. */
export interface StreamConfig {
  readonly name: string
  readonly folder: string
  readonly files: 'append' | 'whole'
  readonly fidelity?: 'bytes' | 'pixels'
}

const project = join(import.meta.dirname, '..', '..')
const launcher = join(project, 'cli', 'launch.mjs')
const pinnedNode = join(project, 'node_modules', '.bin', 'node')
const device = 'bench'

/** `sluice …` as it is installed: the pinned Node.js runs the launcher, with no npm in between. */
export function sluiceArgv(...args: string[]): string[] {
  return [existsSync(pinnedNode) ? pinnedNode : process.execPath, launcher, ...args]
}

/** The project's version and the Node.js that runs it, or undefined when there is no launcher yet. */
export async function sluiceVersion(): Promise<string | undefined> {
  if (!existsSync(launcher)) return undefined
  const [node = ''] = sluiceArgv()
  const { stdout } = await measureOk({ argv: [node, '--version'] })
  const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { version: string }
  return `${version} on Node.js ${stdout.trim()}`
}

export interface SluicePlaces {
  readonly config: string
  readonly destination: string
  /** Set as HOME, so that nothing of the person's own settings is read or written. */
  readonly home: string
}

interface SluiceSettings {
  readonly sensors: boolean
  readonly effort?: number | undefined
  /** As the config has it. */
  readonly sealAge?: string
}

/**
 * Writes a config with a folder destination. `sensors: false` fixes the conditions to mains and a free network, so that
 * a bench gives the same figures on a laptop that is unplugged.
 */
export async function writeSluiceConfig(
  source: string, work: string, streams: readonly StreamConfig[], { sensors, effort, sealAge }: SluiceSettings,
): Promise<SluicePlaces> {
  const places = { config: join(work, 'config.yaml'), destination: join(work, 'destination'), home: join(work, 'home') }
  await mkdir(places.home)
  await mkdir(places.destination)
  const config = {
    device,
    state: join(work, 'state'),
    streams: streams.map(({ name, folder, files, fidelity = 'bytes' }) => ({ name, path: join(source, folder), purpose: 'benchmark', files, fidelity })),
    ...(effort !== undefined && { effort }),
    ...(sealAge !== undefined && { seal: { age: sealAge } }),
    destination: `file://${places.destination}`,
    ...(sensors ? {} : { conditions: { power: 'mains', network: 'free' } }),
  }
  await writeFile(places.config, stringify(config))
  return places
}

/** Sluice itself, as `chooseContenders` takes it. */
export const sluiceInstalled: Installed = {
  name: 'sluice', install: 'cli/launch.mjs is missing from this tree', version: sluiceVersion,
}

interface SluiceContender {
  readonly effort?: number | undefined
  /** With a probe that tells how long the main loop was blocked. */
  readonly isProbed?: true
}

/** Sluice as it is used: a service that keeps running and seals a pack when it has taken what is new. */
export function sluiceContender(streams: readonly StreamConfig[], options: SluiceContender): Contender {
  const { effort, isProbed } = options
  return {
    ...sluiceInstalled,
    name: isProbed ? 'sluice-probed' : 'sluice',
    start: async ({ source, work }) => {
      const places = await writeSluiceConfig(source, work, streams, { sensors: false, effort, sealAge: '1s' })
      const probe = isProbed && loopProbe(work)
      const service = await startSluiceService(places, probe)
      return {
        run: () => service.run(),
        storedBytes: async () => {
          await service.stop()
          return bytesBelow(places.destination)
        },
        verify: () => verifySluice(streams, source, work, places),
        ...(probe && { loopDelay: () => probe.read() }),
      }
    },
  }
}

/** Sluice as the peers are used: `run --once` for each run. */
export function sluiceOnceContender(streams: readonly StreamConfig[], options: SluiceContender): Contender {
  const { effort, isProbed } = options
  return {
    ...sluiceInstalled,
    name: 'sluice-once',
    start: async ({ source, work }) => {
      const places = await writeSluiceConfig(source, work, streams, { sensors: false, effort })
      const probe = isProbed && loopProbe(work)
      return {
        run: () => runOnce(places, probe),
        storedBytes: () => bytesBelow(places.destination),
        verify: () => verifySluice(streams, source, work, places),
        ...(probe && { loopDelay: () => probe.read() }),
      }
    },
  }
}

/** `sluice run --once` to its end. Throws when it fails, or when anything is held. */
export function runOnce({ config, home }: SluicePlaces, probe?: LoopProbe): Promise<Usage> {
  return measureOk({ argv: sluiceArgv('run', '--config', config, '--once'), env: { HOME: home, ...probe?.env } })
}

/** `pull` into `work`, and a comparison of every byte, or pixel: says what was compared, or throws. */
export async function verifySluice(
  streams: readonly StreamConfig[], source: string, work: string, { destination, home }: SluicePlaces,
): Promise<string> {
  const out = join(work, 'pulled')
  await measureOk({ argv: sluiceArgv('pull', `file://${destination}`, out, '--device', device), env: { HOME: home } })
  return compareStreams(streams, source, out)
}

async function compareStreams(streams: readonly StreamConfig[], source: string, out: string): Promise<string> {
  const metadata: string[] = []
  for (const { name, folder, fidelity } of streams) {
    const pulled = [join(out, name), join(out, device, name)].find((path) => existsSync(path))
    if (pulled === undefined) throw new Error(`stream ${name} is missing from what sluice pull wrote`)
    const difference = await compareTrees(join(source, folder), pulled, fidelity === 'pixels' ? samePixels : sameBytes)
    if (difference.content.length > 0) {
      throw new Error(`stream ${name}: sluice pull differs from the source\n${difference.content.slice(0, 5).join('\n')}`)
    }
    metadata.push(...difference.metadata)
  }
  const times = metadata.length === 0 ? 'modes and times too' : `${metadata.length} modes or times differ`
  const pixels = streams.filter(({ fidelity }) => fidelity === 'pixels').map(({ name }) => name)
  const except = pixels.length === 0 ? '' : `, ${pixels.join(' and ')} pixel for pixel as sharp reads them`
  return `sluice pull equals the source byte for byte${except}; ${times}`
}
