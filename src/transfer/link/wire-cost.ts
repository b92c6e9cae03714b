import type { SocketFigures } from './socket-figures.ts'

/**
 * What one TCP connection puts on the wire in both directions, as an interface counts it: Ethernet, IP and TCP headers,
 * payload, acknowledgements, retransmits, opening and closing. Pure arithmetic over what this process handed over and
 * read, corrected by what the kernel counted.
 */
export interface Traffic {
  /** Bytes handed to the kernel: ciphertext where there is TLS. */
  readonly handedBytes: number
  readonly handedSlices: number
  readonly receivedBytes: number
  readonly receivedReads: number
}

export interface WireAccount {
  readonly ipVersion: 4 | 6
  readonly traffic: Traffic
  /** Name look-ups and attempts to connect that led nowhere, which the socket's figures do not hold. */
  readonly asideBytes: number
  /** The kernel's figures, and what had been handed over when they were asked for. */
  readonly sample?: { readonly figures: SocketFigures, readonly traffic: Traffic }
}

/** A connection that is about to be opened. */
export const newAccount: WireAccount = {
  ipVersion: 4, asideBytes: 0, traffic: { handedBytes: 0, handedSlices: 0, receivedBytes: 0, receivedReads: 0 },
}

const ethernetBytes = 14
const tcpBytes = 20
/** Sent with every segment after the first by all but Windows; assumed until the kernel says otherwise. */
const timestampBytes = 12
/** What the options of a SYN take beyond those of other segments: MSS, SACK, window scale. */
const synExtraBytes = 8
const assumedSegmentBytes = 1448

/**
 * Receivers acknowledge every other segment, each segment where one is missing. Measured: 0.50 without loss.
 */
const acksPerSegment = 0.5
/** With a gap an acknowledgement lists what arrived behind it: 12 bytes for one range, 8 for each further. */
const sackBytes = 16
/** Acknowledgements with such a list for each lost segment, measured at 5 and 20 % of loss. */
const sacksPerLoss = 2

/** Retransmits to expect before the kernel has been asked, as a share of what is sent. */
const leastRetransmitShare = 0.02
/** A share seen so far may double before the next look. */
const retransmitCaution = 2
/** Covers what may happen between two looks: retransmits, a handshake, the peer's alerts. Given back at the end. */
const reserveBytes = 24 << 10

/** Segments without payload while a connection and TLS are set up; measured, used where the kernel tells nothing. */
const openingSegments = 9

/** A name look-up for both IP versions: two questions and two answers of UDP. */
export function lookupBytes(name: string): number {
  return 2 * (2 * (ethernetBytes + 28 + 18 + name.length) + 50)
}

/** A connection attempt that got a refusal, or no answer and one retry. */
export const attemptBytes = 2 * (ethernetBytes + 40 + tcpBytes + timestampBytes + synExtraBytes)

function headerBytes({ ipVersion, sample }: WireAccount): number {
  const timestamps = sample?.figures.timestamps ?? true
  return ethernetBytes + (ipVersion === 4 ? 20 : 40) + tcpBytes + (timestamps ? timestampBytes : 0)
}

/** Payload of a full segment. */
export function segmentBytes({ sample }: WireAccount): number {
  return sample?.figures.segmentBytes || assumedSegmentBytes
}

/** What the kernel counted so far; without its figures, what opening costs. */
function countedBytes(account: WireAccount): number {
  const header = headerBytes(account)
  const figures = account.sample?.figures
  if (!figures) return openingSegments * header + 2 * synExtraBytes
  const sacks = Math.min(figures.segmentsIn, figures.retransmittedSegments * sacksPerLoss)
  return (figures.segmentsOut + figures.segmentsIn) * header + 2 * synExtraBytes
    + figures.sentBytes + figures.receivedBytes + sacks * sackBytes
}

/** What the kernel's figures do not show yet: not sent when it was asked, handed over or read since. */
function uncounted({ traffic, sample }: WireAccount): Traffic {
  if (!sample) return traffic
  const { figures, traffic: then } = sample
  const unsentBytes = Math.max(0, then.handedBytes - (figures.sentBytes - figures.retransmittedBytes))
  return {
    handedBytes: traffic.handedBytes - then.handedBytes + unsentBytes,
    handedSlices: traffic.handedSlices - then.handedSlices,
    receivedBytes: traffic.receivedBytes - then.receivedBytes,
    receivedReads: traffic.receivedReads - then.receivedReads,
  }
}

