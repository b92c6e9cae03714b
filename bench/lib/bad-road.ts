import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { startWireNetwork } from '../../test/link/wire-network.ts'
import type { Counters, WireNetwork } from '../../test/link/wire-network.ts'
import { setTimeout as delay } from 'node:timers/promises'

/** A line with its faults, the same in both directions. */
export interface Line {
  /** There and back, without queues. */
  readonly roundTripMs: number
  readonly bytesPerSecond: number
  /** How many bytes may wait in front of it. */
  readonly queueBytes: number
  /** Share of packets that vanish at random, 0 to 100. */
  readonly lossPercent?: number
  /** In turns: all passes, everything vanishes and nobody is told. */
  readonly flap?: { readonly upMs: number, readonly downMs: number }
}

/** Two machines and a bad road between them. */
export interface BadRoad extends AsyncDisposable {
  readonly net: WireNetwork
  /** From now on it is this line, from its beginning; the same seed loses the same packets of a direction, by number. */
  lay(line: Line, seed: number): Promise<void>
  /** What the near side's interface counted, once nothing moves any more. */
  quiet(): Promise<Counters>
}

/** The road's addresses: the network sets them by hand, and both ends know them. */
const ends = ['near', '02:00:00:00:01:01', '02:00:00:00:01:02', 'far', '02:00:00:00:02:01', '02:00:00:00:02:02']

/** Needs what `whyNoWireNetwork` asks for. */
export async function startBadRoad(): Promise<BadRoad> {
  await using cleanup = new AsyncDisposableStack()
  const net = cleanup.use(await startWireNetwork())
  await net.setCut(true) // the kernel's own road
  await net.setCongestion('cubic') // what most machines use; this one may be set otherwise
  const road = net.spawn('road', ['python3', join(import.meta.dirname, 'road.py'), ...ends], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdin, stdout } = road
  if (!stdin || !stdout) throw new Error('a road needs pipes')
  const answers = createInterface({ input: stdout })
  const everything = cleanup.move()
  return {
    net,
    lay: async ({ bytesPerSecond, queueBytes, roundTripMs, lossPercent = 0, flap }, seed) => {
      const shape = { bytesPerSecond, queueBytes }
      await net.setRate({ up: shape, down: shape })
      const answer = once(answers, 'line')
      stdin.write(`${roundTripMs / 2} ${lossPercent} ${seed} ${flap?.upMs ?? 1} ${flap?.downMs ?? 0}\n`)
      await answer
    },
    quiet: async () => {
      for (let before = await net.counters('near'); ;) {
        await delay(500)
        const now = await net.counters('near')
        if (now.inBytes === before.inBytes && now.outBytes === before.outBytes) return now
        before = now
      }
    },
    [Symbol.asyncDispose]: () => everything.disposeAsync(),
  }
}
