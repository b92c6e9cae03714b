import type { CredentialFacts, Facts, Ownership, StreamFacts } from './facts.ts'
import { formatBytes } from '../../../config/units.ts'
import { ageInWords } from '../../scheduler/words.ts'

/** One thing that was looked at: what was found, and what to do where that is not well. */
export interface Finding {
  /** Stable, for scripts. */
  readonly check: string
  readonly level: 'ok' | 'warn' | 'fail'
  /** One sentence. */
  readonly says: string
  readonly todo?: string
}

const othersMayWrite = 0o022
const othersMayRead = 0o077
/** With less the service may stop soon; with less than `leastFreeBytes` it has. */
const wantedFreeBytes = 1 << 30
const leastFreeBytes = 16 << 20
/** Of the system’s limit: the person’s other programs watch folders too. */
const wantedWatchShare = 0.5
/** A clock may be this far behind what was written down before: journeys, and leap seconds. */
const clockBackMs = 60_000
/** When this program was made. A clock before it is wrong. */
const madeAt = Date.UTC(2026, 0, 1)
const oldReadingMs = 10 * 60_000
const certificateWarnMs = 14 * 86_400_000

const ok = (check: string, says: string): Finding => ({ check, level: 'ok', says })
const warn = (check: string, says: string, todo: string): Finding => ({ check, level: 'warn', says, todo })
const fail = (check: string, says: string, todo: string): Finding => ({ check, level: 'fail', says, todo })

/** Judges what was found out, in the order in which things rest on each other. Pure. */
export function findings(facts: Facts): Finding[] {
  return [
    ...program(facts), ...config(facts), ...state(facts), ...clock(facts), ...facts.streams.map(stream), ...watches(facts), ...service(facts),
    ...power(facts), ...network(facts), ...credential(facts), ...certificate(facts), ...log(facts), ...socketFigures(facts), ...faults(facts), ...online(facts),
  ]
}

function program({ version, system, nodeMajor, neededNodeMajor }: Facts): Finding[] {
  const says = `Sluice ${version} on ${system} with Node.js ${nodeMajor}.`
  return [nodeMajor >= neededNodeMajor ? ok('program', says) : fail('program', says, `Install Node.js ${neededNodeMajor} or newer.`)]
}

function config({ config: found, userId }: Facts): Finding[] {
  if (found.kind === 'wrong') return [fail('config', found.message, 'Mend the file, then run: sluice config check')]
  const { file, policies, ownership } = found
  const says = `The config ${file} is valid${policies === 0 ? '' : `, with ${policies} ${policies === 1 ? 'policy' : 'policies'} over it`}.`
  if (!ownership) return [ok('config', says)]
  if ((ownership.mode & othersMayWrite) !== 0) return [fail('config', `Others than its owner may change ${file}.`, `chmod go-w ${file}`)]
  if (userId !== undefined && ownership.ownerId !== userId && ownership.ownerId !== 0) {
    return [warn('config', `${file} belongs to user ${ownership.ownerId}, who can change what is captured.`, 'It should be yours, or root’s.')]
  }
  return [ok('config', says)]
}

function state({ state: found, userId }: Facts): Finding[] {
  if (!found) return []
  const { folder, kind, ownership, freeBytes, journal } = found
  if (kind === 'none') return [warn('state', `${folder} is not there yet: nothing ever ran here.`, 'sluice run, or sluice service install')]
  const owned = folderFinding(folder, ownership, userId, kind === 'closed')
  return [owned, ...room(folder, freeBytes), ...journalFinding(folder, journal)]
}

function folderFinding(folder: string, ownership: Ownership | undefined, userId: number | undefined, isClosed: boolean): Finding {
  if (ownership && (ownership.mode & othersMayWrite) !== 0) return fail('state', `Others than its owner may write to ${folder}, and end pauses.`, `chmod go-w ${folder}`)
  if (isClosed || (ownership && userId !== undefined && userId !== ownership.ownerId)) {
    return ok('state', `${folder} belongs to another user${ownership ? ` (${ownership.ownerId})` : ''}, as for a service of the whole machine.`)
  }
  if (ownership && (ownership.mode & othersMayRead) !== 0) {
    return warn('state', `Others than its owner may look into ${folder}.`, `If that is not meant for capture tools: chmod go= ${folder}`)
  }
  return ok('state', `${folder} is there, for its owner alone.`)
}

