/** An open file of a `Disk`. */
export interface DiskFile extends AsyncDisposable {
  read(buffer: Uint8Array, offset: number): Promise<number>
  write(bytes: Uint8Array, offset: number): Promise<void>
  truncate(sizeBytes: number): Promise<void>
  /** Content and size are durable when this returns. */
  sync(): Promise<void>
  size(): Promise<number>
  close(): Promise<void>
}

/**
 * The few file operations on which durability rests. `daemon/` builds the real one; fault tests build one that stops
 * at any operation or forgets what was not synced.
 * Errors are the operating system's own (`ENOSPC`, `ENOENT`, …): the caller knows what they mean where it stands.
 */
export interface Disk {
  /** Creates a folder; one that is there is fine. Its parent must exist (`ENOENT`): no deep path appears by mistake. */
  makeFolder(path: string): Promise<void>
  /** Creates or truncates (`w`), opens for reading (`r`), or for reading and writing without truncating, creating if missing (`r+`). */
  open(path: string, mode: 'r' | 'w' | 'r+'): Promise<DiskFile>
  rename(from: string, to: string): Promise<void>
  /** Removes a file; a missing one is fine. */
  remove(path: string): Promise<void>
  /** Names in a folder, sorted; a missing folder has none. */
  list(path: string): Promise<string[]>
  /** Size of a file, or undefined when there is none. */
  size(path: string): Promise<number | undefined>
  /** Makes creations, renames and removals in a folder durable. */
  syncFolder(path: string): Promise<void>
  /** Bytes that an ordinary user can still write on the disk that holds `path`. */
  freeBytes(path: string): Promise<number>
}
