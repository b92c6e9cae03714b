import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { packagedPlace } from '../../daemon/service/place.ts'
import { foldersUnit, systemUnit, sysusers, unitName, userUnit } from '../../daemon/service/systemd.ts'
import { root } from '../cli/run.ts'
import { temporaryFolder } from '../temporary-folder.ts'

const analyze = '/usr/bin/systemd-analyze'
/** Ten times the exposure that is allowed. */
const threshold = 20

/** A unit with a program that is there, as the verifier wants one. */
const place = { ...packagedPlace, node: '/bin/true' }

async function unitFile(text: string, dropIn?: string): Promise<string> {
  const folder = await temporaryFolder()
  const path = join(folder, unitName)
  writeFileSync(path, text)
  if (dropIn !== undefined) {
    mkdirSync(`${path}.d`)
    writeFileSync(join(`${path}.d`, '50-folders.conf'), dropIn)
  }
  return path
}

describe.skipIf(!existsSync(analyze))('systemd (skipped without systemd-analyze)', () => {
  test('finds nothing to say of the unit, with folders of any name opened to it', async () => {
    const path = await unitFile(systemUnit(place), foldersUnit(['/srv/a b', '/srv/100%n', '/srv/"q"\\$HOME']))
    expect(spawnSync(analyze, ['verify', '--man=no', path], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '', stdout: '' })
  })

  test('notices a key that it does not know', async () => {
    const path = await unitFile(systemUnit(place).replace('[Service]', '[Service]\nRestartsSteps=3'))
    expect(spawnSync(analyze, ['verify', '--man=no', path], { encoding: 'utf8' }).stderr).toContain('RestartsSteps')
  })

  test('finds nothing to say of a person’s unit, with a program and a config of any name', async () => {
    const path = await unitFile(userUnit({ node: '/bin/true', launcher: '/home/a b/$x%n/launch.mjs' }, '/home/a b/"c".yaml'))
    // Without a session there is no user manager to ask: the system's reads the same keys.
    expect(spawnSync(analyze, ['verify', '--man=no', path], { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '', stdout: '' })
  })

  test('rates the exposure at most 2.0, and docs/service.md says the score', async () => {
    const path = await unitFile(systemUnit(place))
    const { status, stdout } = spawnSync(analyze, ['security', '--offline=true', `--threshold=${threshold}`, path], { encoding: 'utf8' })
    expect(status).toBe(0)
    const score = /Overall exposure level for sluice\.service: (\d+\.\d)/.exec(stdout)?.[1]
    expect(Number(score)).toBeLessThanOrEqual(threshold / 10)
    expect(readFileSync(join(root, 'docs/service.md'), 'utf8')).toContain(`exposure level of **${score}**`)
  })

  test('rates a unit that denies nothing far above that', async () => {
    const path = await unitFile(systemUnit(place).replaceAll(/^(Protect|Private|Restrict|SystemCall|Capability|NoNew)\w+=.*$/gm, ''))
    expect(spawnSync(analyze, ['security', '--offline=true', `--threshold=${threshold}`, path]).status).not.toBe(0)
  })
})

test('the unit never runs as root', () => {
  expect(systemUnit(place)).toMatch(/^User=sluice$/m)
})

test.skipIf(!existsSync('/usr/bin/systemd-sysusers'))('the user can be made by systemd-sysusers (skipped without it)', async () => {
  const folder = await temporaryFolder()
  writeFileSync(join(folder, 'sluice.conf'), sysusers)
  mkdirSync(join(folder, 'etc'))
  execFileSync('systemd-sysusers', [`--root=${folder}`, join(folder, 'sluice.conf')], { stdio: 'pipe' })
  expect(readFileSync(join(folder, 'etc/passwd'), 'utf8')).toMatch(/^sluice:.*:\/var\/lib\/sluice:\/usr\/sbin\/nologin$/m)
})
