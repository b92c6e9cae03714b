import type { Dirent, Stats } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { addAbortSignal, type Readable } from 'node:stream'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Gunzip, ZstdDecompress } from 'node:zlib'
import { createGunzip, createZstdDecompress } from 'node:zlib'
import type { ReadCounts, Trouble } from './read-counts.ts'
import { SluiceError, systemCode } from '../error.ts'
import { LineScanner } from './line-scanner.ts'

/** A log that was named or found. */
interface Log {
  readonly path: string
  readonly sizeBytes: number
}

export interface FoundLogs {
  readonly logs: readonly Log[]
  readonly refused: readonly Trouble[]
}

/** `sluice.log`, `sluice.2026-11-23.1.log`, `sluice.log.2.gz`, `fleet.json.zst`: logs and what rotation makes of them. */
const logName = /\.(?:log|ndjson|json\w{0,9})(?:[.-][\d.:TZ_-]+)?(?:\.(?:gz|zst))?$/i

/** Folders in folders deeper than this are no logs. */
const mostDepth = 32

const pieceBytes = 1 << 20

/** The name of standard input among the paths. */
const stdinName = '-'

/** Files as they are named, and logs in folders, however deep; links in folders are not followed. */
export async function findLogs(paths: readonly string[], signal: AbortSignal): Promise<FoundLogs> {
  const logs = new Map<string, Log>()
  const refused: Trouble[] = []
  const add = (path: string, stats: Stats): void => {
    // The same file under two names is read once; where the system has no such numbers, copies of lines are noticed.
    const identity = stats.isFile() && stats.ino !== 0 ? `${stats.dev}:${stats.ino}` : path
    if (!logs.has(identity)) logs.set(identity, { path, sizeBytes: stats.isFile() ? stats.size : 0 })
  }
  const look = async (path: string, depth: number): Promise<void> => {
    stopIf(signal)
    try {
      const stats = await stat(path)
      if (!stats.isDirectory()) {
        add(path, stats)
        return
      }
      const entries = await readdir(path, { withFileTypes: true })
      const wanted = entries.filter((entry) => isWanted(entry, depth)).map(({ name }) => name).sort()
      for (const name of wanted) await look(join(path, name), depth + 1)
    } catch (error) {
      if (error instanceof SluiceError) throw error
      refused.push({ file: path, what: `cannot be read (${systemCode(error) ?? 'unknown'})` })
    }
  }
  for (const path of paths) {
    if (path === stdinName) logs.set(path, { path, sizeBytes: 0 })
    else await look(path, 0)
  }
  return { logs: [...logs.values()], refused }
}

function isWanted(entry: Dirent, depth: number): boolean {
  return entry.isDirectory() ? depth < mostDepth : entry.isFile() && logName.test(entry.name)
}

export interface ReadOptions extends FoundLogs {
  readonly stdin: Readable
  readonly signal: AbortSignal
  /** Takes the text of a line that may be a summary; false when it cannot be read. */
  readonly onLine: (text: string) => boolean
  /** Bytes read of the files so far, compressed ones as they are. */
  readonly onProgress: (bytes: number) => void
}

/** Reads logs one after the other, a megabyte at a time. Throws `aborted`. */
export async function readLogs({ logs, refused: before, stdin, signal, onLine, onProgress }: ReadOptions): Promise<ReadCounts> {
  const refused = [...before]
  const cutShort: Trouble[] = []
  let [files, bytes, lines, unreadableLines, unreadableIn] = [0, 0, 0, 0, 0]
  const onBytes = (count: number): void => {
    bytes += count
    onProgress(bytes)
    stopIf(signal)
  }
  if (logs.some(({ path }) => path === stdinName)) addAbortSignal(signal, stdin) // it may have nothing to say for long
  for (const { path } of logs) {
    const scanner = new LineScanner(onLine)
    const trouble = await readOne(path, stdin, scanner, onBytes)
    stopIf(signal)
    if (trouble !== undefined && scanner.lines === 0) {
      refused.push({ file: path, what: trouble })
      continue
    }
    if (trouble !== undefined) cutShort.push({ file: path, what: trouble })
    files += 1
    lines += scanner.lines
    unreadableLines += scanner.unreadable
    if (scanner.unreadable > 0) unreadableIn += 1
  }
  return { files, bytes, lines, unreadableLines, unreadableIn, cutShort, refused }
}

