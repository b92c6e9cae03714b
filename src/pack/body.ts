import type { Codec } from '../compress/codec.ts'
import type { Manifest } from './manifest.ts'
import { codecIds } from '../compress/codec.ts'
import { ByteReader, ByteWriter } from './bytes.ts'
import { decodeManifest, encodeManifest, maxManifestBytes } from './manifest.ts'

/** `SLM1`: ends every body, so that a body without its header (in the spool) can still be read. */
const trailerMagic = 0x314d4c53
export const trailerBytes = 4 + 4 + 1 + 4

/** What the last `trailerBytes` of a body say about the manifest in front of them. */
export interface Trailer {
  readonly storedBytes: number
  readonly rawBytes: number
  readonly codec: number
}

/** Throws `FormatError`. */
export function decodeTrailer(bytes: Uint8Array): Trailer {
  const reader = new ByteReader(bytes)
  const storedBytes = reader.uint32('manifest stored size')
  const rawBytes = reader.uint32('manifest size')
  const codec = reader.byte('manifest codec')
  if (reader.uint32('trailer magic') !== trailerMagic) reader.fail('trailer magic is wrong')
  if (rawBytes > maxManifestBytes || storedBytes > maxManifestBytes) reader.fail('manifest is above the limit')
  if (codec !== codecIds.raw && codec !== codecIds.zstd) reader.fail(`manifest codec ${codec} is unknown`)
  if (codec === codecIds.raw && storedBytes !== rawBytes) reader.fail('manifest sizes differ')
  return { storedBytes, rawBytes, codec }
}

/** Manifest and trailer as they follow the blocks in a body. */
export async function encodeTail(manifest: Manifest, zstd: Codec): Promise<Uint8Array> {
  const raw = encodeManifest(manifest)
  const frame = await zstd.compress(raw, { level: 9 })
  const compressed = frame.length < raw.length
  const stored = compressed ? frame : raw
  const writer = new ByteWriter()
  writer.bytes(stored)
  writer.uint32(stored.length)
  writer.uint32(raw.length)
  writer.byte(compressed ? codecIds.zstd : codecIds.raw)
  writer.uint32(trailerMagic)
  return writer.finish()
}

/** Reads the manifest of a body of `bodyBytes` bytes from its trailer and stored bytes. Throws `FormatError`, `codec-failed`. */
export async function decodeTail(trailer: Trailer, stored: Uint8Array, bodyBytes: number, zstd: Codec): Promise<Manifest> {
  const raw =
    trailer.codec === codecIds.raw ? stored : await zstd.decompress(stored, { rawBytes: trailer.rawBytes })
  return decodeManifest(raw, bodyBytes - trailerBytes - stored.length)
}
