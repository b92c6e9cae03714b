import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SluiceError } from '../../src/observe/error.ts'
import { findCredentials, splitCommand, type CredentialSources } from '../../src/transfer/s3/credentials.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const inEnvironment = { AWS_ACCESS_KEY_ID: 'ENVKEY', AWS_SECRET_ACCESS_KEY: 'env/hidden+==' }
const fromEnvironment = { accessKeyId: 'ENVKEY', secretAccessKey: 'env/hidden+==' }
const file = `
# keys
[default]
aws_access_key_id = FILEKEY
aws_secret_access_key = file/hidden+w==

[work.eu]
aws_access_key_id=WORKKEY
aws_secret_access_key=work/hidden
aws_session_token=token/hidden==

[half]
aws_access_key_id=HALFKEY
`

async function home(text = file): Promise<string> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'keys'), text)
  return folder
}

/** A program that answers with what a file holds, and writes a secret to stderr. */
async function program(answer: string, end = 'exit 0'): Promise<string> {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'answer'), answer)
  const path = join(folder, 'my keys.sh')
  await writeFile(path, `#!/bin/sh\necho hidden >&2\nprintf '%s\\n' "$@" >> '${folder}/parameters'\ncat '${folder}/answer'\n${end}\n`)
  await chmod(path, 0o700)
  return path
}

const find = (sources: Partial<CredentialSources>) => findCredentials({ environment: {}, home: '/nowhere', now: () => 0, ...sources })

async function errorOf(work: Promise<unknown>): Promise<SluiceError> {
  const error: unknown = await work.then(() => undefined, (thrown: unknown) => thrown)
  if (!(error instanceof SluiceError)) throw new Error('no SluiceError', { cause: error })
  expect(error).toMatchObject({ code: 'credential-missing', transient: true })
  expect(`${error.message} ${JSON.stringify(error.data)}`).not.toContain('hidden')
  return error
}

describe('keys', () => {
  test('come from the environment where the config names no place', async () => {
    expect(await find({ environment: inEnvironment }).get()).toEqual(fromEnvironment)
    expect(await find({ environment: { ...inEnvironment, AWS_SESSION_TOKEN: 't' } }).get()).toEqual({ ...fromEnvironment, sessionToken: 't' })
  })

  test('come from the file, by profile, also one with dots in its name', async () => {
    const path = join(await home(), 'keys')
    const fromFile = { accessKeyId: 'FILEKEY', secretAccessKey: 'file/hidden+w==' }
    const fromWork = { accessKeyId: 'WORKKEY', secretAccessKey: 'work/hidden', sessionToken: 'token/hidden==' }
    expect(await find({ environment: { AWS_SHARED_CREDENTIALS_FILE: path } }).get()).toEqual(fromFile)
    expect(await find({ environment: { AWS_SHARED_CREDENTIALS_FILE: path, AWS_PROFILE: 'work.eu' } }).get()).toEqual(fromWork)
    expect(await find({ credentialsFile: path, environment: inEnvironment }).get(), 'the config comes first').toEqual(fromFile)
    expect(await find({ profile: 'work.eu', environment: { ...inEnvironment, AWS_SHARED_CREDENTIALS_FILE: path } }).get()).toEqual(fromWork)
  })

  test('come from a program that is run without a shell', async () => {
    const path = await program('{"Version":1,"AccessKeyId":"PROGRAMKEY","SecretAccessKey":"s"}')
    const fromProgram = { accessKeyId: 'PROGRAMKEY', secretAccessKey: 's' }
    expect(await find({ credentialProcess: `"${path}" --all "a b" $(touch /tmp/x);`, environment: inEnvironment }).get()).toEqual(fromProgram)
    const folder = await home(`[default]\ncredential_process = "${path}" x\n`)
    expect(await find({ credentialsFile: join(folder, 'keys') }).get()).toEqual(fromProgram)
  })

  test('are read when they are first needed, kept, and read again when they were refused', async () => {
    const folder = await home()
    const credentials = find({ credentialsFile: join(folder, 'keys') })
    await credentials.get()
    await writeFile(join(folder, 'keys'), '[default]\naws_access_key_id=NEWKEY\naws_secret_access_key=n\n')
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'FILEKEY' })
    credentials.forget()
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'NEWKEY' })
  })

  test('that expire are asked for again five minutes before', async () => {
    let now = Date.parse('2026-11-23T12:00:00Z')
    const answer = (id: string, until: string) => `{"Version":1,"AccessKeyId":"${id}","SecretAccessKey":"s","SessionToken":"t","Expiration":"${until}"}`
    const path = await program(answer('FIRST', '2026-11-23T13:00:00Z'))
    const credentials = find({ credentialProcess: `"${path}"`, now: () => now })
    expect(await credentials.get()).toEqual({
      accessKeyId: 'FIRST', secretAccessKey: 's', sessionToken: 't', expiresAt: Date.parse('2026-11-23T13:00:00Z'),
    })
    await writeFile(join(path, '../answer'), answer('SECOND', '2026-11-23T14:00:00Z'))
    now += 54 * 60_000
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'FIRST' })
    now += 60_000
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'SECOND' })
    now += 3 * 3600_000
    expect((await errorOf(credentials.get())).message).toContain('expired')
  })

  test('that hold for less than ten minutes are asked for again after half of what was left', async () => {
    let now = Date.parse('2026-11-23T12:00:00Z')
    const answer = (id: string, until: string) => `{"Version":1,"AccessKeyId":"${id}","SecretAccessKey":"s","Expiration":"${until}"}`
    const path = await program(answer('FIRST', '2026-11-23T12:04:00Z'))
    const credentials = find({ credentialProcess: `"${path}"`, now: () => now })
    await credentials.get()
    await writeFile(join(path, '../answer'), answer('SECOND', '2026-11-23T12:06:00Z'))
    now += 2 * 60_000 - 1
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'FIRST' })
    now += 1
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'SECOND' })
  })

  test('that were not found are looked for again', async () => {
    const folder = await temporaryFolder()
    const credentials = find({ credentialsFile: join(folder, 'keys') })
    await errorOf(credentials.get())
    await writeFile(join(folder, 'keys'), file)
    expect(await credentials.get()).toMatchObject({ accessKeyId: 'FILEKEY' })
  })
})

