import { relative, isAbsolute, sep } from 'node:path'

import { capName } from '../src/budget/cap.ts'
import type { Recurrence } from '../src/budget/cap.ts'
import type { Config } from './options.ts'
import { destinationFolder } from './types.ts'
import { formatBytes } from './units.ts'

/** Adds a problem at a key: what was found, what is allowed. */
type Report = (key: string, found: string, allowed: string) => void

/** What the rules need to know besides the config. */
interface Surroundings {
  /** Where a path really leads once links are followed. */
  readonly realPath: (path: string) => string
  /** The file that says what a key is; undefined for a default. */
  readonly fileOf: (key: string) => string | undefined
}

/** What must hold between values that are each allowed by themselves. */
export function checkRules(config: Config, report: Report, { realPath, fileOf }: Surroundings): void {
  checkStreams(config, report)
  checkFolders(config, report, realPath)
  checkLogFolder(config, report, realPath)
  checkCaps(config, report, fileOf)
  checkPlan(config, report)
  checkExemptions(config, report)
  checkWindows(config, report)
  checkRecipients(config, report)
  checkConnection(config, report)
  // A lower `max` alone is meant to slow both.
  if (fileOf('rate.trickle') !== undefined) checkRate(config, report)
  const { sendAboveBatteryPercent, lowBatteryPercent } = config.power
  if (sendAboveBatteryPercent < lowBatteryPercent) {
    report(
      'power.sendAboveBattery',
      `found ${sendAboveBatteryPercent}%, below lowBattery`,
      `allowed: ${lowBatteryPercent}% to 100%`,
    )
  }
}

function checkStreams({ streams }: Config, report: Report): void {
  const names = new Map<string, number>()
  for (const [index, stream] of streams.entries()) {
    const first = names.get(stream.name)
    if (first !== undefined) {
      report(`streams[${index}].name`, `found the name of streams[${first}] again`, 'allowed: a name of its own')
    }
    else names.set(stream.name, index)
    if (stream.onSent === 'delete' && stream.files === 'append') {
      report(`streams[${index}].onSent`, 'found "delete" for a stream with files: append', 'allowed: keep')
    }
  }
}

/** A folder inside another would be captured, or listed, as part of it: what was sent would be sent again. */
function checkFolders(config: Config, report: Report, realPath: (path: string) => string): void {
  const folders = config.streams.map(({ folder }, index) => ({ key: `streams[${index}].path`, path: realPath(folder) }))
  folders.push({ key: 'state', path: realPath(config.stateFolder) })
  const destination = destinationFolder(config.destination)
  if (destination !== undefined) folders.push({ key: 'destination', path: realPath(destination) })
  for (const [index, folder] of folders.entries()) {
    const other = folders.slice(0, index).find(({ path }) => contains(path, folder.path) || contains(folder.path, path))
    if (!other) continue
    const nesting = contains(other.path, folder.path) ? 'a folder inside' : 'a folder around'
    const relation = other.path === folder.path ? 'the same folder as' : nesting
    report(
      folder.key,
      `found ${relation} ${other.key}`,
      'allowed: a folder that shares nothing with any other of this file',
    )
  }
}

/** A log that is captured grows with every pack that holds it. */
function checkLogFolder({ log, streams }: Config, report: Report, realPath: (path: string) => string): void {
  const folder = log.folder === undefined ? undefined : realPath(log.folder)
  const around = folder === undefined ? -1 : streams.findIndex((stream) => contains(realPath(stream.folder), folder))
  if (around >= 0) report('log.folder', `found a folder inside streams[${around}].path`, 'allowed: a folder that is not captured')
}

/** Whether `inner` is `outer` or lies below it; both absolute. */
function contains(outer: string, inner: string): boolean {
  const path = relative(outer, inner)
  return path === '' || (path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path))
}