function stopIf(signal: AbortSignal): void {
  if (signal.aborted) throw new SluiceError('aborted', 'the report was stopped')
}

/** What went wrong, if anything did. */
async function readOne(path: string, stdin: Readable, scanner: LineScanner, onBytes: (count: number) => void): Promise<string | undefined> {
  let file: FileHandle | undefined
  try {
    file = path === stdinName ? undefined : await open(path)
    await unpacked(counted(file ? piecesOf(file) : stdin, onBytes), (piece) => { scanner.push(piece) })
    return undefined
  } catch (error) {
    const code = systemCode(error)
    if (code === undefined) throw error
    return code.startsWith('Z_') || code.startsWith('ZSTD_') || code === 'ERR_STREAM_PREMATURE_CLOSE'
      ? `ends early or is damaged (${code})`
      : `cannot be read (${code})`
  } finally {
    scanner.end()
    await file?.close()
  }
}

/** Each piece is good until the next one is asked for. */
async function* piecesOf(file: FileHandle): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(pieceBytes)
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, pieceBytes)
    if (bytesRead === 0) return
    yield buffer.subarray(0, bytesRead)
  }
}

async function* counted(pieces: AsyncIterable<unknown>, onBytes: (count: number) => void): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    const bytes = Buffer.isBuffer(piece) ? piece : Buffer.from(String(piece))
    onBytes(bytes.length)
    yield bytes
  }
}

const [gzipMagic, zstdMagic] = [Buffer.from([0x1f, 0x8b]), Buffer.from([0x28, 0xb5, 0x2f, 0xfd])]

/** Whatever the name says, the first bytes tell how a log is packed. */
async function unpacked(pieces: AsyncGenerator<Buffer>, onPiece: (piece: Buffer) => void): Promise<void> {
  let first = Buffer.alloc(0)
  while (first.length < zstdMagic.length) {
    const next = await pieces.next()
    if (next.done) break
    first = Buffer.concat([first, next.value])
  }
  const starts = (magic: Buffer): boolean => first.subarray(0, magic.length).equals(magic)
  if (!starts(gzipMagic) && !starts(zstdMagic)) {
    onPiece(first)
    for await (const piece of pieces) onPiece(piece)
    return
  }
  if (starts(gzipMagic)) {
    await decode(createGunzip({ chunkSize: pieceBytes }), first, pieces, onPiece)
    return
  }
  // Node's decoder ends with a frame and drops what follows in the same piece; programs that pack in parallel write many.
  for (let rest: Buffer = first; rest.length > 0;) {
    rest = await decode(createZstdDecompress({ chunkSize: pieceBytes }), rest, pieces, onPiece)
  }
}

/** Decodes what comes, and returns what the decoder left of it because it was done. */
async function decode(decoder: Gunzip | ZstdDecompress, first: Buffer, pieces: AsyncGenerator<Buffer>, onPiece: (piece: Buffer) => void): Promise<Buffer> {
  const fed = feed(decoder, first, pieces)
  fed.catch((error: unknown) => { decoder.destroy(error instanceof Error ? error : undefined) })
  try {
    for await (const piece of decoder) onPiece(piece as Buffer)
    return await fed
  } finally {
    decoder.destroy()
  }
}

async function feed(decoder: Gunzip | ZstdDecompress, first: Buffer, pieces: AsyncGenerator<Buffer>): Promise<Buffer> {
  let given = 0
  for (let piece = first; ;) {
    await new Promise<void>((resolve, reject) => {
      decoder.write(piece, (error) => { if (error) reject(error); else resolve() })
    })
    given += piece.length
    const left = given - decoder.bytesWritten
    if (left > 0) return Buffer.from(piece.subarray(piece.length - left))
    const next = await pieces.next()
    if (next.done) break
    piece = next.value
  }
  decoder.end()
  return Buffer.alloc(0)
}
