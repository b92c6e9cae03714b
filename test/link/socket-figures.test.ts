import { describe, expect, test } from 'vitest'
import { parseSocketFigures } from '../../src/transfer/link/socket-figures.ts'

/** Printed by ss of iproute2 6.1.0 for an upload that lost packets, for one that had just begun, and for none. */
const printed = {
  lossy: 'ESTAB 0      43440  10.98.1.2:41522 10.98.2.2:8443 timer:(on,203ms,0) ts sack cubic wscale:10,10 rto:204 rtt:0.143/0.04 '
    + 'ato:40 mss:1448 pmtu:1500 rcvmss:536 advmss:1448 cwnd:6 ssthresh:4 bytes_sent:1289372 bytes_retrans:63712 bytes_acked:1190000 '
    + 'bytes_received:1791 segs_out:903 segs_in:722 data_segs_out:899 data_segs_in:5 send 486041958bps lastrcv:88 pacing_rate 583250344bps '
    + 'delivery_rate 295507360bps delivered:846 busy:92ms unacked:6 retrans:0/44 rcv_space:14480 rcv_ssthresh:64088 notsent:34752 '
    + 'minrtt:0.064 snd_wnd:1064960',
  new: 'SYN-SENT 0 1 [fd00::2]:50112 [fd00::1]:443 timer:(on,980ms,0) cubic rto:1000 mss:524 rcvmss:88 advmss:1428 cwnd:10 '
    + 'segs_out:1 unacked:1 retrans:0/0 lost:0',
}

describe('what ss prints', () => {
  test('is read for each connection by its local port', () => {
    const figures = parseSocketFigures(`${printed.lossy}\n${printed.new}\nend\n`)
    expect(figures.get(41522)).toEqual({
      sentBytes: 1_289_372, retransmittedBytes: 63_712, retransmittedSegments: 44, receivedBytes: 1791, segmentsOut: 903, segmentsIn: 722,
      unackedSegments: 6, queuedBytes: 43_440, segmentBytes: 1448, timestamps: true, rttMs: 0.143, leastRttMs: 0.064, deliveredBytesPerMs: 36_938.42,
    })
    expect(figures.get(50112)).toMatchObject({ sentBytes: 0, segmentsOut: 1, segmentsIn: 0, timestamps: false, leastRttMs: 0 })
    expect(figures.get(50112)).not.toHaveProperty('rttMs')
  })

  test('is nothing when there is no such connection', () => {
    expect(parseSocketFigures('end\n').size).toBe(0)
  })
})
