import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { credentialRoom, DeviceCredential, credentialPath, readCredential, readToken, type DeviceCredentialOptions, type KeptCredential } from '../../src/control/credential.ts'
import { SluiceError } from '../../src/observe/error.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { enrolling } from '../../src/transfer/enrol.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const secret = `slc1.laptop-1.${'s'.repeat(43)}`
const kept = { device: 'laptop-1', origin: 'https://collector.example', since: 1_700_000_000_000, credential: secret }

function keepCredential(state: string, credential: KeptCredential): void {
  using room = credentialRoom(state)
  room.keep(credential)
}

async function stateFolder(): Promise<string> {
  return join(await temporaryFolder(), 'state')
}

function errorOf(work: () => unknown): SluiceError {
  try {
    work()
  } catch (error) {
    if (error instanceof SluiceError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('a credential that is kept', () => {
  test('is for its owner alone, and the same afterwards', async () => {
    const state = await stateFolder()
    expect(readCredential(state)).toBeUndefined()
    keepCredential(state, kept)
    expect(readCredential(state)).toEqual(kept)
    expect(readFileSync(credentialPath(state), 'utf8')).toMatch(/\}\n$/)
    expect(statSync(credentialPath(state)).mode & 0o777).toBe(0o600)
    keepCredential(state, { ...kept, since: 5 })
    expect(readCredential(state)?.since).toBe(5)
    expect(readdirSync(state).sort()).toEqual(['credential', 'credential.lock.sqlite'])
  })

  test('is not used once others may read it, and the error says what to do and nothing of it', async () => {
    const state = await stateFolder()
    keepCredential(state, kept)
    chmodSync(credentialPath(state), 0o640)
    const error = errorOf(() => readCredential(state))
    expect(error.code).toBe('credential-missing')
    expect(error.message).toContain('chmod go=')
    expect(error.message).not.toContain(secret)
  })

  test.each(['', '{', 'null', '[]', '{"version":0}', `{"version":1,"device":"laptop-1","credential":"${secret}"}`, 'x'.repeat(5000)])(
    'and damaged to %j is told as such, without its content', async (text) => {
      const state = await stateFolder()
      mkdirSync(state, { mode: 0o700 })
      writeFileSync(credentialPath(state), text, { mode: 0o600 })
      const error = errorOf(() => readCredential(state))
      expect(error.code).toBe('credential-missing')
      expect(error.message).not.toContain(secret)
    })

  test('in a folder that others may write to is refused', async () => {
    const state = await stateFolder()
    mkdirSync(state)
    chmodSync(state, 0o777)
    expect(errorOf(() => keepCredential(state, kept)).code).toBe('state-unusable')
  })

  test('a pipe or a folder in its place is no credential, and is not waited for', async () => {
    const state = await stateFolder()
    mkdirSync(credentialPath(state), { recursive: true, mode: 0o700 })
    expect(errorOf(() => readCredential(state)).code).toBe('credential-missing')
  })
})

function credentials(state: string, more: Partial<DeviceCredentialOptions> = {}): DeviceCredential {
  return new DeviceCredential({
    stateFolder: state, device: 'laptop-1', origin: kept.origin, now: () => kept.since,
    enrol: async () => { throw new Error('nobody enrols') }, ...more,
  })
}

describe('what a device shows', () => {
  test('is shown to the collector that gave it, and to no other', async () => {
    const state = await stateFolder()
    keepCredential(state, kept)
    expect(credentials(state).current()).toBe(secret)
    for (const origin of ['https://collector.example:444', 'http://collector.example', 'https://other.example']) {
      expect(credentials(state, { origin }).current(), origin).toBeUndefined()
    }
    expect(credentials(state, { device: 'laptop-2' }).current()).toBeUndefined()
  })

  test('comes from the token that was left for it, once', async () => {
    const state = await stateFolder()
    const tokenFile = join(await temporaryFolder(), 'token')
    writeFileSync(tokenFile, ' token-1\n', { mode: 0o600 })
    const enrol = vi.fn(async () => secret)
    const source = credentials(state, { tokenFile, enrol })
    await source.ensure({})
    await source.ensure({})
    expect(enrol.mock.calls).toEqual([['token-1', {}]])
    expect(readCredential(state)).toEqual(kept)
  })

  test('may be a file that somebody else keeps, which may change', async () => {
    const state = await stateFolder()
    const folder = await temporaryFolder()
    const credentialFile = join(folder, 'given')
    const source = credentials(state, { credentialFile })
    expect(errorOf(() => source.current()).code).toBe('credential-missing')
    writeFileSync(credentialFile, `${secret}\n`, { mode: 0o640 })
    expect(source.current()).toBe(secret)
    writeFileSync(credentialFile, 'another-one\n')
    expect(source.current()).toBe('another-one')
    chmodSync(credentialFile, 0o644)
    expect(errorOf(() => source.current()).message).toMatch(/Other users may read .* chmod o= /)
  })

  test('is looked at again when it is replaced, also as a link to another file', async () => {
    const state = await stateFolder()
    mkdirSync(state, { mode: 0o700 })
    const folder = await temporaryFolder()
    let changes = 0
    const watch = credentials(state, { credentialFile: join(folder, 'given') }).watch(() => void changes++)
    onTestFinished(() => watch[Symbol.dispose]())
    keepCredential(state, kept)
    await vi.waitFor(() => expect(changes).toBeGreaterThan(0), { timeout: 20_000 })
    const before = changes
    writeFileSync(join(folder, 'real'), secret)
    symlinkSync(join(folder, 'real'), join(folder, 'given'))
    await vi.waitFor(() => expect(changes).toBeGreaterThan(before), { timeout: 20_000 })
  })
})

describe('an enrolment', () => {
  /** A device that may enrol with one token. */
  async function enrolledBy(enrol: DeviceCredentialOptions['enrol']) {
    const state = await stateFolder()
    mkdirSync(state, { mode: 0o700 })
    const tokenFile = join(await temporaryFolder(), 'token')
    writeFileSync(tokenFile, 'token-1', { mode: 0o600 })
    return { state, tokenFile, source: credentials(state, { tokenFile, enrol }) }
  }

  test('asks for nothing where a credential cannot be kept', async () => {
    const asked = vi.fn(async () => secret)
    const { state, source } = await enrolledBy(asked)
    mkdirSync(`${credentialPath(state)}.tmp`)
    await expect(source.ensure({})).rejects.toMatchObject({ code: 'state-unusable' })
    expect(asked).not.toHaveBeenCalled()
    rmdirSync(`${credentialPath(state)}.tmp`)
    mkdirSync(credentialPath(state))
    expect(errorOf(() => credentialRoom(state)).code).toBe('state-unusable')
    rmdirSync(credentialPath(state))
    await source.ensure({})
    expect(readCredential(state)?.credential).toBe(secret)
  })

  test('holds room for its credential, and no other goes on at the same time', async () => {
    let path = ''
    const { state, source } = await enrolledBy(async () => {
      path = credentialPath(state)
      expect(statSync(`${path}.tmp`)).toMatchObject({ size: 4096 })
      expect(errorOf(() => credentialRoom(state)).message).toContain('Another process')
      return secret
    })
    await source.ensure({})
    expect(readCredential(state)?.credential).toBe(secret)
    expect(readdirSync(state).sort()).toEqual(['credential', 'credential.lock.sqlite'])
  })

  test('that fails leaves nothing behind', async () => {
    const { state, source } = await enrolledBy(async () => { throw new SluiceError('destination-unreachable', 'no', { transient: true }) })
    await expect(source.ensure({})).rejects.toMatchObject({ code: 'destination-unreachable' })
    expect(readdirSync(state)).toEqual(['credential.lock.sqlite'])
  })

  test('whose credential can be kept only later is in memory until then, and says that the token is used up', async () => {
    const asked = vi.fn(async () => {
      mkdirSync(credentialPath(state))
      return secret
    })
    const { state, source } = await enrolledBy(asked)
    const error: unknown = await source.ensure({}).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'state-unusable' })
    expect((error as Error).message).toContain('the token is used up')
    expect((error as Error).message).not.toContain(secret)
    expect(source.current()).toBe(secret)
    await expect(source.ensure({})).rejects.toThrow('the token is used up')
    rmdirSync(credentialPath(state))
    await source.ensure({})
    expect(readCredential(state)).toEqual(kept)
    expect(asked).toHaveBeenCalledTimes(1)
  })
})

