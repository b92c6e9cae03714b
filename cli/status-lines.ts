import type { Config } from '../config/options.ts'
import type { Progress } from '../src/control/api.ts'
import type { CapStatus, Status } from '../src/control/status.ts'
import type { NetworkState, PowerState } from '../src/scheduler/conditions.ts'
import type { Decision } from '../src/scheduler/gate.ts'
import type { Clock } from '../src/scheduler/words.ts'
import { formatBytes } from '../config/units.ts'
import { headline, nextChange } from '../src/scheduler/explain.ts'
import { because, listInWords, timeInWords, wrap } from '../src/scheduler/words.ts'
import { percentUsed, useInWords } from './cap-use.ts'
import { periodInWords } from './cap-words.ts'
import { costInWords } from './network-words.ts'
import { counted } from './output.ts'
import { bar, plain, type Look, type Style } from './paint.ts'

/** So that all of it stays one screen; the commands that list them show the rest. */
const maxListed = 4
const labelColumns = 10
const barColumns = { least: 10, most: 24 } as const
const warnPercent = 80

/** A label with what is said of it; a bar stands on a line of its own. */
interface Row {
  readonly label: string
  readonly text: string
  readonly bar?: { readonly part: number; readonly style: Style; readonly words: string }
}

/** One screen: the answer first, what it costs and when it changes, then the facts behind it. Pure. */
export function statusLines(status: Status, rate: Config['rate'], clock: Clock, look: Look = plain, progress?: Progress): string[] {
  const { backlog } = status
  const change = nextChange(status, clock)
  const isHeld = status.queues.some(({ decision }) => decision.reasons.length > 0)
  const answer: Row[] = [
    ...sendingRows(status),
    ...(progress && progress.packBytes > 0 ? [progressRow(progress)] : []),
    { label: 'today', text: `${formatBytes(status.today.usedBytes)} sent` },
    ...capRows(status.caps, clock),
    { label: 'waiting', text: backlog.packs === 0 ? 'nothing' : `${counted(backlog.packs, 'pack')}, ${formatBytes(backlog.bytes)}` },
    ...(change === undefined ? [] : [{ label: 'next', text: change }]),
  ]
  return [
    ...wrap(headline(status), look.columns, '').map((line) => look.paint('bold', look.paint(mood(status), line))),
    '',
    ...answer.flatMap((row) => rowLines(row, look)),
    '',
    ...facts(status, rate, clock).flatMap((row) => rowLines(row, look)),
    ...(isHeld ? ['', look.paint('dim', 'Why? sluice why')] : []),
  ]
}

function mood({ running, queues }: Status): Style {
  if (!running) return 'red'
  return queues.every(({ decision }) => decision.send === 'full') ? 'green' : 'yellow'
}

function facts({ conditions: { power, network }, running, sent, plan, ...status }: Status, rate: Config['rate'], clock: Clock): Row[] {
  return [
    { label: 'power', text: `${powerInWords(power.value)} (${power.source})` },
    { label: 'network', text: `${networkInWords(network.value, status.network)} (${network.source})` },
    // Folders are written to as fast as they take it.
    ...(/^https?:/.test(status.destination) ? [{ label: 'rate', text: rateInWords(status, rate) }] : []),
    { label: 'sent', text: `${counted(sent.packs, 'pack')} so far, ${formatBytes(sent.packBytes)} for `
      + `${formatBytes(sent.rawBytes)} of captures${sent.lastAt === undefined ? '' : `, last ${timeInWords(sent.lastAt, clock)}`}` },
    ...(plan ? [{ label: 'plan', text: `${formatBytes(plan.usedBytes)} of your ${formatBytes(plan.limitBytes)} used by this machine, the last `
      + `${formatBytes(plan.keepBytes)} are yours; starts again ${timeInWords(plan.end, clock)}` }] : []),
    { label: 'service', text: running ? `running since ${timeInWords(running.startedAt, clock)} (process ${running.pid})` : 'not running' },
    { label: 'device', text: `${status.device}, to ${status.destination}` },
  ]
}

function rowLines({ label, text, bar: shown }: Row, look: Look): string[] {
  const { columns, paint } = look
  const indent = ' '.repeat(labelColumns)
  const [first = '', ...rest] = wrap(text, columns, indent, label.padEnd(labelColumns))
  const lines = [paint('dim', first.slice(0, labelColumns)) + first.slice(labelColumns), ...rest]
  if (!shown) return lines
  const width = Math.max(barColumns.least, Math.min(barColumns.most, columns - labelColumns - shown.words.length - 1))
  return [...lines, `${indent}${paint(shown.style, bar(shown.part, width, look))} ${shown.words}`]
}

function progressRow({ sentBytes, packBytes }: Progress): Row {
  const part = sentBytes / packBytes
  return { label: 'moving', text: `${formatBytes(sentBytes)} of ${formatBytes(packBytes)}`, bar: { part, style: 'green', words: `${Math.floor(part * 100)} %` } }
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
function sendingRows({ queues }: Status): Row[] {
  const groups = [...Map.groupBy(queues, ({ decision }) => stateInWords(decision))]
  const rows = groups.map(([state, members]): Row => {
    const streams = members.flatMap(({ streams }) => streams.length > 0 ? streams : ['captures of an earlier config'])
    return { label: 'sending', text: groups.length > 1 ? `${state}: ${listInWords(streams)}` : state }
  })
  return rows.length <= maxListed ? rows : [...rows.slice(0, maxListed), { label: '', text: `and ${rows.length - maxListed} more: sluice why` }]
}

function stateInWords({ send, reasons, setAside }: Decision): string {
  const level = send === 'full' ? 'open' : send === 'trickle' ? 'slowed' : 'held'
  const codes = [...new Set(reasons.filter(({ holds }) => holds !== 'prepare').map(({ code }) => code))]
  const causes = codes.length === 0 ? '' : ` (${codes.map((code) => because[code]).join('; ')})`
  return `${level}${causes}${setAside.length > 0 ? ', as you asked to send now' : ''}`
}

function rateInWords({ queues }: Pick<Status, 'queues'>, { maxBytesPerSecond, trickleBytesPerSecond, yields }: Config['rate']): string {
  const fullest = (['full', 'trickle', 'hold'] as const).find((level) => queues.some(({ decision }) => decision.send === level))
  if (fullest === 'hold' || fullest === undefined) return 'none now'
  const mostBytes = fullest === 'full' ? maxBytesPerSecond : trickleBytesPerSecond
  const most = mostBytes === undefined ? 'as fast as the line allows' : `at most ${formatBytes(mostBytes)}/s`
  return `${fullest === 'full' ? '' : 'a little, '}${most}${yields ? ', slower while you use the line' : ''}`
}

/** The caps that are nearest to their end, the first with a bar: one for each would not fit a screen of 24 lines. */
function capRows(caps: readonly CapStatus[], clock: Clock): Row[] {
  const rows = caps.toSorted((a, b) => percentUsed(b) - percentUsed(a)).map((cap, index): Row => {
    const percent = percentUsed(cap)
    return {
      label: 'cap',
      text: `${formatBytes(cap.limitBytes)} per ${periodInWords(cap)}: ${useInWords(cap, clock)}`,
      ...(index === 0 && { bar: { part: cap.usedBytes / cap.limitBytes, style: percent >= 100 ? 'red' : percent >= warnPercent ? 'yellow' : 'green', words: `${percent} %` } }),
    }
  })
  return rows.length <= maxListed ? rows : [...rows.slice(0, maxListed), { label: '', text: `and ${rows.length - maxListed} more: sluice cap list` }]
}
