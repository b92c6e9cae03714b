import type { Stream } from '../capture/stream.ts'
import type { Cursor, FileFacts } from '../capture/take.ts'
import type { FileVersion } from '../pack/versions.ts'
import { closeSync, readSync } from 'node:fs'
import { factsOf } from '../capture/facts.ts'
import { RollingFingerprint } from '../capture/fingerprint.ts'
import { openFile, realFolder } from '../capture/open-file.ts'
import { keyOf } from '../capture/path-key.ts'
import { chunkerStart } from '../pack/chunker.ts'
import { segmentChunks } from '../pack/device-log.ts'
import { isFileOfFrame, maxPictureFileBytes } from '../pack/frame-chunk.ts'
import { chunkNameOf } from '../pack/sha256.ts'

/** Cursors for the capture files that still begin with (`append`) or are (`whole`) what the packs hold of them. Newest first. */
export function findCursors(streams: readonly Stream[], versions: Iterable<FileVersion>): Map<Cursor, FileVersion> {
  const roots = new Map(streams.map((stream) => [stream.name, { stream, root: realFolder(stream.folder) }]))
  const taken = new Set<string>()
  const cursors = new Map<Cursor, FileVersion>()
  for (const version of versions) {
    const place = roots.get(version.stream)
    const path = `${version.stream}/${keyOf(version.path)}`
    if (!place || typeof place.root !== 'string' || taken.has(path)) continue
    const cursor = version.complete ? prove(place.stream, place.root, version) : undefined
    if (!cursor) continue
    taken.add(path)
    cursors.set(cursor, version)
  }
  return cursors
}

function prove(stream: Stream, root: string, version: FileVersion): Cursor | undefined {
  const file = openFile(root, keyOf(version.path))
  if ('errno' in file) return undefined
  try {
    const facts = factsOf(file.stats)
    const whole = stream.files === 'whole'
    const rolling = new RollingFingerprint()
    const offset = version.isFrame ? proveFrame(file.fd, facts, version, rolling) : proveBytes(file.fd, facts, version, rolling)
    if (offset === undefined || (whole && facts.sizeBytes !== offset)) return undefined
    return {
      stream: stream.name, path: version.path, fileId: version.segments[0]?.entry.fileId ?? new Uint8Array(8),
      offset, complete: whole, fingerprint: rolling.value(), chunker: chunkerStart,
      // What changed since it was packed is for the next look to find: only the content was compared.
      facts: whole ? facts : { ...facts, sizeBytes: offset, changedUs: 0 },
    }
  } finally {
    closeSync(file.fd)
  }
}

/** The bytes for which the file is what the version says; undefined when it does not begin with all of it. */
function proveBytes(fd: number, facts: FileFacts, version: FileVersion, rolling: RollingFingerprint): number | undefined {
  if (facts.sizeBytes < version.bytes) return undefined
  let offset = 0
  for (const segment of version.segments) {
    for (const chunk of segmentChunks(segment)) {
      const bytes = Buffer.allocUnsafe(chunk.bytes)
      if (readSync(fd, bytes, 0, chunk.bytes, offset) !== chunk.bytes) return undefined
      if (Buffer.compare(chunkNameOf(bytes, segment.chunkKey), chunk.hash) !== 0) return undefined
      rolling.push(bytes)
      offset += chunk.bytes
    }
  }
  return offset
}

function proveFrame(fd: number, { sizeBytes }: FileFacts, { segments }: FileVersion, rolling: RollingFingerprint): number | undefined {
  const [segment] = segments.slice(-1)
  const [name] = segment ? segmentChunks(segment) : []
  if (!segment || !name || sizeBytes > maxPictureFileBytes) return undefined
  const bytes = Buffer.allocUnsafe(sizeBytes)
  if (readSync(fd, bytes, 0, sizeBytes, 0) !== sizeBytes || !isFileOfFrame(bytes, name, segment.chunkKey)) return undefined
  rolling.push(bytes)
  return sizeBytes
}
