import { readFileSync } from 'node:fs'

/** The program's version, as its package says. */
export function programVersion(): string {
  const description = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version?: string }
  return description.version ?? 'unknown'
}