function checkCaps({ caps, streams }: Config, report: Report, fileOf: Surroundings['fileOf']): void {
  for (const [index, cap] of caps.entries()) {
    const key = `caps[${index}]`
    checkRecurrence(cap, key, report)
    if (cap.pace && cap.per !== 'week' && cap.per !== 'month') {
      report(`${key}.pace`, `found it with per: ${cap.per}`, 'allowed: only with per: week or per: month')
    }
    checkStreamName(cap.stream, `${key}.stream`, streams, report)
    // Of two files each may limit the same bytes: the smaller limit is reached first.
    const first = caps.findIndex((other, at) => capName(other) === capName(cap) && fileOf(`caps[${at}]`) === fileOf(key))
    if (first < index) {
      report(key, `found what caps[${first}] limits again`, 'allowed: one limit for each period of the same bytes')
    }
  }
}

function checkPlan({ plan }: Config, report: Report): void {
  if (plan) checkRecurrence(plan, 'plan', report)
}

function checkRecurrence(cap: Recurrence, key: string, report: Report): void {
  if (cap.resetDay !== undefined && cap.per !== 'month') {
    report(`${key}.resetDay`, `found it with per: ${cap.per}`, 'allowed: only with per: month')
  }
  if (cap.days !== undefined && cap.per !== 'rolling') {
    report(`${key}.days`, `found it with per: ${cap.per}`, 'allowed: only with per: rolling')
  }
  if (cap.days === undefined && cap.per === 'rolling') {
    report(`${key}.days`, 'missing with per: rolling', 'allowed: a whole number from 1 to 366')
  }
}

function checkExemptions({ exemptions, streams }: Config, report: Report): void {
  for (const [index, exemption] of exemptions.entries()) {
    for (const [at, name] of (exemption.streams ?? []).entries()) {
      checkStreamName(name, `exemptions[${index}].streams[${at}]`, streams, report)
    }
  }
}

/** A misspelt name would limit, or spare, nothing at all. */
function checkStreamName(name: string | undefined, key: string, streams: Config['streams'], report: Report): void {
  const names = streams.map((stream) => stream.name)
  if (name === undefined || names.includes(name)) return
  report(key, `found "${name}", which is no stream`, `allowed: ${names.join(', ')}`)
}

function checkRate({ rate: { maxBytesPerSecond = Infinity, trickleBytesPerSecond } }: Config, report: Report): void {
  if (trickleBytesPerSecond <= maxBytesPerSecond) return
  const most = `${formatBytes(maxBytesPerSecond)}/s`
  report('rate.trickle', `found ${formatBytes(trickleBytesPerSecond)}/s, above max`, `allowed: 1 kB/s to ${most}`)
}

/** As age does: a pack is as safe as the weaker of two kinds, which somebody who chose the stronger would not expect. */
function checkRecipients({ recipients = [] }: Config, report: Report): void {
  const isQuantumSafe = (recipient: string): boolean => recipient.startsWith('age1pq1')
  const other = recipients.findIndex((recipient) => isQuantumSafe(recipient) !== isQuantumSafe(recipients[0] ?? ''))
  if (other > 0) report(`recipients[${other}]`, 'found another kind of key than recipients[0]', 'allowed: all age1pq1… or none')
}

function checkConnection({ connection: { certificateFile, keyFile, proxy, proxyCredentialFile } }: Config, report: Report): void {
  if (certificateFile !== undefined && keyFile === undefined) report('connection.certificate', 'found it without key', 'allowed: both or none')
  if (keyFile !== undefined && certificateFile === undefined) report('connection.key', 'found it without certificate', 'allowed: both or none')
  // A password that is meant for one proxy is not for whichever the environment names.
  if (proxyCredentialFile !== undefined && (proxy === undefined || proxy === 'none')) {
    report('connection.proxyCredential', 'found it without proxy', 'allowed: only with proxy: http://host:port')
  }
}

function checkWindows({ windows }: Config, report: Report): void {
  for (const [index, { fromMinutes, toMinutes }] of windows.entries()) {
    if (fromMinutes === toMinutes) {
      const allowed = 'allowed: another time; without windows sending is allowed at any time'
      report(`windows[${index}].to`, 'found the same time as from', allowed)
    }
  }
}
