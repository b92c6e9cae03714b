"""A bad road between two interfaces: forwards IPv4 frames late, loses some, is cut now and then.

`road.py DEVICE MAC PEER-MAC DEVICE MAC PEER-MAC`: of each end its interface here, that interface's address, and the
address of the machine behind it. Each line of input, `delay_ms loss_percent seed up_ms down_ms`, begins a new road with
an empty queue, whose first stretch of being up begins now (down_ms 0: never cut); it is answered by `ok`. Ends with its
input. Frames are taken before the kernel would forward them, so its own forwarding has to be off.
"""
import collections
import errno
import random
import select
import socket
import sys
import time

ETH_P_IP = 0x0800
PACKET_HOST = 0
SO_SNDBUFFORCE = 32
SO_RCVBUFFORCE = 33
BUFFER = 64 << 20
MOST_WAITING = 50_000


class End:
    def __init__(self, device, own, peer):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_IP))
        # What waits in the queue of a slow line counts as in the socket's buffer.
        self.socket.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self.socket.bind((device, ETH_P_IP))
        self.socket.setblocking(False)
        self.addresses = bytes.fromhex((peer + own).replace(':', ''))
        self.waiting = collections.deque()
        self.dice = random.Random(0)

    def send_due(self, now):
        while self.waiting and self.waiting[0][0] <= now:
            frame = self.waiting.popleft()[1]
            try:
                self.socket.send(self.addresses + frame[12:])
            except OSError as error:
                # The line's queue is full: that is a loss like any other.
                if error.errno not in (errno.ENOBUFS, errno.EAGAIN):
                    raise


class Road:
    def __init__(self):
        self.delay, self.loss, self.start, self.up, self.down = 0.0, 0.0, 0.0, 1.0, 0.0

    def is_cut(self, now):
        return self.down > 0 and (now - self.start) % (self.up + self.down) >= self.up


ends = End(*sys.argv[1:4]), End(*sys.argv[4:7])
road = Road()


def take(source, target):
    while True:
        try:
            frame, address = source.socket.recvfrom(2048)
        except BlockingIOError:
            return
        now = time.monotonic()
        if address[2] != PACKET_HOST or road.is_cut(now) or source.dice.random() * 100 < road.loss:
            continue
        if len(target.waiting) < MOST_WAITING:
            target.waiting.append((now + road.delay, frame))


def lay(line):
    delay, loss, seed, up, down = map(float, line.split())
    road.delay, road.loss, road.up, road.down = delay / 1000, loss, up / 1000, down / 1000
    for number, end in enumerate(ends):
        end.waiting.clear()
        end.dice = random.Random(seed * 2 + number)
    road.start = time.monotonic()
    print('ok', flush=True)


while True:
    due = min((end.waiting[0][0] for end in ends if end.waiting), default=None)
    limit = None if due is None else max(0, due - time.monotonic())
    readable = select.select([ends[0].socket, ends[1].socket, sys.stdin], [], [], limit)[0]
    for source, target in (ends, ends[::-1]):
        if source.socket in readable:
            take(source, target)
    for end in ends:
        end.send_due(time.monotonic())
    if sys.stdin in readable:
        line = sys.stdin.readline()
        if not line:
            break
        lay(line)
