/** `sluice enrol`, and a service that enrols by itself, with a real collector on loopback. */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmdirSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { startCollector, type Collector } from '../../src/collector/collector.ts'
import { openFolderStore } from '../../src/collector/folder-store.ts'
import { realDisk } from '../../src/journal/real-disk.ts'
import { Sluice } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { root, runProcess, type Finished } from './run.ts'

interface Desk {
  readonly folder: string
  readonly state: string
  readonly configFile: string
  sluice(parameters: readonly string[], input?: string): Promise<Finished>
}

/** A device whose config names a collector. */
async function desk(destination: string, more = ''): Promise<Desk> {
  const folder = await temporaryFolder()
  const [state, configFile] = [join(folder, 'state'), join(folder, 'sluice.yaml')]
  mkdirSync(join(folder, 'captures'))
  writeFileSync(join(folder, 'captures/a.log'), 'what was captured\n')
  writeFileSync(configFile, `
device: laptop-1
state: ${state}
destination: ${destination}
streams: [{ name: log, path: ./captures, purpose: tests, files: append }]
seal: { age: 1s }
conditions: { power: mains, network: free }
timeZone: UTC
${more}`)
  return { folder, state, configFile, sluice: (parameters, input = '') => withInput([...parameters, '--config', configFile], input) }
}

