import type { Stream } from '../capture/stream.ts'

/** Streams that may be sent under the same rules. Only they share packs and references; their packs leave in order. */
export interface Queue {
  readonly name: string
  readonly streams: readonly Stream[]
  readonly networks: Stream['networks']
}

/** Groups streams by their sending rules, in config order. */
export function queuesOf(streams: readonly Stream[]): Queue[] {
  const groups = Map.groupBy(streams, (stream) => (stream.networks ? stream.networks.toSorted().join('+') || 'none' : 'any'))
  return [...groups].map(([name, members]) => ({ name, streams: members, networks: members[0]?.networks }))
}
