import type { Binding, Dictionary, Simple } from 'zstd-codec'
import { codecIds, type Codec } from './codec.ts'
import { checkFrame, checkInput, codecFailed, plainReference } from './zstd-frame.ts'

/**
 * Highest levels whose tables fit beside a full block in the fixed heap of 16 MiB; above, the instance aborts
 * (measured: 12 without a reference, 6 with 2 MiB of it). A higher level is taken as this one.
 */
const maxLevel = 9
const maxLevelWithReference = 5

interface Instance {
  readonly simple: Simple
  readonly dictionaries: Binding['Dict']
}

/**
 * zstd in WebAssembly, for hosts without the native one. Work runs on the calling thread. Its instance is loaded at
 * first use, and replaced after a failure: one that ran out of memory never works again.
 */
export function zstdPortable(): Codec {
  let loading: Promise<Instance> | undefined

  const call = async (what: string, work: (instance: Instance) => Uint8Array | null): Promise<Uint8Array> => {
    loading ??= load()
    const used = loading
    const instance = await used
    try {
      const result = work(instance)
      if (result) return result
    } catch (cause) {
      if (loading === used) loading = undefined
      throw codecFailed(what, cause)
    }
    throw codecFailed(what)
  }

  return {
    id: codecIds.zstd,
    name: 'zstd (portable)',

    async compress(raw, options) {
      checkInput(raw, options)
      const reference = plainReference(options.reference)
      return call('the block could not be compressed', ({ simple, dictionaries }) => {
        if (!reference) return simple.compress(raw, Math.min(options.level, maxLevel))
        const level = Math.min(options.level, maxLevelWithReference)
        return using(new dictionaries.Compression(reference, level), it => simple.compressUsingDict(raw, it))
      })
    },

    async decompress(stored, options) {
      checkFrame(stored, options)
      if (options.rawBytes === 0) return new Uint8Array() // which zstd-codec reports as a failure
      const reference = plainReference(options.reference)
      const raw = await call('the frame is damaged, or this is not its reference', ({ simple, dictionaries }) => {
        if (!reference) return simple.decompress(stored)
        return using(new dictionaries.Decompression(reference), it => simple.decompressUsingDict(stored, it))
      })
      if (raw.length === options.rawBytes) return raw
      throw codecFailed(`the frame gave ${raw.length} bytes instead of ${options.rawBytes}`)
    },
  }
}

async function load(): Promise<Instance> {
  const { default: zstdCodec } = await import('zstd-codec')
  const binding = await new Promise<Binding>(resolve => zstdCodec.ZstdCodec.run(resolve))
  return { simple: new binding.Simple(), dictionaries: binding.Dict }
}

/** Its memory is the instance's and must be given back by hand. */
function using<T>(dictionary: Dictionary, work: (dictionary: Dictionary) => T): T {
  try {
    return work(dictionary)
  } finally {
    dictionary.close()
  }
}
