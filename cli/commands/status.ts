import type { Command } from 'commander'
import type { Status } from '../../src/control/status.ts'
import type { ConfigOptions } from '../options.ts'
import { counted, type Io } from '../output.ts'
import { formatBytes } from '../../config/units.ts'
import { clockText } from '../clock.ts'
import { addConfig, addJson, configFor, describe } from '../options.ts'

export function register(program: Command, io: Io): void {
  describe(addJson(addConfig(program.command('status'))), 'Show what happens now, in one screen.', [
    ['sluice status', 'state, caps, what waits and what was sent'],
    ['sluice status --json', 'for a program'],
  ]).action((options: ConfigOptions) => status(options, io))
}

async function status(options: ConfigOptions, io: Io): Promise<void> {
  const { statusFor } = await import('../status-for.ts')
  const { config } = await configFor(options)
  const found = await statusFor(config, io.now())
  if (!found) {
    io.result(options.json, { version: 1, device: config.device, destination: config.destination, queues: [] }, [
      'Sluice has not run on this state folder yet. Start it with: sluice run',
    ])
    return
  }
  io.result(options.json, found, lines(found))
}

function lines(status: Status): string[] {
  const { power, network } = status.conditions
  const charge = power.value.percent === undefined ? '' : ` ${power.value.percent} %`
  return [
    `device    ${status.device}`,
    `to        ${status.destination}`,
    `service   ${status.running ? `running since ${clockText(status.running.startedAt)} (process ${status.running.pid})` : 'not running'}`,
    `power     ${power.value.supply}${charge} (${power.source})`,
    `network   ${network.value.cost} (${network.source})`,
    ...status.queues.map(({ streams, decision }) => {
      const state = decision.reasons.length === 0 ? 'open' : `held: ${decision.reasons.map(({ code }) => code).join(', ')}`
      return `gate      ${state}${status.queues.length > 1 ? ` (${streams.join(', ')})` : ''}`
    }),
    ...status.caps.map((cap) => {
      const share = Math.min(999, Math.floor((cap.usedBytes / cap.limitBytes) * 100))
      return `cap       ${formatBytes(cap.usedBytes)} of ${formatBytes(cap.limitBytes)} per ${cap.per} (${share} %), until ${clockText(cap.end)}`
    }),
    `waiting   ${counted(status.backlog.packs, 'pack')}, ${formatBytes(status.backlog.bytes)}`,
    `sent      ${counted(status.sent.packs, 'pack')}, ${formatBytes(status.sent.packBytes)} for ${formatBytes(status.sent.rawBytes)} of captures`
      + (status.sent.lastAt === undefined ? '' : `, last ${clockText(status.sent.lastAt)}`),
    ...(status.queues.some(({ decision }) => decision.reasons.length > 0) ? ['', 'Why? sluice why'] : []),
  ]
}
