import { readFileSync } from 'node:fs'

/** What a program of another system printed (fixtures/README.md says where from). */
export function recorded(name: string): string {
  return readFileSync(new URL(`fixtures/${name}.txt`, import.meta.url), 'utf8')
}