const mayMount = process.getuid?.() === 0 && process.platform === 'linux'
  && spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', '/tmp']).status === 0

test.skipIf(!mayMount)(`a credential is kept on a disk that became full while it was asked for${mayMount ? '' : ' (needs root, to mount a small disk)'}`, async () => {
  const state = await stateFolder()
  mkdirSync(state, { mode: 0o700 })
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k,mode=700', 'tmpfs', state]).status).toBe(0)
  onTestFinished(() => void spawnSync('umount', ['-l', state]))
  const fill = () => {
    for (const bytes of [65_536, 4096, 1]) try { for (;;) writeFileSync(join(state, 'filler'), Buffer.alloc(bytes), { flag: 'a' }) } catch { /* full */ }
  }
  const tokenFile = join(await temporaryFolder(), 'token')
  writeFileSync(tokenFile, 'token-1', { mode: 0o600 })
  const enrol = vi.fn(async () => {
    fill()
    return secret
  })
  const source = credentials(state, { tokenFile, enrol })
  fill()
  await expect(source.ensure({})).rejects.toMatchObject({ code: 'state-full', transient: true })
  expect(enrol).not.toHaveBeenCalled()
  rmSync(join(state, 'filler'))
  await source.ensure({})
  expect(readCredential(state)).toEqual(kept)
})

