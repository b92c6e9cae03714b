import type { Destination } from '../../src/transfer/destination.ts'
import { tusAt } from '../transfer/tus-bench.ts'

/** The suite sends for several devices, each of which has a credential of its own. */
export function perDevice(
  url: string, open: (device: string) => Promise<Destination>, wireBytes: Destination['wireBytes'] = (bytes) => tusAt({ url }).wireBytes(bytes),
): Destination {
  const opened = new Map<string, Promise<Destination>>()
  const of = (device: string): Promise<Destination> => {
    const known = opened.get(device) ?? open(device)
    opened.set(device, known)
    return known
  }
  return {
    url, reading: 'refused',
    wireBytes,
    head: async (device, options) => (await of(device)).head(device, options),
    put: async (pack, options) => (await of(pack.name.device)).put(pack, options),
    abandon: async (name, options) => (await of(name.device)).abandon(name, options),
    devices: async () => (await of('laptop-1')).devices(),
    list: async (device) => (await of(device)).list(device),
    open: async (name) => (await of(name.device)).open(name),
  }
}
