import { packFileName, sliceBytes, type Destination, type PackName } from './destination.ts'
import { chargeSlice, checkDevice, inLogOrder, packMissing, readPastEnd, stopIfAborted } from './destination-rules.ts'

/** A destination that lives as long as the process, for tests and dry runs. */
export function memoryDestination(): Destination {
  const url = 'memory:'
  const complete = new Map<string, { name: PackName, bytes: Uint8Array }>()
  const partial = new Map<string, { bytes: Uint8Array, sent: number }>()
  const keyOf = (name: PackName) => `${checkDevice(name.device)}/${packFileName(name)}`
  const logOf = (device: string) => {
    checkDevice(device)
    return [...complete.values()].map(pack => pack.name).filter(name => name.device === device).sort(inLogOrder)
  }

  return {
    url,
    head: async device => logOf(device).at(-1),
    list: async device => logOf(device),
    devices: async () => [...new Set([...complete.values()].map(pack => pack.name.device))].sort(),

    async put(pack, { signal, meter, onSent } = {}) {
      const key = keyOf(pack.name)
      stopIfAborted(signal)
      if (complete.has(key)) return
      const part = partial.get(key) ?? { bytes: new Uint8Array(pack.sizeBytes), sent: 0 }
      partial.set(key, part)
      while (part.sent < pack.sizeBytes) {
        const from = part.sent
        const slice = await pack.read(from, Math.min(sliceBytes, pack.sizeBytes - from))
        stopIfAborted(signal)
        if (part.sent !== from) continue // another put of this pack sent it meanwhile
        chargeSlice(meter, slice.length)
        part.bytes.set(slice, from)
        part.sent += slice.length
        onSent?.(slice.length)
      }
      partial.delete(key)
      complete.set(key, { name: { ...pack.name }, bytes: part.bytes })
    },

    async abandon(name) {
      partial.delete(keyOf(name))
      return complete.has(keyOf(name))
    },

    reading: 'free',
    wireBytes: payloadBytes => payloadBytes,

    async open(name) {
      const pack = complete.get(keyOf(name))
      if (!pack) throw packMissing(name, url)
      return {
        sizeBytes: pack.bytes.length,
        async read(offset, length) {
          if (offset + length > pack.bytes.length) throw readPastEnd(name, offset, length, pack.bytes.length)
          return pack.bytes.slice(offset, offset + length)
        },
        [Symbol.asyncDispose]: async () => {},
      }
    },
  }
}
