import type { Owner } from '../../daemon/service/folder-access.ts'
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkAccess } from '../../daemon/service/check-access.ts'
import { aclCommands, aclRemovals, foldersOf, type FolderAccess } from '../../daemon/service/folder-access.ts'
import { temporaryFolder } from '../temporary-folder.ts'

/** Nobody else's numbers: a person, and the service by a name that every system has. */
const person: Owner = { uid: 61234, gid: 61234 }
const service = 'nobody'
const serviceIds = { uid: 65534, gid: 65534, ownUid: 0 }

const missing = process.getuid?.() !== 0 ? ' (skipped: needs root)' : ['setfacl', 'setpriv', 'runuser'].every((name) => spawnSync('which', [name]).status === 0) ? '' : ' (skipped: needs acl and util-linux)'

function as({ uid, gid }: Owner, ...command: readonly string[]): string {
  return execFileSync('setpriv', [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--', ...command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

const can = (owner: Owner, ...command: readonly string[]): boolean => {
  try {
    as(owner, ...command)
    return true
  } catch {
    return false
  }
}

/** A home that only its person may enter, with captures in it. */
async function home() {
  const around = await temporaryFolder()
  chmodSync(around, 0o755)
  const [house, captures] = [join(around, 'person'), join(around, 'person/own captures')]
  for (const folder of [house, captures, join(captures, 'sub')]) {
    mkdirSync(folder, { mode: 0o700 })
    chownSync(folder, person.uid, person.gid)
  }
  as(person, 'sh', '-c', 'umask 077; echo before > "$0/before"; echo private > "$0/../private"', captures)
  return { house, captures }
}

const config = (folder: string, onSent: 'keep' | 'delete') => ({ streams: [{ folder, onSent }], destination: 'https://collector.example/', log: {}, metrics: {} }) as unknown as Parameters<typeof foldersOf>[0]

function carryOut(commands: readonly (readonly [string, ...string[]])[]): void {
  for (const [program, ...parameters] of commands) execFileSync(program, parameters, { stdio: 'pipe' })
}

describe.skipIf(missing !== '')(`a capture folder of a person${missing}`, () => {
  async function opened(onSent: 'keep' | 'delete'): Promise<{ house: string; captures: string; folders: FolderAccess[] }> {
    const { house, captures } = await home()
    const folders = await foldersOf(config(captures, onSent))
    carryOut(aclCommands(folders, service))
    return { house, captures, folders }
  }

  test('is closed to the service before, and the check says how to open it', async () => {
    const { captures } = await home()
    const found = await checkAccess(await foldersOf(config(captures, 'keep')), serviceIds)
    expect(found?.map(({ problem }) => problem)).toEqual(['closed'])
  })

  test('is read by the service, with files that are made later under any umask, and nothing else of theirs is', async () => {
    const { house, captures, folders } = await opened('keep')
    as(person, 'sh', '-c', 'umask 077; echo after > "$0/sub/after"', captures)
    for (const name of ['before', 'sub/after']) expect(as(serviceIds, 'cat', join(captures, name))).not.toBe('')
    expect(can(serviceIds, 'cat', join(house, 'private'))).toBe(false)
    expect(can(serviceIds, 'ls', house)).toBe(false)
    expect(can(serviceIds, 'rm', '-f', join(captures, 'before'))).toBe(false)
    expect(await checkAccess(folders, serviceIds)).toEqual([])
  })

  test('stays closed to everybody else, whatever umask a file is made under', async () => {
    const { house, captures } = await home()
    for (const folder of [house, captures]) chmodSync(folder, 0o755)
    carryOut(aclCommands(await foldersOf(config(captures, 'keep')), service))
    as(person, 'sh', '-c', 'umask 077; echo after > "$0/after"', captures)
    expect(can({ uid: 61235, gid: 61235 }, 'cat', join(captures, 'after'))).toBe(false)
  })

  test('lets the service delete where the config says so', async () => {
    const { captures, folders } = await opened('delete')
    expect(can(serviceIds, 'rm', join(captures, 'before'))).toBe(true)
    expect(await checkAccess(folders, serviceIds)).toEqual([])
  })

  test('with files that a program makes for its owner alone is told', async () => {
    const { captures, folders } = await opened('keep')
    as(person, 'install', '-m', '600', '/dev/null', join(captures, 'shut'))
    expect((await checkAccess(folders, serviceIds))?.map(({ problem }) => problem)).toEqual(['closed-files'])
  })

  test('opens nothing that a link in it leads to', async () => {
    const { house, captures } = await home()
    const secret = join(house, '..', 'secret')
    writeFileSync(secret, 'root', { mode: 0o600 })
    symlinkSync(secret, join(captures, 'link'))
    carryOut(aclCommands(await foldersOf(config(captures, 'delete')), service))
    expect(can(serviceIds, 'cat', secret)).toBe(false)
  })

  test('is as it was once that is taken back, also after it was done twice', async () => {
    const { house, captures } = await home()
    const before = [house, captures, join(captures, 'sub'), join(captures, 'before')].map((path) => as(person, 'getfacl', '-p', path))
    const folders = await foldersOf(config(captures, 'delete'))
    carryOut([...aclCommands(folders, service), ...aclCommands(folders, service), ...aclRemovals(folders, service)])
    const after = [house, captures, join(captures, 'sub'), join(captures, 'before')].map((path) => as(person, 'getfacl', '-p', path).replace(/^mask::.*\n/m, ''))
    expect(after).toEqual(before)
  })

  test('that is not there yet is told, and nothing is run for it', async () => {
    const folders = await foldersOf(config(join(await temporaryFolder(), 'later'), 'keep'))
    expect(aclCommands(folders, service)).toEqual([])
    expect((await checkAccess(folders, serviceIds))?.map(({ problem }) => problem)).toEqual(['missing'])
  })
})

test.skipIf(!existsSync('/usr/bin/setpriv'))('who is neither root nor the service cannot tell (skipped without setpriv)', async () => {
  expect(await checkAccess([], { ...serviceIds, ownUid: 1000 })).toBeUndefined()
})
