import { lchown, stat } from 'node:fs/promises'

/**
 * Gives something new to the owner of a folder, where root made it: the collector may run as another user than whoever makes its
 * tokens. A link is not followed, as that user could have put one there.
 */
export async function ownAs(path: string, folder: string): Promise<void> {
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(folder)
  if (uid !== 0 || gid !== 0) await lchown(path, uid, gid)
}
