import { describePutting } from './destination-put.ts'
import { describeReading } from './destination-read.ts'
import { contentOf } from '../transfer/packs.ts'
import type { Destination } from '../../src/transfer/destination.ts'

/** An empty destination, and how to be rid of it. */
export interface DestinationUnderTest {
  readonly destination: Destination
  /** The same destination again without anything remembered in this process, where there is more than this process. */
  readonly reopen?: () => Destination
  /** As in `PutUnderTest`. */
  readonly kept?: (bytes: number) => number
  readonly remove: () => Promise<void>
}

/** What every `Destination` promises that can also be read. */
export function describeDestination(name: string, factory: () => Promise<DestinationUnderTest>): void {
  describePutting(name, async () => {
    const made = await factory()
    return { ...made, list: (device) => made.destination.list(device), content: (pack) => contentOf(made.destination, pack) }
  })
  describeReading(name, factory)
}
