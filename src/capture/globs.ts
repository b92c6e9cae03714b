import { posix } from 'node:path'
import { bytesOf, type PathKey } from './path-key.ts'

const beyondAscii = /[^\x00-\x7f]/

/**
 * Whether a path matches one of the `include` globs (`*`, `?`, `**`, `{a,b}`, `[a-z]`; case matters as in the file
 * system). As in a shell, wildcards leave out names that begin with a dot, except that `**` alone, or no glob at all,
 * means every file. Bytes that are not UTF-8 match wildcards only.
 */
export function includes(globs: readonly string[]): (key: PathKey) => boolean {
  if (globs.length === 0 || globs.includes('**')) return () => true
  return (key) => {
    const path = beyondAscii.test(key) ? bytesOf(key).toString('utf8') : key
    return globs.some((glob) => posix.matchesGlob(path, glob))
  }
}
