import type { Command } from 'commander'
import type { Config } from '../../config/options.ts'
import type { CapStatus, Status } from '../../src/control/status.ts'
import type { NetworkState, PowerState } from '../../src/scheduler/conditions.ts'
import type { Decision } from '../../src/scheduler/gate.ts'
import type { ConfigOptions } from '../options.ts'
import { counted, type Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { headline, nextChange } from '../../src/scheduler/explain.ts'
import { because, listInWords, timeInWords, wrap } from '../../src/scheduler/words.ts'
import type { Clock } from '../../src/scheduler/words.ts'
import { percentUsed, useInWords } from '../cap-use.ts'
import { periodInWords } from '../cap-words.ts'
import { costInWords } from '../network-words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'

/** So that all of it stays one screen; the commands that list them show the rest. */
const maxListed = 4

export function register(program: Command, io: Io): void {
  describe(addJson(addConfig(program.command('status'))), 'Show what happens now, in one screen.', [
    ['sluice status', 'state, caps, what waits and what was sent'],
    ['sluice status --json', 'for a program'],
  ]).action((options: ConfigOptions) => status(options, io))
}

async function status(options: ConfigOptions, io: Io): Promise<void> {
  const { statusFor } = await import('../status-for.ts')
  const { config } = await configFor(options)
  const now = io.now()
  const found = await statusFor(config, now)
  if (!found) {
    io.result(options.json, { version: 1, device: config.device, destination: config.destination, queues: [] }, [
      'Sluice has not run on this state folder yet. Start it with: sluice run',
    ])
    return
  }
  io.result(options.json, found, statusLines(found, config.rate, { now, timeZone: config.timeZone }))
}

/** One screen: the answer first, then the facts behind it. */
export function statusLines(status: Status, rate: Config['rate'], clock: Clock): string[] {
  const { running, conditions: { power, network }, sent, backlog, plan } = status
  const change = nextChange(status, clock)
  const rows: (readonly [label: string, text: string])[] = [
    ['device', `${status.device}, to ${status.destination}`],
    ['service', running ? `running since ${timeInWords(running.startedAt, clock)} (process ${running.pid})` : 'not running'],
    ['power', `${powerInWords(power.value)} (${power.source})`],
    ['network', `${networkInWords(network.value, status.network)} (${network.source})`],
    ...sendingRows(status),
    // Folders are written to as fast as they take it.
    ...(/^https?:/.test(status.destination) ? [['rate', rateInWords(status, rate)] as const] : []),
    ['waiting', `${counted(backlog.packs, 'pack')}, ${formatBytes(backlog.bytes)}`],
    ['sent', `${formatBytes(status.today.usedBytes)} today; ${counted(sent.packs, 'pack')} so far, ${formatBytes(sent.packBytes)} for `
      + `${formatBytes(sent.rawBytes)} of captures${sent.lastAt === undefined ? '' : `, last ${timeInWords(sent.lastAt, clock)}`}`],
    ...capRows(status.caps, clock),
    ...(plan ? [['plan', `${formatBytes(plan.usedBytes)} of your ${formatBytes(plan.limitBytes)} used by this machine, the last `
      + `${formatBytes(plan.keepBytes)} are yours; starts again ${timeInWords(plan.end, clock)}`] as const] : []),
    ...(change === undefined ? [] : [['next', change] as const]),
  ]
  const isHeld = status.queues.some(({ decision }) => decision.reasons.length > 0)
  return [
    ...wrap(headline(status), 80, ''),
    '',
    ...rows.flatMap(([label, text]) => wrap(text, 80, ' '.repeat(10), label.padEnd(10))),
    ...(isHeld ? ['', 'Why? sluice why'] : []),
  ]
}

function powerInWords({ supply, percent, weakCharger, saver }: PowerState): string {
  return [
    `${supply}${percent === undefined ? '' : ` ${percent} %`}`,
    weakCharger ? 'weak charger' : '',
    saver === 'on' ? 'saving power' : '',
  ].filter(Boolean).join(', ')
}

function networkInWords({ cost, because }: NetworkState, named: Status['network']): string {
  return [...(named ? [named.name] : []), costInWords(cost), ...(because === undefined ? [] : [because])].join(', ')
}

/** `open`, `slowed` or `held` with the reasons, for groups of streams where they differ. */
function sendingRows({ queues }: Status): [string, string][] {
  const groups = [...Map.groupBy(queues, ({ decision }) => stateInWords(decision))]
  const rows = groups.map(([state, members]): [string, string] => {
    const streams = members.flatMap(({ streams }) => streams.length > 0 ? streams : ['captures of an earlier config'])
    return ['sending', groups.length > 1 ? `${state}: ${listInWords(streams)}` : state]
  })
  return rows.length <= maxListed ? rows : [...rows.slice(0, maxListed), ['', `and ${rows.length - maxListed} more: sluice why`]]
}

function stateInWords({ send, reasons, setAside }: Decision): string {
  const level = send === 'full' ? 'open' : send === 'trickle' ? 'slowed' : 'held'
  const codes = [...new Set(reasons.filter(({ holds }) => holds !== 'prepare').map(({ code }) => code))]
  const causes = codes.length === 0 ? '' : ` (${codes.map((code) => because[code]).join('; ')})`
  return `${level}${causes}${setAside.length > 0 ? ', as you asked to send now' : ''}`
}

function rateInWords({ queues }: Status, { maxBytesPerSecond, trickleBytesPerSecond, yields }: Config['rate']): string {
  const fullest = (['full', 'trickle', 'hold'] as const).find((level) => queues.some(({ decision }) => decision.send === level))
  if (fullest === 'hold' || fullest === undefined) return 'none now'
  const mostBytes = fullest === 'full' ? maxBytesPerSecond : trickleBytesPerSecond
  const most = mostBytes === undefined ? 'as fast as the line allows' : `at most ${formatBytes(mostBytes)}/s`
  return `${fullest === 'full' ? '' : 'a little, '}${most}${yields ? ', slower while you use the line' : ''}`
}

/** The caps that are nearest to their end. */
function capRows(caps: readonly CapStatus[], clock: Clock): [string, string][] {
  const rows = caps.toSorted((a, b) => percentUsed(b) - percentUsed(a)).map((cap): [string, string] => [
    'cap', `${formatBytes(cap.limitBytes)} per ${periodInWords(cap)}: ${useInWords(cap, clock)}`,
  ])
  return rows.length <= maxListed ? rows : [...rows.slice(0, maxListed), ['', `and ${rows.length - maxListed} more: sluice cap list`]]
}
