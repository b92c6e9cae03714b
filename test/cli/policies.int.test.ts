import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { readSettings, updateSettings } from '../../src/journal/settings.ts'
import { json, root, runProcess, sandbox } from './run.ts'
import type { Finished, Sandbox } from './run.ts'

/** `sluice` in a sandbox with this policy. */
function underPolicy(box: Sandbox, policy: string): (...parameters: string[]) => Promise<Finished> {
  const folder = join(box.folder, 'policy.d')
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  writeFileSync(join(folder, '10-it.yaml'), policy, { mode: 0o644 })
  const environment = { SLUICE_CONFIG: join(box.folder, 'sluice.yaml'), SLUICE_POLICY_DIR: folder }
  return (...parameters) => runProcess(process.execPath, [join(root, 'cli/launch.mjs'), ...parameters], environment)
}

test('one pause is as long as the policy allows, says so, and can be taken again', async () => {
  using box = sandbox()
  const sluice = underPolicy(box, 'pause: { longest: 45m }\n')
  const { code, stdout } = await sluice('pause')
  expect(code).toBe(0)
  expect(stdout).toContain('Your IT allows at most 45m for one pause. You can pause again at any time.\n')
  const first = readSettings(box.state).pause
  expect(first?.until).toBe((first?.since ?? 0) + 45 * 60_000)
  expect((await sluice('pause', '20m')).stdout).not.toContain('IT allows')
  const again = json(await sluice('pause', 'until', 'tomorrow', '08:00', '--json')) as { until: number, longestMs: number }
  expect(again.longestMs).toBe(45 * 60_000)
  expect(again.until).toBeGreaterThan(first?.until ?? Infinity)
  expect((await box.sluice('pause')).stdout).toContain('until you run: sluice resume')
})

test('a wrong policy does not stand in the way of a pause', async () => {
  using box = sandbox()
  const sluice = underPolicy(box, 'pause: { longest: 1m }\n')
  const { code, stdout, stderr } = await sluice('pause', '2h')
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('Paused until') as string })
  expect(stderr).toContain('10-it.yaml')
  expect(readSettings(box.state).pause).toBeDefined()
})

test('config show names the file and line, or the command, of every value in 80 columns', async () => {
  using box = sandbox('effort: 9\n')
  const sluice = underPolicy(box, '# IT\nstreams: [{ name: a, optional: yes }]\n')
  updateSettings(box.state, (old) => ({ ...old, networks: [{ id: 'aaaaaaaaaaaa', name: 'home', cost: 'free' }] }))
  for (const command of [['pause', '30m'], ['cap', 'set', '1GB/day'], ['stream', 'off', 'a']]) expect((await sluice(...command)).code).toBe(0)
  const { stdout } = await sluice('config', 'show')
  expect(stdout).toMatch(/^policy {2}.*\/policy\.d\/10-it\.yaml$/m)
  for (const line of [
    /^streams\[0\]\.optional +yes +10-it\.yaml:2$/m, /^effort +9 +line 4$/m, /^seal\.size +4 MiB +default$/m, /^your pause +until \S.* +sluice pause$/m,
    /^your cap day +1 GB per day +sluice cap set$/m, /^your stream a +off +sluice stream off$/m, /^your network home +free +sluice network set$/m,
  ]) expect(stdout).toMatch(line)
  expect(stdout.split('\n').slice(3).filter((line) => line.length > 80)).toEqual([])
  const shown = json(await sluice('config', 'show', '--json')) as { policies: string[], values: object[] }
  expect(shown.policies).toEqual([join(box.folder, 'policy.d/10-it.yaml')])
  expect(shown.values).toContainEqual({ key: 'streams[0].optional', value: 'yes', from: `${join(box.folder, 'policy.d/10-it.yaml')}:2` })
})

test('a stream that the policy does not let be turned off names the policy', async () => {
  using box = sandbox('', 'optional: yes')
  const { code, stderr } = await underPolicy(box, 'streams: [{ name: a, optional: no }]')('stream', 'off', 'a')
  expect(code).toBe(2)
  expect(stderr.replaceAll('\n', ' ').replaceAll(' ', '')).toContain('policy.d/10-it.yamldoesnotsay')
})

test('config check takes the config in use with its policies, a policy by itself, or over a config', async () => {
  using box = sandbox()
  const sluice = underPolicy(box, 'effort: 3\n')
  const config = join(box.folder, 'sluice.yaml')
  const draft = join(box.folder, 'draft.yaml')
  expect(await sluice('config', 'check')).toMatchObject({ code: 0, stdout: `${config} is valid with 1 policy: 1 stream to file://${box.folder}/out\n` })
  writeFileSync(draft, 'caps: [{ limit: 1 GB, per: day, stream: b }]\n')
  expect((await sluice('config', 'check', '--policy', draft)).code).toBe(0)
  const over = await sluice('config', 'check', config, '--policy', draft, '--json')
  expect(over.code).toBe(2)
  expect(json(over)).toMatchObject({ valid: false, file: config, policies: [draft], problems: [{ file: draft, line: 1, key: 'caps[0].stream', found: 'found "b", which is no stream' }] })
  writeFileSync(draft, 'pause: { longest: 5m }\n')
  expect((await sluice('config', 'check', '--policy', draft)).stderr).toContain('pause.longest: found "5m"')
})