describe('what is missing is said with the places that were looked at, and no secret:', () => {
  test('nothing at all', async () => {
    expect((await errorOf(find({}).get())).message).toMatch(/AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY .*\/nowhere\/\.aws\/credentials is not there/)
    expect((await errorOf(find({ environment: { AWS_ACCESS_KEY_ID: 'X' } }).get())).message).toMatch(/not both set/)
  })

  test('a profile, or half of its keys', async () => {
    const path = join(await home(), 'keys')
    expect((await errorOf(find({ credentialsFile: path, profile: 'other' }).get())).message).toContain('no profile [other]')
    expect((await errorOf(find({ credentialsFile: path, profile: '__proto__' }).get())).message).toContain('no profile')
    expect((await errorOf(find({ credentialsFile: path, profile: 'half' }).get())).message).toContain('[half]')
    expect((await errorOf(find({ credentialsFile: join(path, '..') }).get())).message).toContain('EISDIR')
  })

  test.each([
    ['that fails', '', 'exit 3', /ended with 3/],
    ['that answers nonsense', 'hidden', 'exit 0', /JSON/],
    ['of another version', '{"Version":2,"AccessKeyId":"a","SecretAccessKey":"hidden"}', 'exit 0', /version 1/],
    ['with half an answer', '{"Version":1,"AccessKeyId":"a"}', 'exit 0', /JSON/],
    ['with a header in its key', '{"Version":1,"AccessKeyId":"a\\r\\nx: y","SecretAccessKey":"hidden"}', 'exit 0', /JSON/],
    ['with a strange expiry', '{"Version":1,"AccessKeyId":"a","SecretAccessKey":"hidden","Expiration":"soon"}', 'exit 0', /JSON/],
    ['that never stops talking', '', 'yes hidden', /wrote too much|failed|cannot be run/],
  ])('a program %s', async (_, answer, end, words) => {
    const path = await program(answer, end)
    expect((await errorOf(find({ credentialProcess: `"${path}" --password hidden` }).get())).message).toMatch(words)
  })

  test('a program that is not there', async () => {
    expect((await errorOf(find({ credentialProcess: '/nowhere/keys hidden' }).get())).message).toMatch(/\/nowhere\/keys cannot be run \(ENOENT\)/)
  })
})

test.each([
  ['a b', ['a', 'b']], ['"a b" c', ['a b', 'c']], ['a="b c"', ['a=b c']], ['  ', []], ['"a b', ['a b']], ['a "" b', ['a', '', 'b']],
])('the words of %j', (command, words) => {
  expect(splitCommand(command)).toEqual(words)
})
