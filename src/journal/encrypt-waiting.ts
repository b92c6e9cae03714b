import type { ByteSource } from '../transfer/destination.ts'
import type { Journal, PackRow } from './journal.ts'
import type { Spool } from './spool.ts'
import { createHash } from 'node:crypto'
import { SluiceError } from '../observe/error.ts'
import { encryptBody, type Sealer } from '../pack/encryption.ts'

export interface EncryptOptions {
  readonly journal: Journal
  readonly spool: Spool
  readonly sealer: Sealer
}

/**
 * Encrypts what was sealed in the clear before the config had recipients, and has not begun to leave. Throws
 * `encryption-failed` and what the spool throws; `spool-damaged` drops the pack at the next start.
 */
export async function encryptWaiting(options: EncryptOptions): Promise<void> {
  for (const pack of options.journal.unsent()) {
    if (pack.state === 'sealed' && !pack.encrypted) await encryptPack(options, pack)
  }
}

/** The same for one pack. Returns it as it is then. */
export async function encryptPack({ journal, spool, sealer }: EncryptOptions, pack: PackRow): Promise<PackRow> {
  const file = await spool.create('encrypting.tmp')
  try {
    await using body = await spool.open(pack.bodyHash, pack.bodyBytes)
    const hash = createHash('sha256')
    const stored = await encryptBody(sealer, hashed(body, hash), (bytes) => file.write(bytes))
    // Nobody could tell later.
    if (Buffer.compare(hash.digest(), pack.bodyHash) !== 0) {
      await spool.remove(pack.bodyHash)
      throw new SluiceError('spool-damaged', 'a waiting pack is not what was sealed', { transient: true })
    }
    await file.commit(stored.bodyHash)
    journal.putEncrypted(pack.id, stored.bodyHash, stored.bodyBytes)
    await spool.remove(pack.bodyHash)
    return { ...pack, ...stored, encrypted: true }
  } catch (error) {
    await file.discard()
    throw error
  }
}

/** For reading once from the start to the end. */
function hashed(source: ByteSource, hash: ReturnType<typeof createHash>): ByteSource {
  return {
    sizeBytes: source.sizeBytes,
    read: async (offset, length) => {
      const bytes = await source.read(offset, length)
      hash.update(bytes)
      return bytes
    },
  }
}
