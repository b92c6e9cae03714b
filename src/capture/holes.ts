/** Bytes of an `append` file that are never read: `from` ≤ byte < `to`. An empty one still parts what is before from what is behind. */
export interface Hole {
  readonly from: number
  readonly to: number
}

/** What can be read at or behind a position. */
export interface Span {
  readonly start: number
  readonly end: number
  /** A hole lies between the position and `start`: what is read is no continuation. */
  readonly jumped: boolean
}

/** `holes` in order and apart from each other, as `withHole` and `clipped` leave them. */
export function spanFrom(holes: readonly Hole[], position: number, sizeBytes: number): Span {
  const hole = holes.find(({ from, to }) => from <= position && (position < to || position === from))
  const start = Math.min(hole?.to ?? position, sizeBytes)
  const next = holes.find(({ from }) => from > start)
  return { start, end: Math.min(next?.from ?? sizeBytes, sizeBytes), jumped: hole !== undefined }
}

/** Bytes behind `position` that are in no hole. */
export function readableBytes(holes: readonly Hole[], position: number, sizeBytes: number): number {
  const hidden = holes.reduce((sum, { from, to }) => sum + Math.max(0, Math.min(to, sizeBytes) - Math.max(from, position)), 0)
  return Math.max(0, sizeBytes - position - hidden)
}

export function withHole(holes: readonly Hole[], hole: Hole): readonly Hole[] {
  const isApart = ({ from, to }: Hole): boolean => to < hole.from || from > hole.to
  const touching = [hole, ...holes.filter((other) => !isApart(other))]
  const merged = { from: Math.min(...touching.map(({ from }) => from)), to: Math.max(...touching.map(({ to }) => to)) }
  return [...holes.filter(isApart), merged].sort((a, b) => a.from - b.from)
}

/** What is left of the holes in a file of this size: bytes that were cut off are gone, and so is what was in them. */
export function clipped(holes: readonly Hole[], sizeBytes: number): readonly Hole[] {
  if (holes.every(({ to }) => to <= sizeBytes)) return holes
  return holes.filter(({ from }) => from < sizeBytes).map(({ from, to }) => ({ from, to: Math.min(to, sizeBytes) }))
}
