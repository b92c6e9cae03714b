import type { Config } from '../../config/options.ts'
import type { Emit, SluiceEvent } from '../../src/observe/events.ts'
import type { NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { SettableSensor } from '../../src/scheduler/sensor.ts'
import { writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { loadConfig } from '../../config/load.ts'
import { formatBytes } from '../../config/units.ts'
import { assemble } from '../../daemon/assemble.ts'
import { updateSettings } from '../../src/journal/settings.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { settable } from '../../src/scheduler/sensor.ts'
import { wrap } from '../../src/scheduler/words.ts'
import { type CaptureTotals, runCaptureTool } from './capture-tool.ts'
import { compareFolders, rebuildInto } from './compare.ts'
import { startOffice, type Office, type Resumed } from './office.ts'
import { columns, Story } from './story.ts'

const device = 'demo'

/** Small enough that the half minute reaches it. */
const capBytes = 350_000

export interface DemoOptions {
  readonly folder: string
  readonly seconds: number
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

export interface DemoResult {
  readonly capturedFiles: number
  readonly capturedBytes: number
  readonly packs: number
  readonly packBytes: number
  /** Milliseconds for which each reason held sending. */
  readonly heldMs: Readonly<Record<string, number>>
  readonly same: number
  readonly different: number
}

/** What happens to the person's machine, as shares of the demo's length. Each spell is seen in the output with its reason. */
const spells = { pause: [0.2, 0.33], unplugged: [0.43, 0.56], metered: [0.64, 0.77] } as const
/** From here on the next upload that is large enough is cut in its middle. */
const cutAt = 0.03

interface Machine {
  readonly power: SettableSensor<PowerState>
  readonly network: SettableSensor<NetworkState>
}

/** Plays the demo and tells it line by line. Leaves captures, packs and the rebuilt copy in `folder`. */
export async function playDemo({ folder, seconds, say, signal }: DemoOptions): Promise<DemoResult> {
  const story = new Story(say, Date.now)
  const machine: Machine = {
    power: settable<PowerState>({ supply: 'mains', saver: 'off' }, Date.now, 'demo'),
    network: settable<NetworkState>({ cost: 'free' }, Date.now, 'demo'),
  }
  const tokenFile = join(folder, 'token')
  await using office = await startOffice({
    folder: join(folder, 'collector'), device, tokenFile,
    onCut: () => story.line('the connection is cut in the middle of a pack'),
    onResumed: (resumed) => tellResumed(story, resumed),
  })
  const config = await writeConfig(folder, office.url, tokenFile)
  updateSettings(config.stateFolder, (settings) => ({ ...settings, caps: [{ id: 'day', limitBytes: capBytes, per: 'day' }] }))
  say(`A simulated person works for ${seconds} seconds;`)
  say('Sluice captures, packs and sends to a collector on this machine.')
  say(`Everything is in ${folder}`)
  say('')
  story.line(`captures begin: on the charger, free network, a cap of ${formatBytes(capBytes)} per day`)
  const totals = await work({ config, machine, office, story, seconds, signal, folder })
  story.line('the work is done, and you lift the cap (sluice cap remove): what waits may go')
  updateSettings(config.stateFolder, (settings) => ({ ...settings, caps: [] }))
  await finish(config, machine, story, signal)
  story.end()
  return await conclude(folder, totals, story, say)
}

function tellResumed(story: Story, { packBytes, keptBytes, arrivedBytes }: Resumed): void {
  const twice = arrivedBytes - packBytes
  story.line(`  it went on at byte ${keptBytes} of ${packBytes}; ${twice === 0 ? 'no byte' : formatBytes(twice)} arrived twice`)
}

async function writeConfig(folder: string, address: string, tokenFile: string): Promise<Config> {
  const stream = (name: string, rest: string): string => `  - { name: ${name}, path: captures/${name}, purpose: demo, ${rest} }\n`
  const path = join(folder, 'sluice.yaml')
  const text = '# The config of the demo; paths begin at this file’s folder.\n'
    + `device: ${device}\nstate: state\nstreams:\n`
    + ['pointer', 'keys', 'menus', 'workflow'].map((name) => stream(name, 'files: append')).join('')
    + stream('screens', 'files: whole, include: "*.png"')
    + `destination: ${address}\n`
    + `enrolment: { tokenFile: ${JSON.stringify(tokenFile)} }\n`
    + 'seal: { size: 256 KiB, age: 1s }\n'
  await writeFile(path, text)
  return (await loadConfig(path)).config
}

interface Work {
  readonly config: Config
  readonly machine: Machine
  readonly office: Office
  readonly story: Story
  readonly seconds: number
  readonly signal: AbortSignal
  readonly folder: string
}

/** The service runs, the capture tool writes, and the machine's conditions change. */
async function work({ config, machine, office, story, seconds, signal, folder }: Work): Promise<CaptureTotals> {
  const stop = new AbortController()
  const stopped = AbortSignal.any([signal, stop.signal])
  await using running = await assemble({ config, emit: teller(story), sensors: machine })
  const service = running.service.run(stopped)
  const life = playSpells({ config, machine, office, story, seconds, signal: stopped })
  const totals = await runCaptureTool({ folder: join(folder, 'captures'), seconds, signal })
  await sleep(config.seal.ageMs * 2, undefined, { signal }).catch(() => undefined)
  stop.abort('the demo')
  await Promise.all([service, life])
  if (signal.aborted) throw new SluiceError('aborted', `stopped; everything so far is in ${folder}`)
  return totals
}

async function playSpells({ config, machine, office, story, seconds, signal }: Omit<Work, 'folder'>): Promise<void> {
  const start = Date.now()
  const at = (share: number): Promise<void> => sleep(Math.max(0, start + share * seconds * 1000 - Date.now()), undefined, { signal })
  try {
    await at(cutAt)
    office.cutNext()
    await at(spells.pause[0])
    const until = start + Math.round(spells.pause[1] * seconds * 1000)
    story.line(`you pause for ${Math.round((until - Date.now()) / 1000)} s (sluice pause)`)
    updateSettings(config.stateFolder, (settings) => ({ ...settings, pause: { since: Date.now(), until, captures: 'hold' } }))
    await at(spells.unplugged[0])
    story.line('the charger is unplugged; the battery is at 32 %')
    machine.power.set({ supply: 'battery', percent: 32, saver: 'off' })
    await at(spells.unplugged[1])
    story.line('the charger is back')
    machine.power.set({ supply: 'mains', saver: 'off' })
    await at(spells.metered[0])
    story.line('the laptop moves to a phone’s hotspot')
    machine.network.set({ cost: 'metered' })
    await at(spells.metered[1])
    story.line('back on free Wi-Fi')
    machine.network.set({ cost: 'free' })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

/** Takes and sends what is left, with a service of its own: the first one was stopped as at a shutdown. */
async function finish(config: Config, machine: Machine, story: Story, signal: AbortSignal): Promise<void> {
  await using running = await assemble({ config, emit: teller(story), sensors: machine })
  await running.service.once(signal)
  if (signal.aborted) throw new SluiceError('aborted', 'stopped; what was sealed is kept')
}

function teller(story: Story): Emit {
  return (event: SluiceEvent) => {
    if (event.event === 'pack.sent') story.sent(event.packBytes)
    else if (event.event === 'send.held') story.held(event.reasons, event.backlogBytes)
    else if (event.event === 'send.resumed') story.resumed()
    else if (event.event === 'service.failed' || event.event === 'send.failed') story.line(event.message)
  }
}

async function conclude(folder: string, totals: CaptureTotals, story: Story, say: (line: string) => void): Promise<DemoResult> {
  const rebuilt = join(folder, 'rebuilt')
  const { problems } = await rebuildInto(join(folder, 'collector'), device, rebuilt)
  const { same, different } = await compareFolders(join(folder, 'captures'), rebuilt)
  const wrong = different + problems
  const capturedFiles = Object.values(totals).reduce((sum, { files }) => sum + files, 0)
  const capturedBytes = Object.values(totals).reduce((sum, { bytes }) => sum + bytes, 0)
  const saved = Math.round((1 - story.packBytes / capturedBytes) * 100)
  const held = Object.entries(story.heldMs).map(([code, ms]) => `${(ms / 1000).toFixed(0)} s ${code}`)
  // Installed, the command has a name of its own.
  const command = basename(process.argv[1] ?? '') === 'launch.mjs' ? 'node cli/launch.mjs' : 'sluice'
  const lines = [
    '',
    `captured  ${formatBytes(capturedBytes)} in ${capturedFiles} files`,
    `sent      ${formatBytes(story.packBytes)} in ${story.packs} packs, manifests included`,
    `saved     ${formatBytes(capturedBytes - story.packBytes)}, ${saved} %`,
    ...wrap(held.join(', '), columns, ' '.repeat(10), 'held      '),
    wrong === 0 ? `rebuilt   ${same} files from the packs alone: every one equal, byte for byte` : `rebuilt   ${wrong} files DIFFER from what was captured`,
    '',
    'Where to look next:',
    `  ${command} verify ${join(folder, 'collector')}`,
    `  ${command} status --config ${join(folder, 'sluice.yaml')}`,
    `  ${join(folder, 'captures', 'screens')}   what was captured`,
    '  README.md to use it on folders of your own',
  ]
  lines.forEach(say)
  return { capturedFiles, capturedBytes, packs: story.packs, packBytes: story.packBytes, heldMs: story.heldMs, same, different: wrong }
}