function room(folder: string, freeBytes: number | undefined): Finding[] {
  if (freeBytes === undefined) return []
  const says = `${formatBytes(freeBytes)} are free where ${folder} is.`
  const todo = 'Free some space: packs that wait need up to 1 GiB.'
  return [freeBytes < leastFreeBytes ? fail('disk', says, todo) : freeBytes < wantedFreeBytes ? warn('disk', says, todo) : ok('disk', says)]
}

function journalFinding(folder: string, journal: NonNullable<Facts['state']>['journal']): Finding[] {
  switch (journal) {
    case 'sound':
      return [ok('journal', 'The journal is sound, and of a version that this program knows.')]
    case 'newer':
      return [fail('journal', `The journal in ${folder} was written by a newer Sluice.`, 'Install that version again, or use another state folder.')]
    case 'damaged':
      return [fail('journal', `The journal in ${folder} is damaged.`, 'Start the service: it rebuilds the journal. Then look at the disk.')]
    case 'unreadable':
      return [fail('journal', `The journal in ${folder} cannot be opened.`, 'Look at its owner and mode: it has to belong to the service’s user.')]
    case 'none':
      return [warn('journal', `There is no journal in ${folder} yet.`, 'The service makes it when it starts: sluice run')]
    case undefined:
      return []
  }
}

function clock({ now, state: found }: Facts): Finding[] {
  const day = new Date(now).toISOString().slice(0, 10)
  const todo = 'Set the clock, and let the system keep it: timedatectl set-ntp true. Caps, pauses and certificates go by it.'
  if (now < madeAt) return [fail('clock', `The clock says ${day}, before this program was made.`, todo)]
  const backMs = (found?.lastAt ?? 0) - now
  if (backMs > clockBackMs) return [fail('clock', `The clock says ${day}, before what was written down earlier.`, todo)]
  return [ok('clock', `The clock says ${day}, which can be.`)]
}

function stream({ name, folder, errno, asService }: StreamFacts): Finding {
  const check = `stream ${name}`
  const who = asService ? 'The service’s user' : 'You'
  if (errno === undefined) return ok(check, `${who} can read ${folder}.`)
  if (errno === 'ENOENT') return warn(check, `${folder} is not there.`, 'Captures are taken once it is. Does the capture tool run, and does the config name its folder?')
  return fail(check, `${who} cannot read ${folder} (${errno}).`, asService
    ? `Let the service’s user read it, which the installer arranges when it is run again: sudo sluice service install`
    : `If the service runs as you: chmod -R u+rX ${folder}`)
}

function watches({ watches: found }: Facts): Finding[] {
  if (!found) return []
  const { most, folders, isWholeCount } = found
  const says = `${isWholeCount ? '' : 'At least '}${folders} ${folders === 1 ? 'folder is' : 'folders are'} watched; the system allows ${most}.`
  if (folders <= most * wantedWatchShare) return [ok('watches', says)]
  return [warn('watches', says, 'Beyond it, folders are looked through now and then. For more: sysctl fs.inotify.max_user_watches=524288')]
}

function service({ service: { running, answers, installed } }: Facts): Finding[] {
  const start = installed?.unit === undefined ? 'sluice service install, or for now: sluice run' : `${installed.manager} start ${installed.unit}`
  const runs = running || answers
    ? answers ? ok('service', `The service runs${running ? ` (process ${running.pid})` : ''} and answers.`)
      : warn('service', 'The service runs, and does not answer you.', 'It answers its own user, and the members of the group that control.group names.')
    : warn('service', 'The service does not run.', `Start it: ${start}`)
  if (!installed) return [runs]
  return [runs, installed.unit === undefined
    ? warn('installed', `${installed.manager} knows no service of Sluice, so that none starts with the machine.`, 'sluice service install')
    : ok('installed', `${installed.manager} knows ${installed.unit} (${installed.state ?? 'state unknown'}).`)]
}

