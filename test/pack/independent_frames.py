"""Decodes frames (codec 2) and restores PNG files, written from docs/format.md alone."""

import struct
import zlib

import zstandard

MIB = 1 << 20
M32 = 0xFFFFFFFF
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
PLANES = {1: (0,), 2: (0, 8), 3: (8, 0, 16), 4: (8, 0, 16, 24)}
SQUASH = (
    1, 2, 4, 6, 10, 17, 27, 45, 74, 120, 194, 311, 488, 747, 1102, 1546, 2048, 2550, 2994, 3349, 3608, 3785, 3902, 3976,
    4022, 4051, 4069, 4079, 4086, 4090, 4092, 4094, 4095,
)


def squash(index):
    a, b = index >> 7, index & 127
    return (SQUASH[a] * (128 - b) + SQUASH[a + 1] * b + 64) >> 7


SQUASHED = [squash(index) for index in range(4096)]
STRETCHED = [next((i - 2048 for i in range(4096) if SQUASHED[i] >= p), 2047) for p in range(4096)]


class Wrong(Exception):
    pass


def need(condition, problem):
    if not condition:
        raise Wrong(problem)


class Facts:
    """Size, form and metadata of a frame."""

    def __init__(self, fields):
        self.width, self.height = fields.varint(), fields.varint()
        self.depth, self.color = fields.u8(), fields.u8()
        need(0 < self.width <= 65536 and 0 < self.height <= 65536 and self.width * self.height <= 1 << 24, "size")
        need(self.color in SAMPLES and self.depth in DEPTHS[self.color], "form")
        self.head = fields.sized(MIB)
        self.tail = fields.sized(MIB - len(self.head))
        self.row_bytes = -(-self.width * SAMPLES[self.color] * self.depth // 8)
        need(self.row_bytes * self.height <= 64 * MIB, "too many bytes")
        column = max(1, SAMPLES[self.color] * self.depth // 8)
        self.planes = column // 2 if column > 4 else column
        self.columns = self.row_bytes // self.planes

    def shape(self):
        return (self.width, self.height, self.depth, self.color)


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def frame_bytes(facts, pixels):
    front = varint(facts.width) + varint(facts.height) + bytes([facts.depth, facts.color])
    front += varint(len(facts.head)) + facts.head + varint(len(facts.tail)) + facts.tail
    return front + b"".join(pixel.to_bytes(facts.planes, "little") for pixel in pixels)


def png_of(fields):
    """The PNG of a frame given as bytes."""
    facts = Facts(fields)
    rows = [b"\0" + fields.take(facts.row_bytes) for _ in range(facts.height)]
    fields.end()
    header = struct.pack(">IIBBBBB", facts.width, facts.height, facts.depth, facts.color, 0, 0, 0)
    body = chunk(b"IHDR", header) + facts.head + chunk(b"IDAT", zlib.compress(b"".join(rows))) + facts.tail
    return bytes.fromhex("89504e470d0a1a0a") + body + chunk(b"IEND", b"")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


class Table:
    def __init__(self, size):
        self.p, self.seen = [32768] * size, [0] * size

    def adapt(self, at, bit):
        step = 327680 // (10 * self.seen[at] + 16)
        p = self.p[at]
        p = p + ((65535 - p) * step >> 15) if bit else p - (p * step >> 15)
        self.p[at] = min(max(p, 32), 65504)
        self.seen[at] = min(self.seen[at] + 1, 60)


class Decisions:
    def __init__(self, data):
        self.data, self.next = data, 0
        self.low, self.high, self.value = 0, M32, 0
        for _ in range(4):
            self.value = self.value << 8 | self.byte()

    def byte(self):
        need(self.next < len(self.data) + 4, "code cut short")
        self.next += 1
        return self.data[self.next - 1] if self.next <= len(self.data) else 0

    def end(self):
        need(self.next >= len(self.data) + 3, "something behind the code")

    def fixed(self, p):
        r = self.high - self.low
        middle = self.low + (r >> 16) * p + ((r & 65535) * p >> 16)
        bit = 1 if self.value <= middle else 0
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while self.low >> 24 == self.high >> 24:
            self.low = self.low << 8 & M32
            self.high = self.high << 8 & M32 | 255
            self.value = self.value << 8 & M32 | self.byte()
        return bit

    def ask(self, table, at):
        bit = self.fixed(table.p[at])
        table.adapt(at, bit)
        return bit

    def number(self, table, base, bits):
        node = 1
        for _ in range(bits):
            node = 2 * node + self.ask(table, base + node)
        return node - (1 << bits)


class Memory:
    def __init__(self, bits):
        self.shift, self.slots = 32 - bits, {}

    def known(self, hashed):
        """The guess and its trust, 0 when there is none."""
        pixel, tag, trust = self.slots.get(hashed >> self.shift, (0, 0, 0))
        return (pixel, trust) if tag == hashed & 0xFFFFFF else (0, 0)

    def learn(self, hashed, new):
        at, own = hashed >> self.shift, hashed & 0xFFFFFF
        pixel, tag, trust = self.slots.get(at, (0, 0, 0))
        if tag == own and pixel == new and trust > 0:
            self.slots[at] = (pixel, tag, min(trust + 1, 255))
            return True
        self.slots[at] = (pixel, tag, trust >> 1) if trust > 1 else (new, own, 1)
        return False


def mixed(x):
    x &= M32
    x ^= x >> 15
    x = x * 0x2C1B3C6D & M32
    return x ^ x >> 13


def hashes(w, n, nw, ne, ww, nn):
    two = w * 0x9E3779B1 + n * 0x85EBCA6B
    four = two + nw * 0xC2B2AE35 + ne * 0x27D4EB2F
    return mixed(four + ww * 0x165667B1 + nn * 0x2C1B3C6D), mixed(four), mixed(two)


def gradient(w, n, nw):
    low, high = min(w, n), max(w, n)
    return low if nw >= high else high if nw <= low else w + n - nw


class Colors:
    def __init__(self, decisions, planes):
        self.decisions = decisions
        self.lead, *self.others = PLANES[planes]
        self.weights = [[26214] * 3 for _ in range(256)]
        self.edge, self.predicted, self.frequent = Table(1 << 16), Table(1 << 16), Table(256)
        self.known, self.rest = Table(64), Table(3 * 2 * 256)
        self.pairs, self.leads = {}, {}

    def lead_byte(self, w, n, nw):
        tables = (self.edge, ((w >> 4) * 16 + (n >> 4)) * 256), (self.predicted, gradient(w, n, nw) * 256), (self.frequent, 0)
        node = 1
        for _ in range(8):
            places = [(table, base + node) for table, base in tables]
            opinions = [STRETCHED[table.p[at] >> 4] for table, at in places]
            weights = self.weights[node]
            total = sum(weight * opinion for weight, opinion in zip(weights, opinions))
            x = abs(total) // 65536 * (1 if total >= 0 else -1)
            q = SQUASHED[min(max(x, -2048), 2047) + 2048]
            bit = self.decisions.fixed(16 * q)
            error = ((4096 if bit else 0) - q) * 6
            for index, opinion in enumerate(opinions):
                weights[index] += (opinion * error + 32768) >> 16
            for table, at in places:
                table.adapt(at, bit)
            node = 2 * node + bit
        return node & 255

    def recent(self, places, at, base):
        pixel, trust = places.get(at, (0, 0))
        return pixel if trust and self.decisions.ask(self.known, base + min(trust, 31)) else None

    def color(self, w, n, nw):
        byte = lambda pixel: pixel >> self.lead & 255
        lead = self.lead_byte(byte(w), byte(n), byte(nw))
        if not self.others:
            return lead
        pair = byte(w) * 256 + lead
        pixel = self.recent(self.pairs, pair, 0)
        if pixel is None:
            pixel = self.recent(self.leads, lead, 32)
        if pixel is None:
            pixel, like = lead << self.lead, 0
            for index, shift in enumerate(self.others):
                expected = (w >> shift & 255) + lead - byte(w)
                number = self.decisions.number(self.rest, (index * 2 + like) * 256, 8)
                like = 1 if number == 0 else 0
                pixel |= (number + expected & 255) << shift
        for places, at in ((self.pairs, pair), (self.leads, lead)):
            old, trust = places.get(at, (0, 0))
            if trust > 0 and old == pixel:
                places[at] = (old, min(trust + 1, 255))
            else:
                places[at] = (old, trust >> 1) if trust > 1 else (pixel, 1)
        return pixel


class Model:
    def __init__(self, decisions, planes, bits):
        self.decisions = decisions
        self.memories = [Memory(bits) for _ in range(3)]
        self.tables = [Table(256) for _ in range(3)]
        self.flat, self.neighbour, self.colors = Table(64), Table(32), Colors(decisions, planes)
        self.run = 0

    def learn(self, hashed, pixel):
        for memory, each in zip(self.memories, hashed):
            if memory.learn(each, pixel):
                break

    def learn_frame(self, pixels, columns, height):
        for row in range(2, height):
            for left in range(0, columns, 64):
                start, stop = row * columns + left, row * columns + min(left + 64, columns)
                if pixels[start:stop] == pixels[start - columns : stop - columns]:
                    continue
                for at in range(max(start, 2 * columns + 2), stop):
                    w, n, nw, ne = pixels[at - 1], pixels[at - columns], pixels[at - columns - 1], pixels[at - columns + 1]
                    if not w == n == nw == ne == pixels[at]:
                        self.learn(hashes(w, n, nw, ne, pixels[at - 2], pixels[at - 2 * columns]), pixels[at])

    def pixel(self, pixels, columns, at):
        row, column = divmod(at, columns)
        w = pixels[at - 1] if column else 0
        ww = pixels[at - 2] if column > 1 else 0
        n = pixels[at - columns] if row else 0
        nw = pixels[at - columns - 1] if row and column else n
        ne = pixels[at - columns + 1] if row and column + 1 < columns else n
        nn = pixels[at - 2 * columns] if row > 1 else n
        refused = []

        def ask(guess, table, place):
            if guess in refused:
                return False
            if self.decisions.ask(table, place):
                return True
            refused.append(guess)
            return False

        if w == n == nw == ne == ww:
            self.run = min(self.run + 1, 31)
            if ask(w, self.flat, self.run * 2 + (nn == n)):
                return w
        self.run = 0
        hashed = hashes(w, n, nw, ne, ww, nn)
        for index, (memory, table) in enumerate(zip(self.memories, self.tables)):
            guess, trust = memory.known(hashed[index])
            if trust and ask(guess, table, min(trust, 31) * 8 + 4 * (len(refused) > 0) + 2 * (guess == w) + (guess == n)):
                if index == 2:
                    self.learn(hashed, guess)
                for level in range(index + 1 if index < 2 else 0):
                    self.memories[level].learn(hashed[level], guess)
                return guess
        for base, guess in ((0, n), (8, w), (16, ne), (24, nw)):
            if ask(guess, self.neighbour, base + len(refused)):
                break
        else:
            guess = self.colors.color(w, n, nw)
        self.learn(hashed, guess)
        return guess


class Differences:
    def __init__(self, data, count, planes):
        self.count, self.planes, self.next = count, PLANES[planes], 0
        need(zstandard.get_frame_parameters(data).window_size <= MIB, "window too large")
        self.data = zstandard.ZstdDecompressor(max_window_size=MIB).decompressobj().decompress(data)
        need(len(self.data) == count * planes, "differences of another size")

    def pixel(self, pixels, columns, at):
        need(self.next < self.count, "too few differences")
        row, column = divmod(at, columns)
        w = pixels[at - 1] if column else 0
        n, nw = w, w
        if row:
            n = pixels[at - columns]
            w, nw = (w, pixels[at - columns - 1]) if column else (n, n)
        pixel = change = 0
        for index, shift in enumerate(self.planes):
            predicted = gradient(w >> shift & 255, n >> shift & 255, nw >> shift & 255)
            value = self.data[index * self.count + self.next] + predicted + change & 255
            pixel |= value << shift
            if index == 0 and len(self.planes) > 2:
                change = value - predicted
        self.next += 1
        return pixel

    def end(self):
        need(self.next == self.count, "too many differences")


class Kinds:
    def __init__(self, decisions, per_row):
        self.decisions, self.per_row, self.before = decisions, per_row, [0, 0]
        self.repeated, self.above, self.left, self.kinds = Table(4), Table(64), Table(32), Table(32)

    def row(self, last):
        if last is not None:
            same = self.decisions.ask(self.repeated, self.before[0] + 2 * self.before[1])
            self.before = [same, self.before[0]]
            if same:
                return last
        row = []
        for unit in range(self.per_row):
            a = last[unit] if last is not None else 2
            l = row[unit - 1] if unit else 2
            c = last[unit - 1] if last is not None and unit else 2
            near, turn = min(a, 3) * 4 + min(l, 3), int(a == c)
            if self.decisions.ask(self.above, near * 4 + 2 * (a == l) + turn):
                row.append(a)
            elif l != a and self.decisions.ask(self.left, near * 2 + turn):
                row.append(l)
            else:
                row.append(self.decisions.number(self.kinds, min(a, 3) * 8, 3))
        return row


def decode_frame(fields, references):
    """(facts, pixels) of stored bytes, given those of the frames that it is made from."""
    flags, bits = fields.u8(), fields.u8()
    need(flags <= 7 and 8 <= bits <= 18, "flags")
    facts = references[0][0] if flags & 4 else Facts(fields)
    need(all(each.shape() == facts.shape() for each, _ in references), "another shape")
    sources = []
    for _ in range(fields.varint()):
        index, rows = fields.varint(), fields.varint()
        sources.append((references[index][1], -(rows + 1) // 2 if rows % 2 else rows // 2))
    need(len(sources) <= 6, "too many sources")
    columns, height = facts.columns, facts.height
    differences = None
    if flags & 1:
        count = fields.varint()
        differences = Differences(fields.sized(16 * MIB), count, facts.planes)
    decisions = Decisions(fields.take(len(fields.data) - fields.at))
    coder = differences or Model(decisions, facts.planes, bits)
    if flags & 2 and not differences:
        for _, pixels in reversed(references):
            coder.learn_frame(pixels, columns, height)
    pixels, kinds = [0] * (columns * height), None
    model = Kinds(decisions, -(-columns // 64))
    for row in range(height):
        kinds = model.row(kinds)
        for unit, kind in enumerate(kinds):
            start, stop = row * columns + unit * 64, row * columns + min(unit * 64 + 64, columns)
            if kind == 0:
                for at in range(start, stop):
                    pixels[at] = coder.pixel(pixels, columns, at)
                continue
            need(kind == 1 or kind - 2 < len(sources), "no such source")
            other, rows = (pixels, -1) if kind == 1 else sources[kind - 2]
            need(0 <= row + rows < height, "outside the source")
            pixels[start:stop] = other[start + rows * columns : stop + rows * columns]
    if differences:
        differences.end()
    decisions.end()
    return facts, pixels
