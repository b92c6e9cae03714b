import fc from 'fast-check'
import { Encrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { describe, expect, test } from 'vitest'
import { checkConfig } from '../../config/parse.ts'
import { problemText } from '../../config/problem.ts'
import { environment, smallest } from './sample.ts'

const identity = await generateX25519Identity()
const classic = await identityToRecipient(identity)
const hybrid = await identityToRecipient(await generateHybridIdentity())

/** The problems of a config with this in it. */
function problems(more: string): string[] {
  const result = checkConfig(`${smallest}${more}\n`, 'sluice.yaml', environment)
  return 'problems' in result ? result.problems.map(problemText) : []
}

describe('recipients', () => {
  test('are the two kinds of public key that age-keygen makes, one or several', () => {
    for (const list of [classic, hybrid, `[${classic}]`]) expect(problems(`recipients: ${list}`)).toEqual([])
    const result = checkConfig(`${smallest}recipients: [${classic}, ${classic}]\n`, 'sluice.yaml', environment)
    expect('config' in result && result.config.recipients).toEqual([classic, classic])
    expect(problems('')).toEqual([])
  })

  test('of which any letter is another are refused with line and reason, and what is taken is what age takes', () => {
    const letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
    fc.assert(fc.property(fc.nat(classic.length - 5), fc.constantFrom(...letters), (at, letter) => {
      const changed = `${classic.slice(0, at + 4)}${letter}${classic.slice(at + 5)}`
      const found = problems(`recipients:\n  - ${classic}\n  - ${changed}`)
      if (changed === classic) expect(found).toEqual([])
      else {
        expect(found).toEqual([expect.stringMatching(/^sluice\.yaml:9:5 recipients\[1\]: found "age1.*; a letter of it is wrong: its checksum does not fit; allowed: a public key of age/)])
        expect(() => new Encrypter().addRecipient(changed)).toThrow()
      }
    }))
  })

  test('that are cut, of an unknown kind, empty or something else are refused with the reason', () => {
    for (const [written, reason] of [
      [classic.slice(0, -1), 'was it cut?'], [`${classic}q`, 'was it cut?'], [hybrid.slice(0, 80), 'was it cut?'], [classic.replace('age1', 'age1b'), 'a character that no key has'],
      ['age1tag1qqqqqq', 'that kind of recipient is not supported'], ['ssh-ed25519', 'does not begin with age1'], [classic.toUpperCase(), 'does not begin with age1'],
      ['[]', 'found 0 items'], ['', 'found nothing'], ['true', 'found "true"'], ['""', 'does not begin with age1'],
    ] as const) expect(problems(`recipients: ${written}`), written).toEqual([expect.stringContaining(reason)])
  })

  test('of both kinds together are refused, as age refuses them', () => {
    expect(problems(`recipients: [${classic}, ${hybrid}]`)).toEqual([expect.stringContaining('recipients[1]: found another kind of key than recipients[0]')])
  })
})

describe('an identity in a config', () => {
  test('is refused with a warning, and never repeated, wherever it stands', () => {
    for (const secret of [identity, identity.toLowerCase(), 'AGE-PLUGIN-YUBIKEY-1QQQQQQ']) {
      const places = [`recipients: ${secret}`, `recipients: ["${secret}"]`, `recipients: { ${secret}: x }`, `${secret}: x`, `effort: ${secret}`, `effort: "x ${secret} y"`]
      for (const place of places) {
        const found = problems(place).join('\n')
        expect(found).not.toBe('')
        expect(found.toLowerCase()).not.toContain(secret.toLowerCase().slice(-12))
        expect(found.toLowerCase()).not.toContain(secret.toLowerCase().slice(0, 24))
      }
      expect(problems(`recipients: ${secret}`).join()).toContain('the secret half, and is not to be here')
    }
  })
})