function withInput(parameters: readonly string[], input: string): Promise<Finished> {
  const { promise, resolve } = Promise.withResolvers<Finished>()
  const child = spawn(process.execPath, [join(root, 'cli/launch.mjs'), ...parameters], { stdio: ['pipe', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  child.stdin.on('error', () => undefined).end(input)
  child.on('close', (code, signal) => { resolve({ code, signal, stdout, stderr }) })
  return promise
}

async function collecting(): Promise<{ readonly collector: Collector; readonly store: string; readonly token: (device?: string) => Promise<string> }> {
  const store = join(await temporaryFolder(), 'store')
  const collector = await startCollector({ store: await openFolderStore(store, realDisk, Date.now) })
  onTestFinished(() => collector[Symbol.asyncDispose]())
  const token = (device?: string) => collector.accounts.makeToken({ ...(device !== undefined && { device }), uses: 1, expiresAt: Date.now() + 3_600_000 })
  return { collector, store, token }
}

const packsIn = (store: string): string[] => existsSync(join(store, 'laptop-1'))
  ? readdirSync(join(store, 'laptop-1')).filter((name) => name.endsWith('.pack')) : []

const secretOf = ({ state }: Desk): string => (JSON.parse(readFileSync(join(state, 'credential'), 'utf8')) as { credential: string }).credential

const unfolded = (text: string): string => text.replaceAll(/\s+/g, ' ')

describe('sluice enrol', { timeout: 60_000 }, () => {
  test('swaps a token on stdin for a credential, which it keeps for its owner alone and never shows', async () => {
    const { collector, token } = await collecting()
    const device = await desk(collector.url)
    const before = await device.sluice(['enrol', '--show'])
    expect(unfolded(before.stdout)).toContain('laptop-1 is not enrolled at')
    const given = await token()
    const enrolled = await device.sluice(['enrol'], `${given}\n`)
    expect(enrolled).toMatchObject({ code: 0, stderr: '' })
    expect(unfolded(enrolled.stdout)).toContain(`laptop-1 is enrolled at ${new URL(collector.url).origin}.`)
    expect(statSync(join(device.state, 'credential')).mode & 0o777).toBe(0o600)
    const shown = [await device.sluice(['enrol', '--show']), await device.sluice(['enrol', '--show', '--json']), enrolled]
    expect(JSON.parse(shown[1]?.stdout ?? '')).toMatchObject({ version: 1, enrolled: true, device: 'laptop-1' })
    const all = shown.map(({ stdout, stderr }) => stdout + stderr).join('')
    expect(all).not.toContain(secretOf(device).split('.').at(-1))
    expect(all).not.toContain(given)
    for (const line of all.split('\n').filter((line) => !line.startsWith('{'))) expect(line.length).toBeLessThanOrEqual(80)
  })

  test('takes the token from a file that only its owner may read', async () => {
    const { collector, token } = await collecting()
    const device = await desk(collector.url)
    const file = join(device.folder, 'token')
    writeFileSync(file, await token(), { mode: 0o644 })
    const refused = await device.sluice(['enrol', '--token-file', file])
    expect(refused.code).toBe(1)
    expect(unfolded(refused.stderr)).toContain('Other users may read')
    const secret = join(device.folder, 'token-2')
    writeFileSync(secret, await token(), { mode: 0o600 })
    expect(JSON.parse((await device.sluice(['enrol', '--token-file', secret, '--json'])).stdout)).toMatchObject({ enrolled: true, device: 'laptop-1' })
  })

  test('says what to do when the token is used up, wrong or missing, or the name is taken', async () => {
    const { collector, token } = await collecting()
    const [first, second] = [await desk(collector.url), await desk(collector.url)]
    const used = await token()
    expect((await first.sluice(['enrol'], used)).code).toBe(0)
    const other = await desk(collector.url)
    writeFileSync(other.configFile, readFileSync(other.configFile, 'utf8').replace('device: laptop-1', 'device: laptop-2'))
    const again = await other.sluice(['enrol', '--json'], used)
    expect(again.code).toBe(1)
    expect(JSON.parse(again.stderr)).toMatchObject({ error: { code: 'credential-refused' } })
    expect(again.stderr).toContain('ask your IT for a new one')
    expect(again.stderr).not.toContain(used)
    const taken = await second.sluice(['enrol'], await token())
    expect(unfolded(taken.stderr)).toContain('knows a device of this name already')
    expect((await second.sluice(['enrol'], '\n')).code).toBe(2)
    expect((await second.sluice(['enrol'], 'two words\n')).code).toBe(1)
    expect(existsSync(join(second.state, 'credential'))).toBe(false)
    // A token that was made for the device by name replaces its credential.
    expect((await second.sluice(['enrol'], await token('laptop-1'))).code).toBe(0)
  })

  test('spends no token where the credential cannot be kept', async () => {
    const { collector, token } = await collecting()
    const device = await desk(collector.url)
    mkdirSync(join(device.state, 'credential'), { recursive: true, mode: 0o700 })
    chmodSync(device.state, 0o700)
    const given = await token()
    const refused = await device.sluice(['enrol', '--json'], given)
    expect(JSON.parse(refused.stderr)).toMatchObject({ error: { code: 'state-unusable' } })
    rmdirSync(join(device.state, 'credential'))
    expect((await device.sluice(['enrol'], given)).code).toBe(0)
  })

  test('takes no token from the command line, and does not repeat it', async () => {
    const { collector } = await collecting()
    const refused = await (await desk(collector.url)).sluice(['enrol', 'token-1234'])
    expect(refused.code).toBe(2)
    expect(refused.stdout + refused.stderr).not.toContain('token-1234')
  })

  test('has nothing to do for a folder, nor where the credential comes from a file', async () => {
    const folder = await desk('file:///tmp/sluice-nowhere')
    const refused = await folder.sluice(['enrol'], 'token')
    expect(refused.code).toBe(2)
    expect(unfolded(refused.stderr)).toContain('nothing has to be enrolled')
    const given = await desk('https://collector.invalid/', 'enrolment: { credentialFile: ./credential }')
    expect((await given.sluice(['enrol'], 'token')).code).toBe(2)
    expect((await given.sluice(['enrol', '--show'])).stdout).toContain('credential')
  })

  test('of a server that enrols nobody says so, and a login page in its place is one', async () => {
    const server = createServer((request, response) => {
      if (request.url === '/portal/enrol') response.writeHead(302, { location: 'http://portal.invalid/?t=secret' }).end()
      else response.writeHead(404).end()
    }).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const code = async (path: string) => {
      const { stderr } = await (await desk(`http://127.0.0.1:${port}/${path}`)).sluice(['enrol', '--json'], 'token')
      expect(stderr).not.toContain('secret')
      return (JSON.parse(stderr) as { error: { code: string } }).error.code
    }
    expect(await code('')).toBe('destination-missing')
    expect(await code('portal')).toBe('captive-portal')
  })
})

/** Types a line into a program on a terminal of its own, and prints what that terminal showed. */
const typing = `
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[2], sys.argv[2:])
shown = b''
typed = False
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    shown += part
    if not typed and b': ' in shown:
        os.write(terminal, sys.argv[1].encode() + b'\\r')
        typed = True
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`

const noPython = spawnSync('python3', ['-c', 'import pty']).status === 0 ? undefined : 'python3 is missing'

test.skipIf(noPython !== undefined)(`on a terminal what is typed is not shown${noPython ? ` (${noPython})` : ''}`, { timeout: 60_000 }, async () => {
  const { collector, token } = await collecting()
  const device = await desk(collector.url)
  const given = await token()
  const typed = await runProcess('python3', ['-c', typing, given, process.execPath, join(root, 'cli/launch.mjs'), 'enrol', '--config', device.configFile])
  expect(typed.stdout).toContain('Token for laptop-1 at')
  expect(unfolded(typed.stdout)).toContain('laptop-1 is enrolled at')
  expect(typed.stdout).not.toContain(given)
  const givenUp = await runProcess('python3', ['-c', typing, '\u0003', process.execPath, join(root, 'cli/launch.mjs'), 'enrol', '--config', device.configFile])
  expect(givenUp.code).toBe(2)
})

describe('a service', { timeout: 120_000 }, () => {
  test('enrols by itself with the token that the config names, and sends', async () => {
    const { collector, store, token } = await collecting()
    const device = await desk(collector.url, 'enrolment: { tokenFile: ./token }')
    const held = await device.sluice(['run', '--once'])
    expect(held.code).toBe(75)
    expect(unfolded(held.stderr)).toContain('There is no token at')
    writeFileSync(join(device.folder, 'token'), await token(), { mode: 0o600 })
    const sent = await device.sluice(['run', '--once'])
    expect(sent).toMatchObject({ code: 0 })
    expect(packsIn(store)).toHaveLength(1)
    expect(sent.stdout + sent.stderr).not.toContain(secretOf(device))
  })

  test('whose credential was revoked takes a token that is put in place of the old one', async () => {
    const { collector, store, token } = await collecting()
    const device = await desk(collector.url, 'enrolment: { tokenFile: ./token }')
    const leave = (text: string) => writeFileSync(join(device.folder, 'token'), text, { mode: 0o600 })
    leave(await token())
    expect((await device.sluice(['run', '--once'])).code).toBe(0)
    await collector.accounts.revoke('laptop-1')
    writeFileSync(join(device.folder, 'captures/b.log'), 'more\n')
    const held = await device.sluice(['run', '--once'])
    expect(held.code).toBe(75)
    expect(held.stderr).toContain('credential-refused')
    leave(await token('laptop-1'))
    expect((await device.sluice(['run', '--once'])).code).toBe(0)
    expect(packsIn(store)).toHaveLength(2)
  })

  test('that was started first enrols as soon as somebody puts the token there', async () => {
    const { collector, store, token } = await collecting()
    const device = await desk(collector.url, 'enrolment: { tokenFile: ./token }')
    const service = new Sluice('run', '--json', '--config', device.configFile)
    await service.event((event) => event.event === 'send.held' && event.reasons.includes('credential-missing'))
    writeFileSync(join(device.folder, 'token'), await token(), { mode: 0o600 })
    await service.event((event) => event.event === 'pack.sent')
    expect(packsIn(store)).toHaveLength(1)
  })

  test('without a credential says so, and takes a new one, or one in place of one that was revoked, without a restart', async () => {
    const { collector, store, token } = await collecting()
    const device = await desk(collector.url)
    const service = new Sluice('run', '--json', '--config', device.configFile)
    await service.event((event) => event.event === 'send.held' && event.reasons.includes('credential-missing'))
    const [why, status] = [await device.sluice(['why']), await device.sluice(['status'])]
    expect(unfolded(why.stdout)).toContain('there is no credential to show there yet')
    expect(unfolded(why.stdout)).toContain('run `sluice enrol`')
    expect(why.stdout).toMatch(/Next change: .*, when it is tried again\./)
    expect(status.stdout).toMatch(/^next .*, when it is tried again$/m)
    for (const line of `${why.stdout}${status.stdout}`.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    expect((await device.sluice(['enrol'], await token())).code).toBe(0)
    await service.event((event) => event.event === 'pack.sent')
    expect(packsIn(store)).toHaveLength(1)

    await collector.accounts.revoke('laptop-1')
    let from = service.events.length
    writeFileSync(join(device.folder, 'captures/b.log'), 'more\n')
    await service.event((event) => event.event === 'send.held' && event.reasons.includes('credential-refused'), from)
    from = service.events.length
    expect((await device.sluice(['enrol'], await token('laptop-1'))).code).toBe(0)
    await service.event((event) => event.event === 'pack.sent', from)
    expect(packsIn(store)).toHaveLength(2)
    expect(JSON.stringify(service.events) + service.stderr).not.toContain(secretOf(device))
  })
})
