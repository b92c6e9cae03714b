import { zstdNative } from '../../src/compress/zstd-native.ts'
import type { Codec } from '../../src/compress/codec.ts'
import { readLog, type LogContent } from '../../src/pack/read-log.ts'
import type { Unlock } from '../../src/pack/identities.ts'
import type { FileVersion } from '../../src/pack/versions.ts'
import type { Destination } from '../../src/transfer/destination.ts'
import { device } from './make-log.ts'

export function readAll(destination: Destination, zstd: Codec = zstdNative, content = true, unlock?: Unlock): Promise<LogContent> {
  return readLog({ destination, device, zstd, content, ...(unlock && { unlock }) })
}

/** `<pack number>: <code>: <message>` of every problem. */
export function problemsOf({ problems }: LogContent): string[] {
  return problems.map(({ pack, error }) => `${Number(pack.slice(0, 10))}: ${error.code}: ${error.message}`)
}

export async function bytesOfVersion({ log }: LogContent, version: FileVersion): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for (const segment of version.segments) for await (const bytes of log.content(segment)) parts.push(Uint8Array.from(bytes))
  return Buffer.concat(parts)
}

/** The newest version at each `<stream>/<path>`. */
export async function filesOf(content: LogContent): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>()
  for (const version of content.versions.newestFirst()) {
    const name = `${version.stream}/${Buffer.from(version.path).toString('latin1')}`
    if (!files.has(name)) files.set(name, await bytesOfVersion(content, version))
  }
  return files
}
