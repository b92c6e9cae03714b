import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { accessSync, constants, existsSync, opendirSync, readFileSync, statfsSync, statSync } from 'node:fs'
import { release } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

import type { Config } from '../config/options.ts'
import type { CredentialFacts, Facts, Ownership, ServiceFacts, StateFacts, StreamFacts } from '../src/control/doctor/facts.ts'
import type { Status } from '../src/control/status.ts'
import { SluiceError, systemCode } from '../src/observe/error.ts'
import { reasons } from '../src/scheduler/reasons.ts'
import { configFor } from './options.ts'
import type { ConfigOptions } from './options.ts'
import { serviceAt } from './service-at.ts'
import { programVersion } from '../daemon/version.ts'

const neededNodeMajor = 24
/** More folders than this are said to be "at least" so many. */
const mostFolders = 20_000
/** A program that takes longer than this to answer is stuck. */
const programMs = 5000

/** Looks at this machine and installation. Asks the destination only with `online`. */
export async function gatherFacts(options: ConfigOptions & { readonly online?: true }, now: number): Promise<Facts> {
  const base = {
    now, version: programVersion(), nodeMajor: Number(process.versions.node.split('.')[0]), neededNodeMajor,
    system: `${process.platform} ${release()} (${process.arch})`, platform: process.platform,
    ...(process.getuid && { userId: process.getuid() }),
  }
  let loaded
  try {
    loaded = await configFor(options)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { ...base, config: { kind: 'wrong', message: error.message }, streams: [], service: { answers: false, ...await managerFacts() }, faults: [] }
  }
  const { config, file, policies } = loaded
  const owned = ownershipOf(file)
  const state = await stateFacts(config.stateFolder)
  const serviceOwner = state.ownership?.ownerId
  const [streams, service, status, credential] = await Promise.all([
    Promise.all(config.streams.map((stream) => streamFacts(stream, serviceOwner))), serviceFacts(config), statusOf(config, state, now), credentialFacts(config, state),
  ])
  const online = options.online && await onlineFacts(config)
  const watches = process.platform === 'linux' ? watchFacts(config) : undefined
  return {
    ...base, config: { kind: 'valid', file, policies: policies.length, ...(owned && { ownership: owned }) }, state, streams, service,
    ...(watches && { watches }), ...(status && sensorFacts(status)), ...(credential && { credential }), ...certificateFacts(config), ...logFacts(config),
    ...(process.platform === 'linux' && /^(https?|s3):/.test(config.destination) && { hasSocketFigures: isProgram('ss') }),
    faults: status ? faultFacts(status) : [], ...(online && { online }),
  }
}

function ownershipOf(path: string): Ownership | undefined {
  const stats = process.getuid && statSync(path, { throwIfNoEntry: false })
  return stats && { ownerId: stats.uid, mode: stats.mode & 0o7777 }
}

async function stateFacts(folder: string): Promise<StateFacts> {
  try {
    if (!existsSync(folder)) {
      const isHidden = isRefused(() => statSync(folder))
      return { folder, kind: isHidden ? 'closed' : 'none' }
    }
    const ownership = ownershipOf(folder)
    const { bavail, bsize } = statfsSync(folder)
    const found = { folder, ...(ownership && { ownership }), freeBytes: bavail * bsize }
    if (isRefused(() => accessSync(folder, constants.R_OK | constants.X_OK))) return { ...found, kind: 'closed' }
    return { ...found, kind: 'there', ...await journalFacts(folder) }
  } catch (error) {
    if (systemCode(error) === 'EACCES') return { folder, kind: 'closed' }
    throw error
  }
}

async function journalFacts(stateFolder: string): Promise<Pick<StateFacts, 'journal' | 'lastAt'>> {
  const [{ Journal }, { journalPath }] = await Promise.all([import('../src/journal/journal.ts'), import('../src/journal/open-state.ts')])
  const path = journalPath(stateFolder)
  if (!existsSync(path)) return { journal: 'none' }
  try {
    using journal = new Journal(path, 'read')
    const row = journal.guarded(() => journal.db.prepare('SELECT max(coalesce((SELECT max(at) FROM ledger), 0), coalesce((SELECT max(sealed_at) FROM pack), 0)) AS at').get())
    return { journal: 'sound', lastAt: Number(row?.['at']) }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { journal: error.code === 'state-newer' ? 'newer' : error.code === 'journal-damaged' ? 'damaged' : 'unreadable' }
  }
}

/** With the rights of the service’s user where these can be taken on, else with one’s own. */
async function streamFacts({ name, folder }: { readonly name: string; readonly folder: string }, serviceOwner: number | undefined): Promise<StreamFacts> {
  if (!existsSync(folder) && !isRefused(() => statSync(folder))) return { name, folder, errno: 'ENOENT', asService: true }
  const self = process.getuid?.()
  if (self === 0 && serviceOwner !== undefined && serviceOwner !== 0 && isProgram('setpriv')) {
    const id = String(serviceOwner)
    const group = await ran('id', ['-g', id])
    const readable = await ran('setpriv', ['--reuid', id, '--regid', group?.trim() ?? id, '--init-groups', 'sh', '-c', 'test -r "$1" && test -x "$1"', 'sh', folder])
    return { name, folder, asService: true, ...(readable === undefined && { errno: 'EACCES' }) }
  }
  const asService = serviceOwner === undefined || self === serviceOwner
  try {
    accessSync(folder, constants.R_OK | constants.X_OK)
    return { name, folder, asService }
  } catch (error) {
    return { name, folder, asService, errno: systemCode(error) ?? 'unknown' }
  }
}

