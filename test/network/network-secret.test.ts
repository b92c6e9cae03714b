import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { networkSecret } from '../../src/network/network-secret.ts'
import { temporaryFolder } from '../temporary-folder.ts'

test('it is made once, for its owner alone, and nothing else is left in the folder', async () => {
  const folder = await temporaryFolder()
  const secret = networkSecret(folder)
  expect(secret).toHaveLength(32)
  expect(networkSecret(folder)).toEqual(secret)
  expect(await readdir(folder)).toEqual(['network.key'])
  expect((await stat(join(folder, 'network.key'))).mode & 0o777).toBe(0o600)
})

test('another folder has another one', async () => {
  expect(networkSecret(await temporaryFolder())).not.toEqual(networkSecret(await temporaryFolder()))
})

test('a damaged one is made anew', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'network.key'), 'half')
  const secret = networkSecret(folder)
  expect(secret).toHaveLength(32)
  expect(networkSecret(folder)).toEqual(secret)
})

test('a folder that is not there is an error that says so', async () => {
  const folder = await temporaryFolder()
  await rm(folder, { recursive: true })
  expect(() => networkSecret(folder)).toThrow(expect.objectContaining({ code: 'state-unusable' }))
})

test('processes that make it at once agree', async () => {
  const folder = await temporaryFolder()
  const module = fileURLToPath(new URL('../../src/network/network-secret.ts', import.meta.url))
  const script = `import { networkSecret } from ${JSON.stringify(module)}
    process.stdout.write(Buffer.from(networkSecret(${JSON.stringify(folder)})).toString('hex'))`
  const secrets = await Promise.all([1, 2, 3].map(async () => {
    const args = ['--input-type=module', '-e', script]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let printed = ''
    child.stdout.on('data', (data: Buffer) => {
      printed += data.toString()
    })
    await once(child, 'close')
    return printed
  }))
  expect(secrets[0]).toMatch(/^[\da-f]{64}$/)
  expect(new Set(secrets).size).toBe(1)
})
