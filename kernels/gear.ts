/** The gear hash of the chunker (docs/format.md, *Chunking*): hash = 2 × hash + gear[byte], modulo 2^32. */

/** 256 numbers of 32 bits, which the host writes. */
const gear: usize = 1024
/** Bytes to go through. */
const input: usize = 4096

let hash: u32 = 0

export function gearAt(): usize {
  return gear
}

export function inputAt(): usize {
  return input
}

/** The hash after what was gone through last. */
export function lastHash(): u32 {
  return hash
}

/**
 * Goes through `length` bytes of the input until the hash has none of the bits of `mask`; returns how many that took, or -1
 * when it never was so.
 */
export function scan(length: i32, start: u32, mask: u32): i32 {
  let now = start
  let at = input
  const end = input + length
  // Two at a time: the second hash does not wait for the first.
  for (const even = input + (length & ~1); at < even; at += 2) {
    const first = load<u32>(gear + (<usize>load<u8>(at) << 2))
    const second = load<u32>(gear + (<usize>load<u8>(at, 1) << 2))
    const between = (now << 1) + first
    now = (now << 2) + ((first << 1) + second)
    if ((between & mask) == 0) return <i32>(at + 1 - input)
    if ((now & mask) == 0) return <i32>(at + 2 - input)
  }
  if (at < end) {
    now = (now << 1) + load<u32>(gear + (<usize>load<u8>(at) << 2))
    if ((now & mask) == 0) return length
  }
  hash = now
  return -1
}
