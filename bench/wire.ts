import { parseArgs } from 'node:util'
import { bytesOf, mostWithin, outgoing } from '../test/link/packets.ts'
import { startTransfers, type Transfers } from '../test/link/transfer.ts'
import { whyNoWireNetwork, type Shape } from '../test/link/wire-network.ts'
import { commonOptions, progress, runProgram, say, writeResults } from './lib/program.ts'
import { fixed, table, whole } from './lib/table.ts'

const usage = `node bench/wire.ts [--only accounting,caps,rate,stop,yield]

What crosses the interface against what was charged, caps under loss, an even
rate, how soon a stop is seen, and what is left to a competing download. Real TCP
and TLS between network namespaces: needs Linux, root, ip, tc, nft, ethtool.`

/** Measures, prints tables, and writes `bench/out/wire.json`. */
export async function wire({ only }: { readonly only: string | undefined }): Promise<void> {
  const why = whyNoWireNetwork()
  if (why !== undefined) { say(`left out: ${why}`); return }
  const parts = { accounting, caps, rate, stop, yield: yields } as const
  const wanted = only?.split(',') ?? Object.keys(parts)
  await using transfers = await startTransfers()
  // What most machines use; this one may be set otherwise.
  await transfers.net.setCongestion('cubic')
  const results: Record<string, unknown> = {}
  for (const [name, part] of Object.entries(parts)) {
    if (!wanted.includes(name)) continue
    progress(name)
    results[name] = await part(transfers)
    await transfers.net.setLoss(0)
    await transfers.net.setRate()
  }
  writeResults('wire', {}, { results })
}

async function accounting(transfers: Transfers): Promise<unknown> {
  const [KiB, MiB] = [2 ** 10, 2 ** 20]
  const cases: readonly { bytes: number, loss: number, cutEvery?: number, asksKernel?: boolean }[] = [
    ...[KiB, 64 * KiB, MiB, 20 * MiB, 100 * MiB].map((bytes) => ({ bytes, loss: 0 })),
    ...[KiB, 64 * KiB, MiB, 20 * MiB, 100 * MiB].map((bytes) => ({ bytes, loss: 5 })),
    { bytes: KiB, loss: 20 }, { bytes: 64 * KiB, loss: 20 },
    { bytes: 20 * MiB, loss: 0, cutEvery: MiB }, { bytes: 20 * MiB, loss: 5, cutEvery: MiB },
    { bytes: KiB, loss: 0, asksKernel: false }, { bytes: 20 * MiB, loss: 0, asksKernel: false },
    { bytes: 20 * MiB, loss: 5, asksKernel: false },
  ]
  const rows: { readonly what: string, readonly wireBytes: number, readonly chargedBytes: number, readonly cpuMs: number }[] = []
  for (const { loss, ...sending } of cases) {
    await transfers.net.setLoss(loss)
    const { wireBytes, chargedBytes, cpuMs } = await transfers.send(sending)
    const what = `${whole(sending.bytes / KiB)} KiB, ${loss} % lost${sending.cutEvery ? ', cut each MiB' : ''}${sending.asksKernel === false ? ', estimated' : ''}`
    rows.push({ what, wireBytes, chargedBytes, cpuMs })
    progress(what)
  }
  say('\nTLS uploads\n')
  say(table(['', 'on the wire', 'charged', 'off by', 'CPU ms'], rows.map(({ what, wireBytes, chargedBytes, cpuMs }) => [
    what, whole(wireBytes), whole(chargedBytes), `${fixed((chargedBytes / wireBytes - 1) * 100, 2)} %`, whole(cpuMs),
  ])))
  return rows
}

async function caps(transfers: Transfers): Promise<unknown> {
  const rows: { readonly loss: number, readonly capBytes: number, readonly wireBytes: number }[] = []
  for (const loss of [0, 5, 20]) {
    await transfers.net.setLoss(loss)
    for (const capBytes of loss === 20 ? [100_000, 300_000] : [100_000, 1_000_000, 10_000_000]) {
      const { wireBytes } = await transfers.send({ bytes: 100 << 20, capBytes })
      rows.push({ loss, capBytes, wireBytes })
    }
  }
  say('\nhard caps\n')
  say(table(['lost', 'cap', 'on the wire', 'left unused'], rows.map(({ loss, capBytes, wireBytes }) => [
    `${loss} %`, whole(capBytes), whole(wireBytes), whole(capBytes - wireBytes),
  ])))
  return rows
}

