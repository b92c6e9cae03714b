import type { Identity } from 'age-encryption'
import { SluiceError } from '../observe/error.ts'
import { FormatError } from './bytes.ts'

/**
 * Finds the key of an age file in its header. Throws `identity-missing` when no identity fits, `FormatError` when the header
 * is damaged.
 */
export type Unlock = (header: Uint8Array) => Promise<Uint8Array>

/** Kinds of recipient that are named in a message; others, which a file may carry to look odd, are only counted. */
const kinds: Readonly<Record<string, string>> = {
  'X25519': 'age1…', 'mlkem768x25519': 'age1pq1…', 'p256tag': 'age1tag1…', 'mlkem768p256tag': 'age1tagpq1…',
  'scrypt': 'a passphrase', 'ssh-ed25519': 'ssh-ed25519', 'ssh-rsa': 'ssh-rsa',
}

const identityPattern = /^AGE-SECRET-KEY-(PQ-)?1[02-9A-Z]+$/

/** The identities in the text of an identity file. `where` is for messages, which never repeat one. Throws `usage`. */
export function parseIdentities(text: string, where: string): string[] {
  if (/^(-----BEGIN AGE ENCRYPTED FILE-----|age-encryption\.org\/)/.test(text)) {
    throw new SluiceError('usage', `${where} is itself encrypted. Open it first: age -d ${where} | sluice … --identity -`)
  }
  const identities: string[] = []
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    if (!identityPattern.test(line)) throw notAnIdentity(line, `${where}:${index + 1}`)
    identities.push(line)
  }
  if (identities.length === 0) throw new SluiceError('usage', `${where} holds no identity, a line that begins with AGE-SECRET-KEY-1`)
  return identities
}

function notAnIdentity(line: string, where: string): SluiceError {
  const what = line.startsWith('AGE-PLUGIN-') ? 'is an identity of a plugin; only age itself can use it: age -d'
    : line.startsWith('age1') ? 'is a recipient, the public half; wanted is the line that begins with AGE-SECRET-KEY-1'
      : 'is no age identity, a line that begins with AGE-SECRET-KEY-1'
  return new SluiceError('usage', `${where} ${what}`)
}

/** An `Unlock` for these identities, `[where, identity]`; without any it says whom a file is for. Throws `usage`. */
export async function openIdentities(identities: readonly (readonly [where: string, identity: string])[]): Promise<Unlock> {
  const { Decrypter } = await import('age-encryption')
  for (const [where, identity] of identities) {
    try {
      new Decrypter().addIdentity(identity)
    } catch {
      // What the library says may repeat it.
      throw new SluiceError('usage', `${where} holds an identity that is not whole: a letter of it is wrong or missing`)
    }
  }
  return async (header) => {
    const asked: string[] = []
    const decrypter = new Decrypter()
    for (const [, identity] of identities) decrypter.addIdentity(identity)
    // Asked last, and so only when none of the others fits.
    let isUnknown = false
    const last: Identity = {
      unwrapFileKey: (stanzas) => {
        isUnknown = true
        asked.push(...stanzas.map(({ args }) => args[0] ?? ''))
        return null
      },
    }
    decrypter.addIdentity(last)
    try {
      return await decrypter.decryptHeader(header)
    } catch {
      if (!isUnknown) throw new FormatError('the age header is damaged', 0)
      throw new SluiceError('identity-missing', `${recipientsInWords(asked)}: ${identities.length === 0 ? 'no identity was given; name one with --identity FILE' : 'none of the identities given is theirs'}`)
    }
  }
}

/** `encrypted to 2 recipients (age1…, age1pq1…)` */
function recipientsInWords(asked: readonly string[]): string {
  const known = [...new Set(asked.flatMap((kind) => (Object.hasOwn(kinds, kind) ? kinds[kind] ?? [] : [])))]
  const words = known.length > 0 ? known.join(', ') : 'of unknown kinds'
  return `encrypted to ${asked.length === 1 ? 'one recipient' : `${asked.length} recipients`} (${words})`
}
