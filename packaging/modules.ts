/** What `package-lock.json` says of one installed module. */
export interface LockedModule {
  readonly version?: string
  readonly license?: string
  readonly dev?: boolean
  readonly optional?: boolean
  readonly devOptional?: boolean
}

export interface ProductionModule {
  /** Path from the package's folder, `node_modules/…`. */
  readonly path: string
  readonly name: string
  readonly version: string
  readonly license: string
}

/**
 * The modules that the product needs wherever it runs, in the order of their paths. What is optional stays away: it speeds up
 * or extends, and what is built here must be the same on every machine.
 */
export function productionModules(packages: Readonly<Record<string, LockedModule>>): ProductionModule[] {
  return Object.entries(packages)
    .filter(([path, { dev, optional, devOptional }]) => path !== '' && !dev && !optional && !devOptional)
    .map(([path, { version = '', license = 'unknown' }]) => ({ path, version, license, name: path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

const runs = /\.(js|cjs|mjs|json|wasm|node)$/
const terms = /^(licen[cs]e|notice|copying|copyright)/i
const neverRuns = /^(test|tests|__tests__|benchmarks?|examples?|\.github)$/

/** Whether a file of a module is needed to run it, or holds the terms that it comes under. `path` is from the module's folder. */
export function isShipped(path: string): boolean {
  const folders = path.split('/')
  const name = folders.pop() ?? ''
  if (folders.some((folder) => neverRuns.test(folder))) return false
  return terms.test(name) || (runs.test(name) && !/\.(test|spec)\.[cm]?js$/.test(name) && !name.startsWith('.'))
}
