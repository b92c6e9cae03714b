import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

test('the demo shows a cut connection that goes on at its byte, and rebuilds every file', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-'))
  onTestFinished(() => { rmSync(folder, { recursive: true }) })
  const launcher = join(import.meta.dirname, '../../../cli/launch.mjs')
  const { status, stdout } = spawnSync(process.execPath, [launcher, 'demo', '--seconds', '12', '--folder', folder], { encoding: 'utf8' })
  expect(stdout).toContain('the connection is cut in the middle of a pack')
  expect(stdout).toMatch(/it went on at byte [1-9]\d* of \d+; no byte arrived twice/)
  expect(stdout).toContain('every one equal, byte for byte')
  expect(status).toBe(0)
})
