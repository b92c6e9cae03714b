/** No line of a log holds what IT must not read: strings that stand for it are put everywhere, and searched for after each failure. */
import type { AddressInfo } from 'node:net'
import { spawnSync } from 'node:child_process'
import { createServer, type RequestListener } from 'node:http'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { emptySettings } from '../../src/journal/settings.ts'
import { checkLine } from '../../src/observe/log/line.ts'
import { root, runProcess } from '../cli/run.ts'
import { noise } from '../pack/make-log.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const isRoot = process.getuid?.() === 0 && process.platform === 'linux'
const setpriv = '/usr/bin/setpriv'
const nobody = 65_534

const canaries = { file: 'canary-file', content: 'canary-content', token: 'canary-token', place: 'canary-hotel', network: 'canary-ssid' }

async function serve(answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => { server.closeAllConnections(); server.close() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/files/`
}

interface Setting {
  readonly destination: string
  readonly state?: string
  readonly prepare?: (captures: string) => void
}

/** Runs once with captures full of canaries, and returns what is in the log; fails where a canary is. */
async function logOf({ destination, state, prepare }: Setting): Promise<string> {
  const folder = await temporaryFolder()
  const captures = join(folder, 'captures')
  mkdirSync(join(captures, `${canaries.file}-folder`), { recursive: true })
  writeFileSync(join(captures, `${canaries.file}.jsonl`), `{"text":"${canaries.content}"}\n`)
  writeFileSync(join(captures, `${canaries.file}-folder`, 'noise'), noise('canary', 3 << 20))
  writeFileSync(join(folder, 'credential'), canaries.token, { mode: 0o600 })
  const stateFolder = state ?? join(folder, 'state')
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 })
  writeFileSync(join(folder, 'sluice.yaml'), `
device: laptop-1
state: ${stateFolder}
destination: ${destination === '' ? `file://${folder}/out` : destination}
streams: [{ name: a, path: ./captures, purpose: ${canaries.content}, files: whole }]
${destination.startsWith('http') ? 'enrolment: { credentialFile: ./credential }' : ''}
conditions: { power: mains, network: free }
log: { folder: ./log, level: debug }
effort: 1
`)
  const cap = { id: `day.network.${canaries.network}`, limitBytes: 3_500_000, per: 'day', network: canaries.network } as const
  writeFileSync(join(stateFolder, 'settings.json'), JSON.stringify({ ...emptySettings, caps: [cap] }), { mode: 0o600 })
  prepare?.(captures)
  if (isRoot && !state) for (const path of [folder, ...readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name))]) chownSync(path, nobody, nobody)
  const become = isRoot && !state ? [setpriv, `--reuid=${nobody}`, `--regid=${nobody}`, '--clear-groups'] : []
  const sluice = (...parameters: readonly string[]) => {
    const [program = '', ...rest] = [...become, process.execPath, join(root, 'cli/launch.mjs'), ...parameters, '--config', join(folder, 'sluice.yaml')]
    return runProcess(program, rest)
  }
  const { stderr } = await sluice('run', '--once')
  const logFolder = join(folder, 'log')
  expect(existsSync(logFolder), stderr).toBe(true)
  const log = readdirSync(logFolder).map((name) => readFileSync(join(logFolder, name), 'utf8')).join('')
  expect(log.trimEnd().split('\n').flatMap(checkLine)).toEqual([])
  for (const word of Object.values(canaries)) expect(log).not.toContain(word)
  return log
}

const json = { 'content-type': 'application/json', 'tus-resumable': '1.0.0' }
const refusal = (code: string) => JSON.stringify({ code, message: `${canaries.token} ${canaries.file}` })

const answers: Readonly<Record<string, readonly [code: string, RequestListener]>> = {
  'forbids it': ['destination-forbidden', (_, answer) => answer.writeHead(403, json).end(refusal('forbidden'))],
  'does not know the credential, and repeats it': ['credential-refused', (request, answer) => answer.writeHead(401, json).end(JSON.stringify({ code: 'credential-refused', message: request.headers.authorization }))],
  'is full': ['destination-full', (_, answer) => answer.writeHead(507, json).end(refusal('quota-full'))],
  'fails with a page': ['destination-failing', (_, answer) => answer.writeHead(500, { 'content-type': 'text/html' }).end(`<h1>${canaries.file}</h1>`)],
  'is the login page of a hotel': ['captive-portal', (_, answer) => answer.writeHead(302, { location: `http://${canaries.place}.example/?token=${canaries.token}` }).end()],
  'hangs up': ['destination-unreachable', (request) => request.socket.destroy()],
}

describe.skipIf(process.platform === 'win32' || (isRoot && !existsSync(setpriv)))('no line of a log holds a canary (skipped on Windows, and for root without setpriv)', () => {
  test.each(Object.entries(answers))('when the destination %s', async (_, [code, answer]) => {
    expect(await logOf({ destination: await serve(answer) })).toContain(code)
  })

  test('when a file and a folder cannot be read', async () => {
    const log = await logOf({
      destination: '',
      prepare: (captures) => {
        chmodSync(join(captures, `${canaries.file}.jsonl`), 0)
        chmodSync(join(captures, `${canaries.file}-folder`), 0)
      },
    })
    expect(log.match(/"capture\.unreadable"/g)).toHaveLength(2)
  })

  test('when all is well', async () => {
    expect(await logOf({ destination: '' })).toMatch(/"pack\.sent".*"cap\.warned"/s)
  })

  test.skipIf(!isRoot)('when the disk is full (skipped where a tmpfs cannot be mounted)', async (context) => {
    const state = join(await temporaryFolder(), 'state')
    mkdirSync(state)
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=700', 'none', state]).status !== 0) return context.skip('no tmpfs here')
    try {
      expect(await logOf({ destination: '', state })).toContain('spool-full')
    } finally {
      spawnSync('umount', ['-l', state])
    }
  })
})