function watchFacts({ streams }: Config): Facts['watches'] {
  const most = Number(textOf('/proc/sys/fs/inotify/max_user_watches'))
  if (!Number.isSafeInteger(most) || most === 0) return undefined
  let folders = 0
  const waiting = streams.map(({ folder }) => folder)
  for (let folder = waiting.pop(); folder !== undefined && folders < mostFolders; folder = waiting.pop()) {
    try {
      const listed = opendirSync(folder)
      folders++
      try {
        for (let entry = listed.readSync(); entry; entry = listed.readSync()) if (entry.isDirectory()) waiting.push(join(folder, entry.name))
      } finally {
        listed.closeSync()
      }
    } catch {
      // What cannot be read is told of its stream.
    }
  }
  return { most, folders, isWholeCount: waiting.length === 0 }
}

async function serviceFacts(config: Config): Promise<ServiceFacts> {
  const { runningService } = await import('../src/control/status.ts')
  const [service, manager] = await Promise.all([serviceAt(config), managerFacts()])
  const told = await service?.call('GET /v1/version', {}).catch(() => undefined)
  const running = told ?? runningService(config.stateFolder)
  return { ...(running && { running: { pid: running.pid } }), answers: told !== undefined, ...manager }
}

/** systemd’s units of this name, for the machine or for this person. */
async function managerFacts(): Promise<Pick<ServiceFacts, 'installed'>> {
  if (process.platform !== 'linux' || !existsSync('/run/systemd/system')) return {}
  for (const scope of [[], ['--user']]) {
    const shown = await ran('systemctl', [...scope, 'show', 'sluice.service', '--property=LoadState,ActiveState,UnitFileState'])
    const said = new Map((shown ?? '').split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]))
    if (said.get('LoadState') === 'loaded') {
      const state = [said.get('ActiveState'), said.get('UnitFileState')].filter(Boolean).join(', ')
      return { installed: { manager: ['systemctl', ...scope].join(' '), unit: 'sluice.service', state } }
    }
  }
  return { installed: { manager: 'systemd' } }
}

async function statusOf(config: Config, state: StateFacts, now: number): Promise<Status | undefined> {
  const told = await (await serviceAt(config))?.call('GET /v1/status', {}).catch(() => undefined)
  if (told) return told
  if (state.journal !== 'sound') return undefined
  const { statusFor } = await import('./status-for.ts')
  return await statusFor(config, now).catch(() => undefined)
}

function sensorFacts({ conditions: { power, network } }: Status): Pick<Facts, 'power' | 'network'> {
  return { power, network }
}

function faultFacts({ queues }: Status): Facts['faults'] {
  const codes = new Set(queues.flatMap(({ decision }) => decision.reasons.map(({ code }) => code)))
  return [...codes].filter((code) => reasons[code].raised === 'machinery').map((code) => ({ code, meaning: reasons[code].meaning, action: reasons[code].action }))
}

async function credentialFacts(config: Config, state: StateFacts): Promise<CredentialFacts | undefined> {
  const { tokenFile, credentialFile } = config.enrolment
  if (!/^https?:/.test(config.destination) || state.kind === 'closed') return undefined
  const hasToken = tokenFile !== undefined && existsSync(tokenFile)
  try {
    const { readCredential, readToken } = await import('../src/control/credential.ts')
    if (credentialFile !== undefined) return readToken(credentialFile) ? { kind: 'there', hasToken } : undefined
    const kept = state.kind === 'there' ? readCredential(config.stateFolder) : undefined
    const isOurs = kept?.device === config.device && kept.origin === new URL(config.destination).origin
    return kept && isOurs ? { kind: 'there', since: kept.since, hasToken } : { kind: 'missing', hasToken }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { kind: 'unusable', message: error.message, hasToken }
  }
}

function certificateFacts({ connection: { certificateFile: path } }: Config): Pick<Facts, 'certificate'> {
  if (path === undefined) return {}
  try {
    return { certificate: { path, until: new X509Certificate(readFileSync(path)).validToDate.getTime() } }
  } catch (error) {
    return { certificate: { path, errno: systemCode(error) ?? 'not PEM' } }
  }
}

function logFacts({ log: { folder } }: Config): Pick<Facts, 'log'> {
  if (folder === undefined) return {}
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return { log: { folder } }
  } catch (error) {
    return { log: { folder, errno: systemCode(error) ?? 'unknown' } }
  }
}

/** Asks the destination where its log of this device ends: the least that shows that it is there and knows the device. */
async function onlineFacts(config: Config): Promise<NonNullable<Facts['online']>> {
  const { openSending } = await import('../daemon/sending.ts')
  let wireBytes = 0
  const meter = {
    charge: (bytes: number) => { wireBytes += bytes; return true },
    correct: (delta: number) => { wireBytes += delta; return true },
  }
  const { tokenFile, ...enrolment } = config.enrolment // a question enrols nobody
  void tokenFile
  const noJournal = () => { throw new Error('a question keeps no upload') }
  const told = { destination: config.destination }
  try {
    await using sending = await openSending({ ...config, enrolment }, noJournal)
    await sending.destination.head(config.device, { meter, signal: AbortSignal.timeout(30_000) })
    return { ...told, wireBytes }
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    return { ...told, wireBytes, problem: `${error.message.replace(/\.$/, '')}.` }
  }
}

function isProgram(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin']
  return folders.some((folder) => folder !== '' && existsSync(join(folder, name)))
}

/** What a program prints; undefined where it cannot be run, fails, or takes too long. */
async function ran(program: string, parameters: readonly string[]): Promise<string | undefined> {
  return await promisify(execFile)(program, parameters, { timeout: programMs }).then(({ stdout }) => stdout, () => undefined)
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function isRefused(look: () => unknown): boolean {
  try {
    look()
    return false
  } catch (error) {
    return systemCode(error) === 'EACCES'
  }
}
