import fc from 'fast-check'
import { Decrypter, Encrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { describe, expect, test } from 'vitest'
import { ageHeaderBytes, decrypted, maxAgeHeaderBytes, payloadKey, payloadShape } from '../../src/pack/age-payload.ts'
import { FormatError } from '../../src/pack/bytes.ts'
import { openSealer } from '../../src/pack/encryption.ts'
import { openIdentities, parseIdentities } from '../../src/pack/identities.ts'
import { readPack, sourceOf } from '../../src/pack/read-pack.ts'
import { zstdNative } from '../../src/compress/zstd-native.ts'
import { memoryDestination } from '../../src/transfer/memory.ts'
import { addSegment, bodyOf, emptyManifest, lines, LogMaker, noise, put, stamp, streamOf } from './make-log.ts'
import { filesOf, problemsOf, readAll } from './read-content.ts'

const identity = await generateX25519Identity()
const hybridIdentity = await generateHybridIdentity()
const recipient = await identityToRecipient(identity)
const sealer = await openSealer([recipient], noise('secret', 32))
const unlock = await openIdentities([['key.txt', identity]])
const pointer = streamOf('pointer')
const screens = streamOf('screens', 'whole')
const chunk = 64 << 10

/** Writes `plain` in pieces of these sizes, the last one as long as it takes. */
async function encrypt(plain: Uint8Array, pieces: readonly number[] = [], to = sealer): Promise<Buffer> {
  const parts: Uint8Array[] = []
  const writer = await to.begin(async (bytes) => void parts.push(Uint8Array.from(bytes)))
  let at = 0
  for (const size of [...pieces, plain.length]) {
    const piece = Uint8Array.from(plain.subarray(at, at + size))
    await writer.write(piece)
    piece.fill(0xee) // it may be reused
    at += size
  }
  const { bodyBytes } = await writer.finish()
  const file = Buffer.concat(parts)
  expect(bodyBytes).toBe(file.length)
  return file
}

async function payloadOf(file: Uint8Array) {
  const header = ageHeaderBytes(file)
  const offset = header + 16
  return { ...payloadShape(file.length - offset), offset, key: payloadKey(await unlock(file.subarray(0, header)), file.subarray(header, offset)) }
}

const edges = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2 * chunk + 5]

test('other recipients, and another secret, have another mark; their order and repeats have not', async () => {
  const other = await identityToRecipient(await generateX25519Identity())
  const markOf = async (recipients: readonly string[], secret = 'secret'): Promise<string> => (await openSealer(recipients, noise(secret, 32))).mark
  const mark = await markOf([recipient, other])
  expect(await markOf([other, recipient, other])).toBe(mark)
  expect(new Set([mark, await markOf([recipient]), await markOf([recipient, other], 'another')]).size).toBe(3)
})

