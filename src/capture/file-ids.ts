const fileIdBytes = 8
/** Drawn at a time: drawing costs the same for one as for hundreds. */
const drawnIds = 512

/** Makes file ids. */
export function fileIds(randomBytes: (length: number) => Uint8Array): () => Uint8Array {
  let drawn = new Uint8Array(0)
  let used = 0
  return () => {
    if (used === drawn.length) {
      drawn = Uint8Array.from(randomBytes(drawnIds * fileIdBytes))
      used = 0
    }
    used += fileIdBytes
    return drawn.slice(used - fileIdBytes, used)
  }
}