async function rate(transfers: Transfers): Promise<unknown> {
  const rows: { readonly limit: number, readonly mean: number, readonly most: number, readonly cpuShare: number }[] = []
  for (const limit of [50_000, 200_000, 2_000_000]) {
    const watching = await transfers.net.capture('near')
    const { cpuMs } = await transfers.send({ bytes: limit * 30, rate: { maxBytesPerSecond: limit, yields: true } })
    const packets = outgoing(await watching.stop())
    const seconds = ((packets.at(-1)?.at ?? 0) - (packets[0]?.at ?? 0)) / 1000
    rows.push({ limit, mean: bytesOf(packets) / seconds, most: mostWithin(packets, 250) * 4, cpuShare: cpuMs / seconds / 1000 })
  }
  say('\nrates, 30 s each, bytes a second; most: in any 250 ms\n')
  say(table(['set', 'mean', 'most', 'most / set', 'CPU'], rows.map(({ limit, mean, most, cpuShare }) => [
    whole(limit), whole(mean), whole(most), fixed(most / limit, 2), `${fixed(cpuShare * 100, 1)} %`,
  ])))
  return rows
}

async function stop(transfers: Transfers): Promise<unknown> {
  const near = (bytesPerSecond: number) => ({ near: { bytesPerSecond, queueBytes: bytesPerSecond * 5 } })
  const lines = {
    'as fast as it goes': {}, '1 MB/s on the road': { up: { bytesPerSecond: 1e6, queueBytes: 200_000 } },
    '1 MB/s, own interface': near(1e6), '100 kB/s, own interface': near(1e5), '25 kB/s, own interface': near(25e3),
  }
  const rows: { readonly line: string, readonly lastMs: number[] }[] = []
  for (const [line, shapes] of Object.entries(lines)) {
    await transfers.net.setRate(shapes)
    const lastMs: number[] = []
    for (let round = 0; round < 5; round++) {
      const watching = await transfers.net.capture('near')
      const sender = transfers.start({ bytes: 2 ** 40 })
      await transfers.moved(round * 20_000 + 50_000)
      sender.stop()
      const { stoppedAt = Number.NaN } = await sender.sent
      await transfers.quiet()
      const payload = outgoing(await watching.stop()).filter(({ payloadBytes }) => payloadBytes > 0)
      lastMs.push(Math.max(0, (payload.at(-1)?.at ?? Number.NaN) - stoppedAt))
    }
    rows.push({ line, lastMs })
  }
  say('\nlast payload on the wire after a stop, ms; five each\n')
  say(table(['line', 'least', 'most'], rows.map(({ line, lastMs }) => [
    line, fixed(Math.min(...lastMs), 0), fixed(Math.max(...lastMs), 0),
  ])))
  return rows
}

async function yields(transfers: Transfers): Promise<unknown> {
  const shape = (bytesPerSecond: number, queueBytes: number): Shape => ({ bytesPerSecond, queueBytes })
  const lines = {
    '8 Mbit/s shared, 200 ms': { shared: shape(1e6, 200_000) },
    '8 Mbit/s shared, 64 ms': { shared: shape(1e6, 64_000) },
    '8 down, 1 up, 500 ms': { down: shape(1e6, 100_000), up: shape(125_000, 64_000) },
  }
  const uploads = {
    'alone': undefined, 'plain upload': { rate: { yields: false }, asksKernel: false },
    'no yield': { rate: { yields: false } }, 'yield': { rate: { yields: true } },
  }
  const rows: { readonly line: string, readonly upload: string, readonly bytesPerSecond: number }[] = []
  for (const [line, shapes] of Object.entries(lines)) {
    await transfers.net.setRate(shapes)
    for (const [upload, how] of Object.entries(uploads)) {
      const sender = how && transfers.start({ ...how, bytes: 2 ** 40 })
      if (sender) await transfers.moved(500_000)
      rows.push({ line, upload, bytesPerSecond: await transfers.download({ skipSeconds: 2, seconds: 8 }) })
      sender?.stop()
      await sender?.sent
      await transfers.quiet()
    }
  }
  say('\na competing download, share of what it gets alone\n')
  say(table(['line', 'alone, B/s', ...Object.keys(uploads).slice(1)], Object.keys(lines).map((line) => {
    const [alone = 0, ...others] = rows.filter((row) => row.line === line).map(({ bytesPerSecond }) => bytesPerSecond)
    return [line, whole(alone), ...others.map((each) => `${fixed(each / alone * 100, 0)} %`)]
  })))
  return rows
}

if (import.meta.main) {
  await runProgram(usage, async (args) => {
    const { values } = parseArgs({ args, options: { only: commonOptions.only } })
    await wire({ only: values.only })
  })
}