describe('an age file', () => {
  test('is what age’s own library opens, at every size around a chunk’s and however it was written', async () => {
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity)
    for (const size of edges) {
      const plain = noise(`${size}`, size)
      for (const pieces of [[], [1, chunk - 1, chunk], [chunk + 7, 1]]) {
        expect(Buffer.compare(await decrypter.decrypt(await encrypt(plain, pieces)), plain), String(size)).toBe(0)
      }
    }
  })

  test('of the library, or of ours, is read from any place to any other', async () => {
    const encrypter = new Encrypter()
    encrypter.addRecipient(recipient)
    for (const size of edges) {
      const plain = noise(`${size}`, size)
      for (const file of [await encrypt(plain), await encrypter.encrypt(plain)]) {
        const opened = decrypted(sourceOf(file), await payloadOf(file))
        expect(opened.sizeBytes).toBe(size)
        await fc.assert(fc.asyncProperty(fc.nat(size), fc.nat(size), async (a, b) => {
          const [from, to] = [Math.min(a, b), Math.max(a, b)]
          expect(Buffer.compare(await opened.read(from, to - from), plain.subarray(from, to))).toBe(0)
        }), { numRuns: 30 })
        await expect(opened.read(size, 1)).rejects.toThrow(FormatError)
      }
    }
  })

  test('to several recipients is opened by each, of either kind, and by nobody else', async () => {
    const [second, stranger] = [await generateX25519Identity(), await generateX25519Identity()]
    const both = await openSealer([recipient, await identityToRecipient(second)], noise('secret', 32))
    const toHybrid = await openSealer([await identityToRecipient(hybridIdentity)], noise('secret', 32))
    const opens = async (file: Buffer, ...keys: string[]) => (await openIdentities(keys.map((key) => ['k', key])))(file.subarray(0, ageHeaderBytes(file)))
    const [forBoth, forHybrid] = [await encrypt(noise('x', 9), [], both), await encrypt(noise('x', 9), [], toHybrid)]
    for (const key of [identity, second]) expect(await opens(forBoth, stranger, key)).toHaveLength(16)
    expect(await opens(forHybrid, identity, hybridIdentity)).toHaveLength(16)
    await expect(opens(forBoth, stranger)).rejects.toMatchObject({ code: 'identity-missing', message: 'encrypted to 2 recipients (age1…): none of the identities given is theirs' })
    await expect(opens(forHybrid)).rejects.toMatchObject({ code: 'identity-missing', message: 'encrypted to one recipient (age1pq1…): no identity was given; name one with --identity FILE' })
  })

  test('with any bit of it changed, or cut anywhere, opens to nothing', async () => {
    const plain = noise('plain', chunk + 100)
    const file = await encrypt(plain)
    const read = async (bytes: Uint8Array) => {
      const payload = await payloadOf(bytes)
      return await decrypted(sourceOf(bytes), payload).read(0, payload.plainBytes)
    }
    expect(Buffer.compare(await read(file), plain)).toBe(0)
    const header = ageHeaderBytes(file)
    const places = [...Array(header + 16).keys(), header + 16, header + 16 + chunk - 1, header + 16 + chunk, header + 16 + chunk + 15, header + 16 + chunk + 16, file.length - 17, file.length - 16, file.length - 1]
    for (const at of places) {
      const changed = Buffer.from(file)
      changed[at]! ^= 1
      await expect(read(changed), `byte ${at}`).rejects.toSatisfy((error) => error instanceof FormatError || (error as { code?: string }).code === 'identity-missing')
    }
    for (const length of [0, 1, header - 1, header, header + 15, header + 16, header + 31, header + 32 + chunk, header + 32 + chunk + 15, header + 48 + chunk, file.length - 1]) {
      await expect(read(file.subarray(0, length)), `${length} bytes`).rejects.toThrow(FormatError)
    }
  })

  test('whose header goes on and on is given up at a bound', () => {
    const endless = Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.from('-> X25519 AAAA\n'.repeat(20_000)), Buffer.from('--- AAAA\n')])
    expect(endless.length).toBeGreaterThan(maxAgeHeaderBytes)
    expect(() => ageHeaderBytes(endless)).toThrow('no age header')
  })
})

