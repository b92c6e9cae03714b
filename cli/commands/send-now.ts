import type { Command } from 'commander'

import type { Config } from '../../config/options.ts'
import type { Status } from '../../src/control/status.ts'
import type { Reason } from '../../src/scheduler/gate.ts'
import { formatBytes, parseDuration } from '../../config/units.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { sendingFaults } from '../../src/scheduler/faults.ts'
import { reasons } from '../../src/scheduler/reasons.ts'
import { because, timeInWords, wrap } from '../../src/scheduler/words.ts'
import { costInWords } from '../network-words.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'
import type { ConfigOptions } from '../options.ts'
import { counted } from '../output.ts'
import { serviceOfOthers } from '../service-at.ts'
import type { Io } from '../output.ts'

/** Long enough for a day's captures over a slow line. */
const defaultMs = 30 * 60_000

/** Somebody who asks for longer should change the rules instead. */
const longestMs = 86_400_000

interface SendNowOptions extends ConfigOptions {
  readonly for?: string
  readonly yes?: true
  readonly stop?: true
}

/** What sending now would mean. */
interface Preview {
  readonly waiting: Status['backlog']
  /** Most bytes that may be sent; missing without caps. */
  readonly mostBytes?: number
  readonly setAside: readonly Reason[]
  readonly stays: readonly Reason[]
  /** What failed and is tried again at once. */
  readonly tried: readonly Reason[]
  /** Whether anything may be sent at all. */
  readonly sends: boolean
}

export function register(program: Command, io: Io): void {
  const command = program.command('send-now')
    .option('--for <time>', 'how long, at most 24h (default: 30m)')
    .option('--yes', 'do not ask')
    .option('--stop', 'take it back')
  describe(addJson(addConfig(command)), 'Send what waits now, although it is inconvenient. Caps and pauses still count.', [
    ['sluice send-now', 'shows what it would cost, then asks'],
    ['sluice send-now --for 2h --yes', 'for a script'],
    ['sluice send-now --stop', 'the usual rules again'],
  ]).action((options: SendNowOptions) => (options.stop ? stop(options, io) : sendNow(options, io)))
}

async function sendNow(options: SendNowOptions, io: Io): Promise<void> {
  const lasting = options.for === undefined ? defaultMs : parseDuration(options.for)
  if (!lasting || lasting > longestMs) {
    throw new SluiceError('usage', `"${options.for}" is no time to send: allowed are 30m, 2h, 1h30m (at most 24h)`)
  }
  const { config } = await configFor(options)
  const service = await serviceOfOthers(config)
  const asked = io.now()
  const status = service ? await service.call('GET /v1/status', { sendNowMs: lasting }) : await statusWith(config, asked, lasting)
  if (!status) {
    throw new SluiceError('usage', 'Sluice has not run on this state folder yet, so nothing waits. Start it with: sluice run')
  }
  const preview = previewOf(status)
  const clock = { now: asked, timeZone: config.timeZone }
  const { setAside, stays, tried } = preview
  const shape = {
    version: 1, ...preview, network: status.conditions.network.value,
    setAside: setAside.map(({ code }) => code), stays: stays.map(({ code }) => code), tried: tried.map(({ code }) => code),
  }
  if (!preview.sends || (setAside.length === 0 && tried.length === 0)) {
    const why = preview.sends
      ? 'Nothing needs to be set aside: what waits is sent anyway.'
      : 'It would still be held, so nothing was changed.'
    io.result(options.json, { ...shape, sendNow: null }, [...cost(status, preview), '', why])
    if (!preview.sends) io.exit(75)
    return
  }
  if (!options.yes && !await confirm(options, [...cost(status, preview), ''], io)) {
    io.note('Nothing was changed.')
    io.exit(1)
    return
  }
  const since = io.now()
  if (service) {
    await service.call('POST /v1/send-now', { forMs: lasting })
  } else {
    const { updateSettings } = await import('../../src/journal/settings.ts')
    updateSettings(config.stateFolder, (settings) => ({ ...settings, sendNow: { since, until: since + lasting } }))
  }
  io.result(options.json, { ...shape, sendNow: { since, until: since + lasting } }, [
    ...(options.yes ? cost(status, preview) : []),
    `Sending now, until ${timeInWords(since + lasting, clock)}. To take it back: sluice send-now --stop`,
    ...(status.running ? [] : ['Sluice is not running; it counts once it is: sluice run']),
  ])
}

