import type { FileHandle } from 'node:fs/promises'

import { maxConfigBytes } from './parse.ts'
import type { ConfigText, Refused } from './parse.ts'
import { fileProblem } from './problem.ts'

/** The text of an open YAML file, or why it is none. Throws what the system says. */
export async function readText(file: FileHandle, path: string): Promise<ConfigText | Refused> {
  const problem = (found: string, allowed: string) => ({ problems: [fileProblem(path, found, allowed)] })
  if (!(await file.stat()).isFile()) return problem('found something that is no regular file', 'allowed: a YAML file')
  const bytes = await readBounded(file)
  if (bytes.length > maxConfigBytes) {
    return problem(`found more than ${maxConfigBytes} bytes`, `allowed: at most ${maxConfigBytes}`)
  }
  try {
    return { file: path, text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch {
    return problem('found bytes that are no UTF-8', 'allowed: YAML in UTF-8')
  }
}

/** At most one byte more than allowed, so that an endless file ends here. */
async function readBounded(file: FileHandle): Promise<Uint8Array> {
  const buffer = new Uint8Array(maxConfigBytes + 1)
  let length = 0
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length)
    length += bytesRead
    if (bytesRead === 0 || length === buffer.length) return buffer.subarray(0, length)
  }
}
