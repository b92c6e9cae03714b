import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

import { expect, test } from 'vitest'

test('the generated docs say what the tables say', () => {
  const root = join(import.meta.dirname, '../..')
  const { status, stderr } = spawnSync(process.execPath, ['config/generate-docs.ts', '--check'], { cwd: root, encoding: 'utf8' })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})
