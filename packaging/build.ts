import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { gzipSync } from 'node:zlib'
import { formatBytes } from '../config/units.ts'
import { controlFile, copyrightFile, debianChangelog, type DebFacts } from './deb-files.ts'
import { readPackage, setModes, stage, writeText } from './stage.ts'
import { unitFiles } from './units.ts'

const source = join(import.meta.dirname, '..')
const scripts = ['postinst', 'prerm', 'postrm']

const { values } = parseArgs({ options: {
  version: { type: 'string' },
  out: { type: 'string', default: join(source, 'dist') },
  only: { type: 'string', default: 'deb,linux-x64,any' },
  /** Larger, and made in a few seconds: for trying a package out. */
  quick: { type: 'boolean', default: false },
} })

const { version: ownVersion, description } = await readPackage(source)
const version = values.version ?? ownVersion
const time = new Date(Number(process.env['SOURCE_DATE_EPOCH'] ?? lastChange()) * 1000)
// dpkg-deb takes it from here, and makes no file newer.
process.env['SOURCE_DATE_EPOCH'] = String(time.getTime() / 1000)

await mkdir(values.out, { recursive: true })
const work = await mkdtemp(join(tmpdir(), 'sluice-'))
try {
  const kinds = values.only.split(',')
  if (kinds.includes('deb')) await buildDeb(join(work, 'deb'))
  if (kinds.includes('linux-x64')) await buildTar(work, `sluice-${version}-linux-x64`, true)
  if (kinds.includes('any')) await buildTar(work, `sluice-${version}`, false)
} finally {
  await rm(work, { recursive: true, force: true })
}

/** Seconds since the epoch: the same sources make the same package at any time. */
function lastChange(): string {
  return execFileSync('git', ['-C', source, 'log', '-1', '--format=%ct'], { encoding: 'utf8' })
}

async function buildTar(work: string, name: string, withNode: boolean): Promise<void> {
  await stage({ source, prefix: join(work, name), version, withNode })
  const path = join(values.out, `${name}.tar.gz`)
  const order = ['--sort=name', `--mtime=@${time.getTime() / 1000}`, '--owner=0', '--group=0', '--numeric-owner', '--format=gnu']
  execFileSync('tar', ['-C', work, ...order, '-I', `gzip -n -${values.quick ? 1 : 9}`, '-cf', path, name])
  await tell(path, join(work, name))
}

async function buildDeb(root: string): Promise<void> {
  const modules = await stage({ source, prefix: join(root, 'usr'), version, withNode: true })
  const facts: DebFacts = {
    product: 'sluice', version: `${version}-1`, description, time, maintainer: maintainer(), installedKilobytes: 0,
  }
  await stageSystem(root)
  const docs = join(root, 'usr/share/doc/sluice')
  await rm(join(docs, 'CHANGELOG.md'))
  await writeText(join(docs, 'changelog.gz'), gzipSync(await readFile(join(source, 'CHANGELOG.md')), { level: 9 }))
  await writeText(join(docs, 'changelog.Debian.gz'), gzipSync(debianChangelog(facts), { level: 9 }))
  await writeText(join(docs, 'copyright'), copyrightFile(facts, modules))
  const files = await filesBelow(root)
  const sums = await Promise.all(files.filter((path) => !path.startsWith('etc/')).map(async (path) => `${createHash('md5').update(await readFile(join(root, path))).digest('hex')}  ${path}\n`))
  await writeText(join(root, 'DEBIAN/control'), controlFile({ ...facts, installedKilobytes: await kilobytes(root, files) }))
  await writeText(join(root, 'DEBIAN/md5sums'), sums.join(''))
  await writeText(join(root, 'DEBIAN/conffiles'), files.filter((path) => path.startsWith('etc/')).map((path) => `/${path}\n`).join(''))
  for (const script of scripts) await copyFile(join(import.meta.dirname, 'debian', script), join(root, 'DEBIAN', script))
  await setModes(root, isProgram)
  const path = join(values.out, `sluice_${version}-1_amd64.deb`)
  execFileSync('dpkg-deb', ['--root-owner-group', ...(values.quick ? ['-Zgzip', '-z1'] : ['-Zxz']), '--build', root, path], { stdio: ['ignore', 'ignore', 'inherit'] })
  await rm(join(root, 'DEBIAN'), { recursive: true })
  await tell(path, root)
}

/** What a system keeps outside of a prefix: units, its user, and folders for the config. */
async function stageSystem(root: string): Promise<void> {
  const here = (name: string): string => join(import.meta.dirname, name)
  for (const [path, text] of Object.entries(unitFiles())) await writeText(join(root, path), text)
  await writeText(join(root, 'usr/share/lintian/overrides/sluice'), await readFile(here('debian/lintian-overrides')))
  await writeText(join(root, 'etc/sluice/policy.d/README'), await readFile(here('etc/policy.d-README')))
}

function isProgram(path: string): boolean {
  return path === 'usr/bin/sluice' || path === 'usr/lib/sluice/node/bin/node' || scripts.some((name) => path === `DEBIAN/${name}`)
}

/** As Debian’s own tools are told it. */
function maintainer(): string {
  const { DEBFULLNAME = 'Sluice maintainers', DEBEMAIL = 'maintainers@sluice.example' } = process.env
  return `${DEBFULLNAME} <${DEBEMAIL}>`
}

/** Paths of all files, in one order everywhere. */
async function filesBelow(root: string): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath, entry.name))).sort()
}

/** What files take on a disk, each rounded up, as Debian counts it. */
async function kilobytes(root: string, files: readonly string[]): Promise<number> {
  const sizes = await Promise.all(files.map(async (path) => Math.ceil((await stat(join(root, path))).size / 1024)))
  return sizes.reduce((sum, size) => sum + size, 0)
}

async function tell(path: string, root: string): Promise<void> {
  const { size } = await stat(path)
  const installed = await kilobytes(root, await filesBelow(root)) * 1024
  process.stdout.write(`${path}  ${formatBytes(size)}, installed ${formatBytes(installed)}\n`)
}
