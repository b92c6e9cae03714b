import type { Cap } from '../budget/cap.ts'
import type { Stream } from '../capture/stream.ts'
import type { Settings } from '../journal/settings.ts'
import type { Exemption } from './gate.ts'

/** How much the streams of a queue matter; packs of a higher one leave first. */
export type Priority = 'high' | 'normal' | 'low'

/** Streams that may be sent under the same rules. Only they share packs and references; their packs leave in order. */
export interface Queue {
  /** What the rules are, as `any`, `free.low`, `any/mail`: kept with each pack, and read back when the config is gone. */
  readonly name: string
  readonly streams: readonly Stream[]
  readonly networks: Stream['networks']
  readonly priority: Priority
}

/** Names of the streams that a rule for them alone sets apart: a cap, an exemption, or that they are off. */
export function setApart(
  { caps, exemptions }: { readonly caps: readonly Pick<Cap, 'stream'>[]; readonly exemptions: readonly Pick<Exemption, 'streams'>[] },
  settings: Pick<Settings, 'caps' | 'streamsOff'> = { caps: [], streamsOff: [] },
): Set<string> {
  return new Set([
    ...[...caps, ...settings.caps].flatMap((cap) => cap.stream ?? []),
    ...exemptions.flatMap((exemption) => exemption.streams ?? []),
    ...settings.streamsOff.map((off) => off.stream),
  ])
}

/** Groups streams by their sending rules, in config order. `apart` names streams that a rule of their own sets apart. */
export function queuesOf(streams: readonly Stream[], apart: ReadonlySet<string> = new Set()): Queue[] {
  const groups = Map.groupBy(streams, (stream) => queueName(stream, apart))
  return [...groups].map(([name, members]) => ({
    name, streams: members, networks: members[0]?.networks, priority: members[0]?.priority ?? 'normal',
  }))
}

function queueName(stream: Stream, apart: ReadonlySet<string>): string {
  const networks = stream.networks ? stream.networks.toSorted().join('+') || 'none' : 'any'
  const priority = stream.priority === 'normal' ? '' : `.${stream.priority}`
  return `${networks}${priority}${stream.optional || apart.has(stream.name) ? `/${stream.name}` : ''}`
}

/** A queue whose streams the config groups otherwise now: its packs still leave, by the rules they were sealed under. */
export function formerQueue(name: string, streams: readonly Stream[]): Queue {
  const [, networks = 'free', priority, stream] = /^([a-z+]+)(?:\.(high|low))?(?:\/(.+))?$/.exec(name) ?? []
  return {
    name,
    streams: streams.filter((each) => each.name === stream),
    networks: networks === 'any' ? undefined : networks.split('+').filter((cost) => cost === 'free' || cost === 'metered'),
    priority: priority === 'high' || priority === 'low' ? priority : 'normal',
  }
}

/**
 * The streams that decide what a queue may do: those that it takes in, and those in its packs that wait, by `unsent`. A pack
 * that does not say may hold any of `everyName`.
 */
export function streamsOf(
  { name, streams }: Queue, unsent: ReadonlyMap<string, ReadonlySet<string> | undefined>, everyName: Iterable<string>,
): string[] {
  const waiting = unsent.has(name) ? unsent.get(name) ?? everyName : []
  return [...new Set([...streams.map((stream) => stream.name), ...waiting])]
}

/** The queue of packs whose stream nobody knows any more: whatever its rules were, these are not looser. */
export const strictestQueue = 'free.low'

/** A queue with something to send. */
export interface Waiting {
  readonly queue: string
  readonly priority: Priority
  /** Bytes of captures that each byte of its next pack stands for. */
  readonly value: number
  /** When its next pack was sealed. */
  readonly since: number
}

const ranks: Record<Priority, number> = { high: 2, normal: 1, low: 0 }

/** A pack that waited this long counts as one priority higher, so that nothing waits for ever behind what keeps coming. */
const agingMs = 86_400_000

/** The order in which queues send: by priority, then by what a byte of data plan buys, then by age, then by name. Pure. */
export function sendingOrder(waiting: readonly Waiting[], now: number): Waiting[] {
  const rank = ({ priority, since }: Waiting): number => ranks[priority] + Math.floor(Math.max(0, now - since) / agingMs)
  return waiting.toSorted((a, b) =>
    rank(b) - rank(a) || b.value - a.value || a.since - b.since || (a.queue < b.queue ? -1 : Number(a.queue > b.queue)))
}
