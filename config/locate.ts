import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

import { SluiceError } from '../src/observe/error.ts'

/**
 * The config file to use: `chosen`, else `$SLUICE_CONFIG`, else the person's own, else the machine's. Throws
 * `config-missing`.
 */
export function locateConfig(chosen: string | undefined): string {
  const { SLUICE_CONFIG, XDG_CONFIG_HOME } = process.env
  if (chosen !== undefined) return chosen
  if (SLUICE_CONFIG) return SLUICE_CONFIG
  const personal = join(
    XDG_CONFIG_HOME?.startsWith('/') ? XDG_CONFIG_HOME : join(homedir(), '.config'),
    'sluice/config.yaml',
  )
  const found = [personal, '/etc/sluice/config.yaml'].find((path) => existsSync(path))
  if (found === undefined) {
    throw new SluiceError(
      'config-missing',
      `There is no config: neither ${personal} nor /etc/sluice/config.yaml. Name one with --config FILE.`,
    )
  }
  return found
}