describe('a credential that is refused', () => {
  /** A device that is enrolled, at a collector that takes one credential only. */
  async function refusedUnless(good: string, enrol: DeviceCredentialOptions['enrol'], status = 401) {
    const state = await stateFolder()
    const tokenFile = join(await temporaryFolder(), 'token')
    keepCredential(state, { ...kept, since: Date.now() })
    const source = credentials(state, { tokenFile, enrol, now: () => Date.now() + 60_000 })
    const collector = { ...memoryDestination(), head: async () => {
      if (source.current() === good) return undefined
      throw new SluiceError('credential-refused', 'no', { data: { status } })
    } }
    /** A token that was put there so long after the credential. */
    const leaveToken = (laterMs: number) => {
      writeFileSync(tokenFile, 'token-1', { mode: 0o600 })
      keepCredential(state, { ...kept, since: Math.floor(statSync(tokenFile).ctimeMs) - laterMs })
    }
    return { state, leaveToken, head: () => enrolling(collector, source).head('laptop-1') }
  }
  const refusal = { code: 'credential-refused' }

  test('is replaced with a token that was put there after it', async () => {
    const { state, leaveToken, head } = await refusedUnless('the-next-credential', async () => 'the-next-credential')
    await expect(head()).rejects.toMatchObject(refusal)
    leaveToken(-1000)
    await expect(head()).rejects.toMatchObject(refusal)
    leaveToken(1000)
    await expect(head()).resolves.toBeUndefined()
    expect(readCredential(state)?.credential).toBe('the-next-credential')
  })

  test('is tried to be replaced once with each token, unless the collector could not be asked', async () => {
    let reason = new SluiceError('destination-unreachable', 'later', { transient: true })
    const enrol = vi.fn(async () => { throw reason })
    const { leaveToken, head } = await refusedUnless('another', enrol)
    leaveToken(1000)
    await expect(head()).rejects.toMatchObject({ code: 'destination-unreachable' })
    reason = new SluiceError('credential-refused', 'the token is too old')
    await expect(head()).rejects.toThrow('the token is too old')
    await expect(head()).rejects.toThrow('no')
    await expect(head()).rejects.toThrow('no')
    expect(enrol).toHaveBeenCalledTimes(2)
    leaveToken(1000)
    await expect(head()).rejects.toThrow('the token is too old')
  })

  test('by something else than a 401 is not replaced', async () => {
    const enrol = vi.fn(async () => 'another')
    const { leaveToken, head } = await refusedUnless('another', enrol, 403)
    leaveToken(1000)
    await expect(head()).rejects.toMatchObject(refusal)
    expect(enrol).not.toHaveBeenCalled()
  })
})

describe('a token', () => {
  test.each([['missing', undefined], ['empty', ''], ['two words', 'a b'], ['no text', '\0']])('that is %s is none', async (_, text) => {
    const path = join(await temporaryFolder(), 'token')
    if (text !== undefined) writeFileSync(path, text, { mode: 0o600 })
    expect(errorOf(() => readToken(path)).code).toBe('credential-missing')
  })

  test('that everybody may read is refused, unread', async () => {
    const path = join(await temporaryFolder(), 'token')
    writeFileSync(path, 'token-1')
    chmodSync(path, 0o644)
    expect(errorOf(() => readToken(path)).message).not.toContain('token-1')
    expect(readFileSync(path, 'utf8')).toBe('token-1')
  })
})

test('a refusal without any credential says that there is none', async () => {
  const refusing = { ...memoryDestination(), head: async () => { throw new SluiceError('credential-refused', 'no') } }
  const source = (current: string | undefined) => ({ current: () => current, ensure: async () => undefined, renew: async () => false })
  await expect(enrolling(refusing, source(undefined)).head('laptop-1')).rejects.toMatchObject({ code: 'credential-missing' })
  await expect(enrolling(refusing, source(secret)).head('laptop-1')).rejects.toMatchObject({ code: 'credential-refused' })
})
