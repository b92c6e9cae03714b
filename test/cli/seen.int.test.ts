import { execFile, spawn } from 'node:child_process'
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { hasRun, json, root, sandbox } from './run.ts'

const run = promisify(execFile)
const conditions = 'conditions: { power: mains, network: free }\n'

test('what left and what waits is told without a service', { timeout: 60_000 }, async () => {
  using box = sandbox(`${conditions}windows: [{ from: "00:00", to: "00:01" }]\ntimeZone: UTC\n`)
  mkdirSync(join(box.folder, 'captures'))
  writeFileSync(join(box.folder, 'captures/a.txt'), 'captured '.repeat(100))
  expect((await box.sluice('history')).stdout).toBe('Nothing has left this machine yet.\n')
  await box.sluice('run', '--once')
  const preview = await box.sluice('preview', '--json')
  const isNight = new Date().getUTCHours() === 0 // the minute in which it is sent at once
  if (!isNight) expect(json(preview)).toMatchObject({ packed: { packs: 1, rawBytes: 900 }, streams: [{ stream: 'a', files: 1, rawBytes: 900 }] })
  if (!isNight) expect((await box.sluice('preview')).stdout).toMatch(/^1 pack waiting, .+ for 900 B of captures\.\n\nstream +files +captures +oldest +newest\na +1 +900 B/)
  writeFileSync(join(box.folder, 'sluice.yaml'), readFileSync(join(box.folder, 'sluice.yaml'), 'utf8').replace(/windows.*\n/, ''))
  await box.sluice('run', '--once')
  expect(json(await box.sluice('history', '--json'))).toMatchObject({ more: false, packs: [{ seq: 1, streams: ['a'], rawBytes: 900, networks: [{ class: 'free' }] }] })
  expect((await box.sluice('history', '--days')).stdout).toMatch(/1 pack +\d+ B +900 B +free +a\n$/)
  expect((await box.sluice('preview')).stdout).toContain('Nothing is packed and waiting.')
})

test('doctor says what is wrong and what to do, and exits with 1 for what has to be mended', { timeout: 60_000 }, async () => {
  using box = sandbox(conditions)
  mkdirSync(join(box.folder, 'captures'))
  hasRun(box)
  const well = await box.sluice('doctor', '--json')
  expect(json(well)).toMatchObject({ version: 1, ok: true })
  chmodSync(box.state, 0o777)
  const { code, stdout } = await box.sluice('doctor')
  expect(code).toBe(1)
  expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`FAIL Others than its owner may write to ${box.state}, and end pauses. -> chmod go-w ${box.state}`)
  writeFileSync(join(box.folder, 'sluice.yaml'), 'streams: 1\n')
  expect((await box.sluice('doctor')).stdout).toContain('-> Mend the file, then run: sluice config check')
})

const noRoot = process.getuid?.() === 0 ? '' : ' (skipped: needs root)'
test.skipIf(noRoot !== '')(`a member of the group steers the service of another user; nobody else does${noRoot}`, { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  const [serviceId, groupId, memberId, otherId] = [61_010, 61_011, 61_012, 61_013]
  chmodSync(folder, 0o755)
  const program = join(folder, 'program') // where every user can read it
  mkdirSync(program)
  for (const part of ['cli', 'config', 'daemon', 'src', 'package.json']) cpSync(join(root, part), join(program, part), { recursive: true })
  cpSync(process.execPath, join(folder, 'node'))
  chmodSync(join(folder, 'node'), 0o755)
  for (const path of ['state', 'run', 'captures', 'out']) {
    mkdirSync(join(folder, path), { mode: path === 'state' ? 0o700 : 0o755 })
    chownSync(join(folder, path), serviceId, groupId)
  }
  const isReachable = await run('test', ['-r', join(root, 'node_modules/yaml/package.json')], { uid: otherId, gid: otherId, cwd: '/' }).then(() => true, () => false)
  if (isReachable) symlinkSync(join(root, 'node_modules'), join(program, 'node_modules'))
  else cpSync(join(root, 'node_modules'), join(program, 'node_modules'), { recursive: true })
  const config = join(folder, 'sluice.yaml')
  writeFileSync(config, `device: d\nstreams: [{ name: a, path: ./captures, purpose: tests, files: append }]\ndestination: file://${folder}/out\nstate: ./state\n`
    + `control: { group: "${groupId}", socket: ./run/control.sock }\n${conditions}`)
  const env = { PATH: process.env['PATH'], HOME: folder, SLUICE_CONFIG: config, TZ: 'UTC' }
  const as = (uid: number, gid: number) => ({ uid, gid, cwd: '/', env })
  const sluice = (uid: number, gid: number, ...words: string[]): Promise<string> =>
    run(join(folder, 'node'), [join(program, 'cli/launch.mjs'), ...words], as(uid, gid)).then(({ stdout }) => stdout, (error: { stderr: string }) => `refused: ${error.stderr}`)
  const service = spawn(join(folder, 'node'), [join(program, 'cli/launch.mjs'), 'run'], { ...as(serviceId, groupId), stdio: 'ignore' })
  try {
    while (!existsSync(join(folder, 'run/control.sock'))) await sleep(100)
    expect(await sluice(memberId, groupId, 'pause', '30m')).toMatch(/^Paused until/)
    expect(await sluice(memberId, groupId, 'status')).toContain('because you paused Sluice')
    expect(await sluice(otherId, otherId, 'resume')).toMatch(/belongs to another user[^]*Ask your\s+IT/)
    expect(await sluice(otherId, otherId, 'status')).toContain('refused')
    expect(await sluice(memberId, groupId, 'resume')).toContain('Resumed.')
    expect(await sluice(memberId, groupId, 'history')).toContain('Nothing has left')
  } finally {
    service.kill('SIGKILL')
    rmSync(folder, { recursive: true })
  }
})

const noTmux = existsSync('/usr/bin/tmux') ? '' : ' (skipped: needs tmux)'
test.skipIf(noTmux !== '').each([40, 120])(`in a terminal of %i columns the live view is redrawn in place, and leaves it as it was${noTmux}`, { timeout: 60_000 }, async (columns) => {
  using box = sandbox(`${conditions}caps: [{ limit: 5 GB, per: month, resetDay: 15 }]\n`)
  hasRun(box)
  const socket = join(box.folder, 'tmux')
  const tmux = async (...words: string[]): Promise<string> => (await run('tmux', ['-S', socket, ...words])).stdout
  const sees = async (text: string | RegExp): Promise<string> => {
    for (;;) {
      const shown = await tmux('capture-pane', '-p', '-t', 'v')
      if (shown.search(text) >= 0) return shown
      await sleep(100)
    }
  }
  const command = `export LANG=C.UTF-8; echo before; "${process.execPath}" "${join(root, 'cli/launch.mjs')}" status --watch --config "${join(box.folder, 'sluice.yaml')}"; echo after; cat`
  await tmux('-f', '/dev/null', 'new-session', '-d', '-s', 'v', '-x', String(columns), '-y', '30', command)
  try {
    const shown = await sees('Ctrl-C ends this view')
    expect(shown).not.toContain('before')
    expect(shown).toMatch(/Nothing is sent now[^]*cap +5 GB per month[^]*░ 0 %/)
    await tmux('send-keys', '-t', 'v', 'C-c')
    expect(await sees(/^after/m)).toContain('before')
    expect((await tmux('display-message', '-p', '-t', 'v', '#{cursor_flag} #{alternate_on}')).trim()).toBe('1 0')
  } finally {
    await tmux('kill-server')
  }
})
