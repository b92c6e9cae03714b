import { createHash } from 'node:crypto'
import { FormatError } from '../pack/bytes.ts'
import { decodeHeader, headerHash, maxHeaderBytes, type PackHeader } from '../pack/header.ts'
import { toHex } from '../pack/sha256.ts'
import type { PackName } from '../transfer/destination.ts'
import { Refusal } from './refusal.ts'
import type { PackCheck } from './store.ts'

/** Holds a pack's bytes against its name while they pass: the header, and the hash of the body, in constant memory. */
export function checkPack(name: PackName): PackCheck {
  let header: PackHeader | undefined
  return {
    get header() {
      if (!header) throw new Error('the pack has not passed yet')
      return header
    },
    async *pass(bytes) {
      const body = createHash('sha256')
      let beginning: Buffer = Buffer.alloc(0)
      let found: (PackHeader & { readonly headerBytes: number }) | undefined
      let length = 0
      for await (const piece of bytes) {
        length += piece.length
        if (found) body.update(piece)
        else {
          beginning = Buffer.concat([beginning, piece])
          if (beginning.length >= maxHeaderBytes) {
            found = readHeader(beginning, name)
            body.update(beginning.subarray(found.headerBytes))
          }
        }
        yield piece
      }
      if (!found) {
        found = readHeader(beginning, name)
        body.update(beginning.subarray(found.headerBytes))
      }
      const rightLength = length === found.headerBytes + found.bodyBytes
      if (!rightLength || !body.digest().equals(found.bodyHash)) {
        throw new Refusal('hash-mismatch', 'The bytes that arrived are not those of the pack. They are gone; begin again.')
      }
      header = found
    },
  }
}

function readHeader(beginning: Buffer, name: PackName): PackHeader & { readonly headerBytes: number } {
  const header = decoded(beginning)
  const hash = toHex(headerHash(beginning.subarray(0, header.headerBytes)))
  // A byte that changed on the way and a header of another pack look alike here; only sending again tells them apart.
  if (hash !== name.hash) throw new Refusal('hash-mismatch', 'The header that arrived is not that of the pack. It is gone; begin again.')
  if (header.device !== name.device || header.seq !== name.seq) {
    throw new Refusal('header-mismatch', 'The header of the pack says another device or seq than its name.')
  }
  return header
}

function decoded(beginning: Buffer): PackHeader & { readonly headerBytes: number } {
  try {
    return decodeHeader(beginning)
  } catch (error) {
    if (!(error instanceof FormatError)) throw error
    throw new Refusal('hash-mismatch', 'What arrived does not begin with the header of a pack. It is gone; begin again.')
  }
}
