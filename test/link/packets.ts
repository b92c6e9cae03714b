import type { Packet } from './wire-network.ts'

export const outgoing = (packets: readonly Packet[]): Packet[] => packets.filter(({ direction }) => direction === 'out')

export function bytesOf(packets: readonly Packet[]): number {
  return packets.reduce((total, { bytes }) => total + bytes, 0)
}

/** Most bytes of `packets` within any stretch of `windowMs`, by the kernel's time of each packet. */
export function mostWithin(packets: readonly Packet[], windowMs: number): number {
  let [most, sum, from] = [0, 0, 0]
  for (const { at, bytes } of packets) {
    sum += bytes
    for (let first = packets[from]; first && first.at <= at - windowMs; first = packets[++from]) sum -= first.bytes
    most = Math.max(most, sum)
  }
  return most
}
