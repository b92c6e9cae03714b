import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { expect } from 'vitest'
import { Ledger } from '../../src/budget/ledger.ts'
import { Journal } from '../../src/journal/journal.ts'
import { journalPath } from '../../src/journal/open-state.ts'
import { decodeHeader, headerHash } from '../../src/pack/header.ts'
import { toHex } from '../../src/pack/sha256.ts'
import type { PackName } from '../../src/transfer/destination.ts'
import { makePlace, sluice, type Place } from '../service/harness.ts'
import { temporaryFolder } from '../temporary-folder.ts'
import { noise } from './make-log.ts'

/** Stands in captures that do not compress, so that it can be found wherever content lies in the clear. */
export const marker = 'a sentence that somebody typed'

export interface Key {
  readonly identity: string
  readonly recipient: string
  readonly file: string
}

export async function makeKey(folder: string, name: string): Promise<Key> {
  const identity = await generateX25519Identity()
  const [recipient, file] = [await identityToRecipient(identity), join(folder, name)]
  writeFileSync(file, `# public key: ${recipient}\n${identity}\n`, { mode: 0o600 })
  return { identity, recipient, file }
}

/** A minute of the day, so many hours from now. */
const clockIn = (hours: number): string => new Date(Date.now() + hours * 3_600_000).toISOString().slice(11, 16)

/** Rewrites what follows the base of a place’s config. */
export async function configure(place: Place, { recipients = [], held = false }: { recipients?: readonly Key[]; held?: boolean }): Promise<void> {
  const base = readFileSync(place.configFile, 'utf8').split('# more\n')[0] ?? ''
  const more = [
    ...(recipients.length > 0 ? [`recipients: [${recipients.map(({ recipient }) => recipient).join(', ')}]`] : []),
    ...(held ? [`windows: [{ from: "${clockIn(8)}", to: "${clockIn(9)}" }]`] : []),
  ]
  writeFileSync(place.configFile, `${base}# more\n${more.join('\n')}\n`)
}

export async function newPlace(options: Parameters<typeof configure>[1]): Promise<Place> {
  const place = await makePlace({ more: '# more' })
  await configure(place, options)
  return place
}

export const secretBytes = (seed: string): Buffer => Buffer.concat([noise(`${seed} before`, 30_000), Buffer.from(marker), noise(`${seed} behind`, 30_000)])

export function capture(place: Place, name: string, bytes = secretBytes(name)): Buffer {
  writeFileSync(join(place.shots, name), bytes)
  return bytes
}

/** Files below a folder that hold the marker. */
export function leaks(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name)).filter((path) => readFileSync(path).includes(marker))
}

const log = (place: Place): string => join(place.packs, 'laptop-1')
export const packsIn = (place: Place): Buffer[] => readdirSync(log(place)).sort().map((name) => readFileSync(join(log(place), name)))
export const isEncrypted = (pack: Buffer): boolean => decodeHeader(pack).encryption === 'age'

export function usedSince(place: Place, at: number): number {
  using journal = new Journal(journalPath(place.state), 'read')
  return new Ledger(journal).usedSince(at, {})
}

export async function expectAll(place: Place, owners: readonly Key[], captured: Record<string, Buffer>): Promise<void> {
  const out = await temporaryFolder()
  const pulled = await sluice('pull', place.packs, out, ...owners.flatMap(({ file }) => ['--identity', file]))
  expect(pulled.stderr).toBe('')
  expect(pulled.code).toBe(0)
  const again = JSON.parse((await sluice('pull', place.packs, out, '--json', ...owners.flatMap(({ file }) => ['--identity', file]))).stdout) as { files: number; present: number }
  expect(again.present).toBe(again.files)
  for (const [name, bytes] of Object.entries(captured)) expect(Buffer.compare(readFileSync(join(out, name)), bytes), name).toBe(0)
}

export function nameOf(bytes: Buffer): PackName {
  const { device, seq, headerBytes } = decodeHeader(bytes)
  return { device, seq, hash: toHex(headerHash(bytes.subarray(0, headerBytes))) }
}
