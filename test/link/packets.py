"""Prints `milliseconds out|in bytes payload` for each packet at an interface, after `ready`, until its input ends.

Times are the kernel's, taken when the packet leaves the queue or arrives. `payload` is that of TCP over IPv4.
"""
import select
import socket
import struct
import sys

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33

packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
packets.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
packets.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
packets.bind((sys.argv[1], 0))
packets.setblocking(False)
print('ready', flush=True)


def payload(frame, size):
    if frame[12:14] != b'\x08\x00' or frame[23] != 6:
        return 0
    ip_header = (frame[14] & 15) * 4
    total = struct.unpack('!H', frame[16:18])[0]
    return total - ip_header - (frame[14 + ip_header + 12] >> 4) * 4


def drain():
    while True:
        try:
            frame, ancillary, _, source = packets.recvmsg(128, 64, socket.MSG_TRUNC)
        except BlockingIOError:
            return
        seconds, nanoseconds = struct.unpack('qq', ancillary[0][2])
        size = length_of(frame)
        direction = 'out' if source[2] == PACKET_OUTGOING else 'in'
        print(f'{seconds * 1e3 + nanoseconds / 1e6:.3f} {direction} {size} {payload(frame, size)}')


def length_of(frame):
    """From the IP header: recvmsg does not tell how much was cut off."""
    return 14 + struct.unpack('!H', frame[16:18])[0] if frame[12:14] == b'\x08\x00' else len(frame)


while True:
    ready, _, _ = select.select([packets, sys.stdin], [], [])
    drain()
    if sys.stdin in ready and not sys.stdin.readline():
        break