function power({ power: found, now }: Facts): Finding[] {
  if (!found) return []
  const { value: { supply, percent }, source, at } = found
  const says = `Power: ${supply}${percent === undefined ? '' : `, ${percent} %`}, says ${source}, ${ageInWords(now - at)}.`
  if (supply === 'unknown') return [warn('power', `Nobody can say whether the machine runs on battery (${source}).`, 'What holds then says power.onUnknown. On Linux, install upower.')]
  return [now - at > oldReadingMs ? warn('power', says, 'That is old: does the sensor still answer?') : ok('power', says)]
}

function network({ network: found, now }: Facts): Finding[] {
  if (!found) return []
  const { value: { cost, because, reach }, source, at } = found
  const says = `Network: ${cost}${because === undefined ? '' : `, ${because}`}, says ${source}, ${ageInWords(now - at)}.`
  if (cost === 'unknown') return [warn('network', `Nobody can say what this network costs (${source}).`, 'It counts as network.onUnknown says. To tell: sluice network set current free')]
  if (reach === 'portal') return [warn('network', `${says} A login page stands in the way.`, 'Log in with a browser.')]
  return [now - at > oldReadingMs ? warn('network', says, 'That is old: does the sensor still answer?') : ok('network', says)]
}

function credential({ credential: found, now }: Facts): Finding[] {
  if (!found) return []
  return [credentialFinding(found, now)]
}

function credentialFinding({ kind, since, message, hasToken }: CredentialFacts, now: number): Finding {
  if (kind === 'there') return ok('credential', `This device was enrolled${since === undefined ? '' : ` ${ageInWords(now - since)}`}.`)
  if (kind === 'unusable') return fail('credential', message ?? 'The credential cannot be used.', 'sluice enrol')
  if (hasToken) return ok('credential', 'There is a token, with which the service enrols this device when it first sends.')
  return fail('credential', 'This device is not enrolled at its collector.', 'Ask your IT for a token, then run: sluice enrol')
}

function certificate({ certificate: found, now }: Facts): Finding[] {
  if (!found) return []
  const { path, until, errno } = found
  if (until === undefined) return [fail('certificate', `The certificate ${path} cannot be read (${errno ?? 'not PEM'}).`, 'See connection.certificate in the config.')]
  const says = `The certificate ${path} is valid until ${new Date(until).toISOString().slice(0, 10)}.`
  if (until <= now) return [fail('certificate', says, 'Ask your IT for another one.')]
  return [until - now < certificateWarnMs ? warn('certificate', says, 'Ask your IT for another one in time.') : ok('certificate', says)]
}

function log({ log: found }: Facts): Finding[] {
  if (!found) return []
  if (found.errno === undefined) return [ok('log', `Logs can be written to ${found.folder}.`)]
  return [fail('log', `Logs cannot be written to ${found.folder} (${found.errno}).`, 'Make the folder, and let the service’s user write to it.')]
}

function socketFigures({ hasSocketFigures }: Facts): Finding[] {
  if (hasSocketFigures === undefined) return []
  return [hasSocketFigures
    ? ok('ss', 'ss counts what the kernel sends, so that caps are counted to the byte.')
    : warn('ss', 'There is no ss, so that caps count a few percent more than is sent.', 'Install the package iproute2.')]
}

function faults({ faults: found }: Facts): Finding[] {
  return found.map(({ code, meaning, action }) => fail(`fault ${code}`, meaning, action))
}

function online({ online: found }: Facts): Finding[] {
  if (!found) return []
  const cost = `that cost ${formatBytes(found.wireBytes)}`
  if (found.problem === undefined) return [ok('destination', `${found.destination} answers; ${cost}.`)]
  return [fail('destination', `${found.problem} (${cost})`, 'See docs/failures.md for what the code of this error asks for.')]
}
