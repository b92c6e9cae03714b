import type { ByteSource } from '../transfer/destination.ts'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { SluiceError } from '../observe/error.ts'
import { chunkBytes, payloadKey, payloadNonceBytes, sealChunk, sealedChunkBytes } from './age-payload.ts'
import { toHex } from './sha256.ts'

/** What the library writes behind the header of an empty file: the payload’s nonce and one empty chunk. */
const emptyPayloadBytes = payloadNonceBytes + 16

/** A body as it is stored. */
export interface StoredBody {
  readonly bodyHash: Uint8Array
  readonly bodyBytes: number
}

/** Encrypts bodies to the recipients of the config. */
export interface Sealer {
  /** Tells other recipients, and another secret, from these; the order of recipients does not matter. */
  readonly mark: string
  /** What the chunks of an epoch are named with. It travels in the epoch’s manifests; the secret does not. */
  chunkKey(epoch: Uint8Array): Uint8Array
  /** Begins a body: what it is stored as goes to `write`, in pieces valid until it resolves. Throws `encryption-failed`. */
  begin(write: (bytes: Uint8Array) => Promise<void>): Promise<AgeWriter>
}

/**
 * Makes sure that each of the recipients, age public keys, can be encrypted to; the library is loaded here, for it takes
 * longer than the rest of a start. Throws `encryption-failed`.
 */
export async function openSealer(recipients: readonly string[], secret: Uint8Array): Promise<Sealer> {
  const { Encrypter } = await import('age-encryption')
  for (const [index, recipient] of recipients.entries()) {
    try {
      const trial = new Encrypter()
      trial.addRecipient(recipient)
      await trial.encrypt(new Uint8Array(0))
    } catch (error) {
      throw new SluiceError('encryption-failed', `recipients[${index}] of the config cannot be encrypted to: nothing is packed or sent`, { cause: error })
    }
  }
  const distinct = [...new Set(recipients)].sort()
  const begin: Sealer['begin'] = async (write) => {
    let fileKey: Uint8Array | undefined
    const encrypter = new Encrypter()
    for (const recipient of distinct) encrypter.addRecipient(recipient)
    // Adds no entry of its own: it is how the library hands out the key that the others are given.
    encrypter.addRecipient({ wrapFileKey: (key) => (fileKey = key, []) })
    const file = await encrypter.encrypt(new Uint8Array(0)).catch((error: unknown) => {
      throw new SluiceError('encryption-failed', 'a pack could not be encrypted; what it would hold is held back', { transient: true, cause: error })
    })
    if (!fileKey) throw new Error('the library drew no file key')
    const nonce = randomBytes(payloadNonceBytes)
    const start = Buffer.concat([file.subarray(0, -emptyPayloadBytes), nonce])
    return new AgeWriter(start, payloadKey(fileKey, nonce), write)
  }
  const keyed = (purpose: string, value: string | Uint8Array): Buffer => createHmac('sha256', secret).update(purpose).update(value).digest()
  return { mark: toHex(keyed('recipients', distinct.join())), chunkKey: (epoch) => keyed('chunk names', epoch), begin }
}

/** Writes one age file. Holds one chunk, since only the end tells which is the last. */
export class AgeWriter {
  readonly #key: Uint8Array
  readonly #write: (bytes: Uint8Array) => Promise<void>
  readonly #hash = createHash('sha256')
  readonly #chunk = Buffer.allocUnsafe(chunkBytes)
  readonly #room = Buffer.allocUnsafe(sealedChunkBytes)
  readonly #start: Uint8Array
  #filled = 0
  #chunks = 0
  #bodyBytes = 0

  constructor(start: Uint8Array, key: Uint8Array, write: (bytes: Uint8Array) => Promise<void>) {
    this.#start = start
    this.#key = key
    this.#write = write
  }

  /** Appends plaintext; `bytes` may be reused once it resolves. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      if (this.#filled === chunkBytes) await this.#seal(false)
      const piece = bytes.subarray(at, at + chunkBytes - this.#filled)
      this.#chunk.set(piece, this.#filled)
      this.#filled += piece.length
      at += piece.length
    }
  }

  async finish(): Promise<StoredBody> {
    await this.#seal(true)
    return { bodyHash: this.#hash.digest(), bodyBytes: this.#bodyBytes }
  }

  async #seal(isLast: boolean): Promise<void> {
    if (this.#chunks === 0) await this.#put(this.#start)
    const plain = this.#chunk.subarray(0, this.#filled)
    this.#filled = 0
    await this.#put(sealChunk(this.#key, this.#chunks++, isLast, plain, this.#room))
  }

  async #put(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    this.#bodyBytes += bytes.length
    await this.#write(bytes)
  }
}

/** Encrypts a body that was sealed in the clear. */
export async function encryptBody(sealer: Sealer, body: ByteSource, write: (bytes: Uint8Array) => Promise<void>): Promise<StoredBody> {
  const writer = await sealer.begin(write)
  for (let offset = 0; offset < body.sizeBytes; offset += chunkBytes) {
    await writer.write(await body.read(offset, Math.min(chunkBytes, body.sizeBytes - offset)))
  }
  return await writer.finish()
}