/** The status as it would be with the wish. */
async function statusWith(config: Config, since: number, forMs: number): Promise<Status | undefined> {
  const { statusFor } = await import('../status-for.ts')
  return await statusFor(config, since, (settings) => ({ ...settings, sendNow: { since, until: since + forMs } }))
}

/** Shows the cost and asks. Throws `usage` where nobody can be asked. */
async function confirm({ json }: SendNowOptions, lines: readonly string[], io: Io): Promise<boolean> {
  if (!json) for (const line of lines) io.note(line)
  const answer = json ? undefined : await io.ask('Send now?')
  if (answer === undefined) throw new SluiceError('usage', 'nobody can be asked here: add --yes to send now')
  return answer
}

async function stop(options: SendNowOptions, io: Io): Promise<void> {
  const [{ config }, { updateSettings }] = await Promise.all([configFor(options), import('../../src/journal/settings.ts')])
  const service = await serviceOfOthers(config)
  let was = false
  if (service) was = (await service.call('POST /v1/send-now', { forMs: 0 })).was
  else updateSettings(config.stateFolder, ({ sendNow, ...rest }) => {
    was = sendNow !== undefined && sendNow.until > io.now()
    return rest
  })
  io.result(options.json, { version: 1, sendNow: null, was }, [was ? 'The usual rules count again.' : 'You had not asked to send now.'])
}

function previewOf({ queues, backlog }: Status): Preview {
  const distinct = (found: readonly Reason[]): Reason[] =>
    [...new Map(found.map((reason) => [`${reason.code} ${reason.evidence}`, reason])).values()]
  const forSending = ({ holds, level }: Reason): boolean => holds !== 'prepare' && level === 'hold'
  const mostBytes = Math.max(0, ...queues.map(({ decision }) => decision.maxBytes))
  const isTried = ({ code }: Reason): boolean => sendingFaults.some((fault) => fault === code)
  const holding = queues.map(({ decision }) => decision.reasons.filter(forSending))
  return {
    waiting: backlog,
    ...(Number.isFinite(mostBytes) && { mostBytes }),
    setAside: distinct(queues.flatMap(({ decision }) => decision.setAside)),
    stays: distinct(holding.flat().filter((reason) => !isTried(reason))),
    tried: distinct(holding.flat().filter(isTried)),
    sends: holding.some((found) => found.every(isTried)),
  }
}

function cost({ conditions, network }: Status, { waiting, mostBytes, setAside, stays, tried }: Preview): string[] {
  const { value: { cost, because: sign } } = conditions.network
  const where = `${network ? `${network.name}, ` : ''}${costInWords(cost)}${sign === undefined ? '' : ` (${sign})`}`
  return [
    `waiting   ${formatBytes(waiting.bytes)} in ${counted(waiting.packs, 'pack')}, and what is captured meanwhile`,
    `network   ${where}`,
    `at most   ${mostBytes === undefined ? 'no cap limits it' : `${formatBytes(mostBytes)}, by your data caps`}`,
    ...setAside.flatMap(({ code, evidence }) => wrap(`${because[code]} (${evidence})`, 80, ' '.repeat(10), 'set aside ')),
    ...tried.flatMap(({ code, evidence }) => wrap(`${because[code]} (${evidence})`, 80, ' '.repeat(10), 'tried now ')),
    ...stays.flatMap(({ code, evidence }) =>
      wrap(`${because[code]} (${evidence}). ${reasons[code].action}`, 80, ' '.repeat(10), 'stays     ')),
  ]
}