/** A reset, and the answers that packets under way draw from both sides: an acknowledgement, and a reset for it. */
function closingBytes(account: WireAccount): number {
  const header = headerBytes(account)
  const underWay = account.sample?.figures.unackedSegments ?? 0
  return header + Math.ceil(underWay * acksPerSegment) * (2 * header - timestampBytes)
}

/**
 * The figure to settle with, were the connection reset now. Exact but for packets under way when the kernel's figures
 * are fresh; a calibrated estimate where there are none.
 */
export function likelyBytes(account: WireAccount): number {
  const header = headerBytes(account)
  const segment = segmentBytes(account)
  const rest = uncounted(account)
  const out = Math.ceil(rest.handedBytes / segment)
  const into = Math.max(Math.ceil(rest.receivedBytes / segment), rest.receivedReads)
  return account.asideBytes + countedBytes(account) + closingBytes(account)
    + rest.handedBytes + rest.receivedBytes + Math.ceil((out + into) * (1 + acksPerSegment)) * header
}

/** The figure to settle with for a connection that stays: what was read last may not have been acknowledged yet. */
export function keptBytes(account: WireAccount): number {
  return likelyBytes(account) + headerBytes(account)
}

/**
 * The figure to have charged before anything more is handed over: every segment acknowledged, every slice ending in a
 * short one, retransmits twice as frequent as so far, and a reserve.
 */
export function mostBytes(account: WireAccount): number {
  const header = headerBytes(account)
  const segment = segmentBytes(account)
  const rest = uncounted(account)
  const underWay = account.sample?.figures.unackedSegments ?? 0
  const out = Math.ceil(rest.handedBytes / segment) + rest.handedSlices
  const into = Math.ceil(rest.receivedBytes / segment) + rest.receivedReads
  const outBytes = rest.handedBytes + out * header
  const again = retransmitShare(account.sample?.figures) * (outBytes + underWay * (segment + header))
  return account.asideBytes + countedBytes(account) + closingBytes(account) + reserveBytes
    + outBytes + out * header + rest.receivedBytes + 2 * into * header
    + Math.ceil(again) + underWay * header
}

function retransmitShare(figures: SocketFigures | undefined): number {
  if (!figures?.sentBytes) return leastRetransmitShare
  return Math.min(1, Math.max(leastRetransmitShare, retransmitCaution * figures.retransmittedBytes / figures.sentBytes))
}

const leastLookBytes = 64 << 10
const mostLookBytes = 4 << 20

/** How much was handed over since the kernel was asked, in looks that are due: often at first, then every 4 MiB. */
export function looksDue({ traffic, sample }: WireAccount): number {
  const seenBytes = sample?.traffic.handedBytes ?? 0
  const everyBytes = Math.min(mostLookBytes, Math.max(leastLookBytes, seenBytes / 2))
  return (traffic.handedBytes - seenBytes) / everyBytes
}

/** Whether the kernel's figures may have changed since it was asked. */
export function hasMoved({ traffic, sample }: WireAccount): boolean {
  return sample?.traffic !== traffic || sample.figures.unackedSegments > 0
}

/** Bytes on the way out for a slice of payload. */
export function sliceWireBytes(account: WireAccount, bytes: number): number {
  return bytes + Math.ceil(bytes / segmentBytes(account)) * headerBytes(account)
}

/** The account after a slice was handed over. */
export function afterSlice(account: WireAccount, bytes: number): WireAccount {
  const { traffic } = account
  const handed = { handedBytes: traffic.handedBytes + bytes, handedSlices: traffic.handedSlices + 1 }
  return { ...account, traffic: { ...traffic, ...handed } }
}

/** The account after bytes were read. */
export function afterRead(account: WireAccount, bytes: number): WireAccount {
  const { traffic } = account
  const received = { receivedBytes: traffic.receivedBytes + bytes, receivedReads: traffic.receivedReads + 1 }
  return { ...account, traffic: { ...traffic, ...received } }
}
