import { existsSync, realpathSync, watch } from 'node:fs'
import { basename, dirname } from 'node:path'

/** How soon a change is seen where a folder cannot be watched. */
const pollMs = 30_000

/** What is to be watched. */
export interface Watched {
  readonly files: readonly string[]
  /** A folder whose every entry counts. It need not be there. */
  readonly folder: string
}

/** Calls `onChange` soon after a file, or anything in the folder, may have changed, until disposed of. */
export function watchFiles({ files, folder }: Watched, onChange: () => void): Disposable {
  const stack = new DisposableStack()
  let isBlind = false
  const look = (path: string, isIt: (name: string) => boolean): void => {
    try {
      const watcher = watch(path, { persistent: false }, (_, name) => {
        if (name === null || isIt(name)) onChange()
      })
      watcher.on('error', onChange)
      stack.defer(() => { watcher.close() })
    } catch {
      isBlind = true // the system's limit of watches is reached
    }
  }
  for (const [path, names] of namesByFolder(files)) look(path, (name) => names.has(name))
  const { path, next } = nearest(folder)
  look(path, (name) => next === undefined || name === next)
  if (isBlind) {
    const timer = setInterval(onChange, pollMs).unref()
    stack.defer(() => { clearInterval(timer) })
  }
  return stack
}

/** The names to look for in each folder; of a link also where it leads. */
function namesByFolder(files: readonly string[]): Map<string, Set<string>> {
  const folders = new Map<string, Set<string>>()
  for (const file of files.flatMap((path) => [path, realPath(path)])) {
    const { path, next = basename(file) } = nearest(dirname(file))
    folders.set(path, (folders.get(path) ?? new Set()).add(next))
  }
  return folders
}

function realPath(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return path
  }
}

/** The folder, or the nearest one above it that is there and the name in it that is missing. */
function nearest(folder: string): { readonly path: string; readonly next?: string } {
  let path = folder
  let next: string | undefined
  while (!existsSync(path) && dirname(path) !== path) {
    next = basename(path)
    path = dirname(path)
  }
  return { path, ...(next !== undefined && { next }) }
}
