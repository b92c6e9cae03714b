import type { ValueType } from './schema.ts'

/** Letters of bech32, in the order of their values (BIP 173). */
const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
const checksumLetters = 6
const generator = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3] as const

/** Kinds of age public key whose packs can also be opened with an identity file, and the bytes of each. */
const keyBytes: Readonly<Record<string, number>> = { age: 32, age1pq: 1216 }

/** A public key of age: X25519 (`age1…`) or the post-quantum hybrid (`age1pq1…`). */
export const recipient: ValueType<string> = {
  allowed: 'a public key of age (age1…), as age-keygen prints it',
  parse: (text) => (problemOf(text) === undefined ? text : undefined),
  hint(text) {
    const problem = problemOf(text)
    return problem && `${problem};`
  },
  show: (text) => (text.length <= 80 ? text : `${text.slice(0, 20)}…${text.slice(-8)}`),
}

/** `text` without what only its owner may know: one may be pasted anywhere by mistake, and messages go to logs. */
export function maskIdentities(text: string): string {
  return text.replaceAll(/AGE-(SECRET-KEY|PLUGIN)-[^\s"',]*/gi, 'AGE-$1-…')
}

/** Why the text is no recipient. */
function problemOf(text: string): string | undefined {
  if (/AGE-(SECRET-KEY|PLUGIN)-/i.test(text)) {
    return 'that is an identity, the secret half, and is not to be here: count it as known to others, and make a new one with age-keygen'
  }
  if (!text.startsWith('age1')) return 'it does not begin with age1'
  const split = text.lastIndexOf('1')
  const prefix = text.slice(0, split)
  const bytes = Object.hasOwn(keyBytes, prefix) ? keyBytes[prefix] : undefined
  if (bytes === undefined) return 'that kind of recipient is not supported'
  const values = [...text.slice(split + 1)].map((letter) => letters.indexOf(letter))
  if (values.includes(-1)) return 'it holds a character that no key has'
  if (values.length !== Math.ceil((bytes * 8) / 5) + checksumLetters) return 'it is not as long as a key: was it cut?'
  return checksum(prefix, values) === 1 ? undefined : 'a letter of it is wrong: its checksum does not fit'
}

/** 1 where prefix, data and checksum belong together: up to four wrong letters of a short key always make it another number. */
function checksum(prefix: string, values: readonly number[]): number {
  const codes = [...prefix].map((letter) => letter.charCodeAt(0))
  let sum = 1
  for (const value of [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...values]) {
    const top = sum >>> 25
    sum = ((sum & 0x1ffffff) << 5) ^ value
    for (const [bit, term] of generator.entries()) if ((top >> bit) & 1) sum ^= term
  }
  return sum
}