describe('an encrypted log', () => {
  async function writeLog(secret = 'secret') {
    const log = new LogMaker({ sealer: await openSealer([recipient], noise(secret, 32)) })
    const text = lines('text', 400_000)
    const first = await log.pack('monday', (builder) => addSegment(builder, pointer, { path: 'a', ...log.key('monday') }, text))
    await log.pack('monday', (builder) => addSegment(builder, screens, { path: 'again', ...log.key('monday') }, text))
    await log.pack('tuesday', (builder) => addSegment(builder, screens, { path: 'new day', ...log.key('tuesday') }, text))
    return { log, text, first }
  }

  test('is rebuilt with the identity, deduplicates within an epoch, and says what is wrong with any part of it', async () => {
    const { log, text } = await writeLog()
    const content = await readAll(log.destination, zstdNative, true, unlock)
    expect([problemsOf(content), content.closed]).toEqual([[], []])
    const files = await filesOf(content)
    expect([...files.keys()].sort()).toEqual(['pointer/a', 'screens/again', 'screens/new day'])
    for (const bytes of files.values()) expect(Buffer.compare(bytes, text)).toBe(0)
    expect(log.built.map(({ newBytes }) => newBytes)).toEqual([text.length, 0, text.length])
  })

  test('names the same content differently in each epoch and on each device, and nowhere by its hash', async () => {
    const names = new Set<string>()
    let count = 0
    for (const { log } of [await writeLog(), await writeLog('another device')]) {
      for (const name of log.names) {
        const { manifest } = await readPack(await log.destination.open(name), name, zstdNative, unlock)
        for (const { hash } of manifest.blocks.flatMap(({ chunks }) => chunks)) {
          names.add(Buffer.from(hash).toString('hex'))
          count++
        }
      }
    }
    expect(count).toBeGreaterThan(4)
    expect(names.size).toBe(count)
    const clear = new LogMaker()
    await clear.pack('monday', (builder) => addSegment(builder, pointer, { path: 'a' }, lines('text', 400_000)))
    for (const hash of clear.built[0]!.chunks) expect(names.has(Buffer.from(hash).toString('hex'))).toBe(false)
  })

  test('without an identity shows its chain and sizes, and every pack is closed, not wrong', async () => {
    const { log } = await writeLog()
    const content = await readAll(log.destination)
    expect([problemsOf(content), content.closed.length, content.packs]).toEqual([[], 3, 3])
    expect(content.packBytes).toBeGreaterThan(0)
    const holed = memoryDestination()
    for (const index of [0, 2]) await put(holed, log.packs[index]!)
    expect(problemsOf(await readAll(holed))).toEqual([expect.stringMatching(/^3: log-gap: pack 2 is missing/)])
    const damaged = Buffer.from(log.packs[1]!.bytes)
    damaged[damaged.length - 9]! ^= 4
    const changed = memoryDestination()
    for (const pack of [log.packs[0]!, { name: log.packs[1]!.name, bytes: damaged }]) await put(changed, pack)
    expect(problemsOf(await readAll(changed))).toEqual([expect.stringMatching(/^2: pack-invalid: .*body does not match its hash/)])
  })

  test('whose pack names chunks with another key than its epoch finds none of the earlier ones', async () => {
    const log = new LogMaker()
    const text = lines('text', 50_000)
    await log.pack('monday', (builder) => addSegment(builder, pointer, { path: 'a' }, text))
    const { manifest } = await readPack(await log.destination.open(log.names[0]!), log.names[0]!, zstdNative)
    const external = manifest.blocks.flatMap(({ chunks }) => chunks)
    await log.append(await bodyOf({ ...emptyManifest, epoch: manifest.epoch, external, chunkKey: noise('key', 32) }, []))
    expect(problemsOf(await readAll(log.destination))).toContainEqual(expect.stringMatching(/^2: pack-invalid: .*refers to a chunk that no earlier pack/))
  })

  test('of which a flag says encrypted and the body is not, or the other way round, is refused', async () => {
    const clear = new LogMaker()
    const body = await clear.body('monday', (builder) => addSegment(builder, pointer, { path: 'a' }, lines('a', 999)))
    const { first } = await writeLog()
    for (const pack of [stamp(body, { seq: 1, encryption: 'age' }), stamp(first.bytes.subarray(100), { seq: 1 })]) {
      await expect(readPack(sourceOf(pack.bytes), pack.name, zstdNative, unlock)).rejects.toMatchObject({ code: 'pack-invalid' })
    }
  })
})

describe('an identity file', () => {
  test('is read as age reads it: comments, blank lines, line ends of Windows, several identities', () => {
    expect(parseIdentities(`# created: today\r\n# public key: ${recipient}\r\n\r\n${identity}\r\n  \n${hybridIdentity}`, 'k')).toEqual([identity, hybridIdentity])
  })

  test('that is something else is refused by file and line, with what it is, and never repeated', async () => {
    for (const [text, problem] of [
      ['', 'holds no identity'], ['# nothing\n', 'holds no identity'], [`\n${recipient}`, 'k:2 is a recipient'], ['AGE-PLUGIN-X-1QQ', 'k:1 is an identity of a plugin'],
      ['-----BEGIN AGE ENCRYPTED FILE-----\n', 'Open it first: age -d k'], ['age-encryption.org/v1\n-> scrypt', 'Open it first'], [`${identity} # mine`, 'k:1 is no age identity'],
    ] as const) expect(() => parseIdentities(text, 'k')).toThrow(problem)
    const wrong = `${identity.slice(0, -1)}${identity.endsWith('Q') ? 'P' : 'Q'}`
    await expect(openIdentities([['k', wrong]])).rejects.toSatisfy((error: Error) => error.message.includes('a letter of it is wrong') && !error.message.includes(wrong.slice(20, 40)))
  })
})

test('a recipient that nobody can be encrypted to is named before anything is packed', async () => {
  // 32 zero bytes, spelt well: X25519 gives everybody the same secret with them.
  const zero = 'age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z'
  await expect(openSealer([recipient, zero], noise('secret', 32))).rejects.toMatchObject({ code: 'encryption-failed', message: expect.stringContaining('recipients[1]') as string })
})
