"""Rebuilds the files of one device log, written from docs/format.md alone.

usage: independent_reader.py LOG OUT [IDENTITY]      LOG is the device's folder of packs

IDENTITY is an age identity file; encrypted packs are opened with the ordinary `age`.

Writes OUT/<stream>/<path>; older versions of a path go to OUT/.older/<n>/<stream>/<path>. Prints a JSON report. Shares no
code with the project: it is there to show that the document suffices.
"""

import copy
import hashlib
import hmac
import json
import os
import re
import struct
import subprocess
import sys

import zstandard

import independent_frames
from independent_lines import Model, decode_lines

MIB = 1 << 20
MOST_FRAME = 65 * MIB + 32
PACK_NAME = re.compile(rb"([0-9]{10})-([0-9a-f]{64})\.pack")
DEVICE_NAME = re.compile(rb"[a-z0-9][a-z0-9._-]{0,63}")
HEADER_MAGIC = bytes.fromhex("89534c430d0a1a0a")
TRAILER = struct.Struct("<IIB4s")


class Refused(Exception):
    pass


def need(condition, problem):
    if not condition:
        raise Refused(problem)


class Fields:
    """Reads fields in order; whatever runs past the end is refused."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        need(self.at + size <= len(self.data), "ends too early")
        self.at += size
        return self.data[self.at - size : self.at]

    def u8(self):
        return self.take(1)[0]

    def u64(self):
        return int.from_bytes(self.take(8), "little")

    def varint(self):
        value = 0
        for place in range(8):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                need(place == 0 or byte != 0, "varint longer than needed")
                need(value < 1 << 53, "varint too large")
                return value
        raise Refused("varint of more than 8 bytes")

    def sized(self, most):
        size = self.varint()
        need(size <= most, "sized value too long")
        return self.take(size)

    def end(self):
        need(self.at == len(self.data), "bytes left over")


def read_header(pack, device):
    fields = Fields(pack)
    need(fields.take(8) == HEADER_MAGIC, "no pack")
    need(fields.u8() == 1, "unknown version")
    flags = fields.u8()
    need(flags <= 1, "unknown flags")
    length = fields.u8()
    need(1 <= length <= 64 and fields.take(length) == device, "another device")
    seq, previous, body_length, body_hash = fields.u64(), fields.take(32), fields.u64(), fields.take(32)
    header, body = pack[: fields.at], pack[fields.at :]
    need(len(pack) <= 64 * MIB and len(body) == body_length, "wrong length")
    need(hashlib.sha256(body).digest() == body_hash, "body does not match its hash")
    return seq, previous, hashlib.sha256(header).digest(), body, flags == 1


def decrypt(body, identity):
    need(identity is not None, "encrypted, and no identity was given")
    age = subprocess.run(["age", "-d", "-i", identity], input=body, capture_output=True)
    need(age.returncode == 0, "age does not open it")
    return age.stdout


def chunk_name(key, chunk):
    return hmac.new(key, chunk, hashlib.sha256).digest() if key else hashlib.sha256(chunk).digest()


def decode(codec, stored, size, lineage):
    if codec == 0:
        need(len(stored) == size, "raw block of another size")
        return stored
    need(codec == 1, "unknown codec")
    need(size <= MIB, "too large")
    need(zstandard.get_frame_parameters(stored).window_size <= 4 * MIB, "window too large")
    dictionary = zstandard.ZstdCompressionDict(lineage, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if lineage else None
    decoder = zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=4 * MIB).decompressobj()
    raw = decoder.decompress(stored)
    need(decoder.unused_data == b"" and len(raw) == size, "frame does not hold one block")
    return raw


def read_manifest(body):
    need(len(body) >= TRAILER.size, "no trailer")
    stored_size, size, codec, magic = TRAILER.unpack(body[-TRAILER.size :])
    start = len(body) - TRAILER.size - stored_size
    need(magic == b"SLM1" and stored_size <= MIB and size <= MIB and start >= 0, "bad trailer")
    fields = Fields(decode(codec, body[start : len(body) - TRAILER.size], size, None))
    manifest = {"epoch": fields.take(8), "key": fields.sized(32)}
    need(len(manifest["key"]) in (0, 32), "bad chunk key")
    manifest["seal"], manifest["sealed_at"] = fields.varint(), fields.varint()
    manifest["sizes"] = [fields.varint() for _ in range(3)]
    manifest["gear"] = fields.u8()
    manifest["streams"] = [read_stream(fields) for _ in range(fields.varint())]
    manifest["blocks"] = [read_block(fields) for _ in range(fields.varint())]
    manifest["external"] = [fields.varint() for _ in range(fields.varint())]
    manifest["entries"] = [read_entry(fields) for _ in range(fields.varint())]
    count = sum(len(block["sizes"]) for block in manifest["blocks"]) + len(manifest["external"])
    manifest["hashes"] = [fields.take(32) for _ in range(count)]
    fields.end()
    need(sum(block["stored"] for block in manifest["blocks"]) == start, "blocks do not fill the body")
    return manifest


def read_stream(fields):
    stream = {"name": fields.sized(64), "purpose": fields.sized(4096).decode()}
    need(DEVICE_NAME.fullmatch(stream["name"]), "bad stream name")
    stream["files"], stream["fidelity"] = fields.u8(), fields.u8()
    need(stream["files"] <= 1 and stream["fidelity"] <= 1, "unknown kind of stream")
    return stream


def read_block(fields):
    names = ("stream", "ordinal", "distance")
    block = {name: fields.varint() for name in names}
    block["codec"], block["stored"] = fields.u8(), fields.varint()
    block["sizes"] = [fields.varint() for _ in range(fields.varint())]
    need(block["distance"] <= block["ordinal"], "continues a block before the first")
    is_frame = block["codec"] == 2
    block["frames"] = [fields.varint() for _ in range(fields.varint())] if is_frame else []
    most = MOST_FRAME if is_frame else MIB
    need(block["sizes"] and all(block["sizes"]) and sum(block["sizes"]) <= most, "bad chunk sizes")
    need(block["stored"] <= (16 * MIB if is_frame else MIB), "block too large")
    if is_frame:
        need(len(block["sizes"]) == 1 and block["distance"] == 0 and len(block["frames"]) <= 2, "bad frame")
        need(all(1 <= each <= min(8, block["ordinal"]) for each in block["frames"]), "bad distance")
    return block


def read_entry(fields):
    entry = {"stream": fields.varint(), "path": fields.sized(4096), "file": fields.take(8), "flags": fields.u8()}
    for part in entry["path"].split(b"/"):
        need(0 < len(part) <= 255 and part not in (b".", b"..") and b"\0" not in part, "unsafe path")
    need(entry["flags"] in (0, 1, 3), "unknown flags")
    entry["mode"] = fields.varint()
    need(entry["mode"] <= 0o7777, "mode too large")
    zigzag = fields.varint()
    entry["modified"] = zigzag // 2 if zigzag % 2 == 0 else -(zigzag + 1) // 2
    entry["offset"] = fields.varint()
    entry["runs"] = [(fields.varint(), fields.varint()) for _ in range(fields.varint())]
    if entry["flags"] & 2:
        need(entry["offset"] == 0 and [count for _, count in entry["runs"]] == [1], "a picture of more than one frame")
    return entry


class Log:
    """What the packs read so far hold: lineages and chunks by epoch, files by id."""

    def __init__(self):
        self.lineages, self.frames, self.chunks, self.files = {}, {}, {}, {}
        self.packs = self.blocks = self.continued = self.external = self.pictures = self.made = self.columns = 0

    def add(self, body):
        manifest = read_manifest(body)
        scope = manifest["epoch"] + manifest["key"]
        at, named = 0, iter(manifest["hashes"])
        numbered = []
        for block in manifest["blocks"]:
            stream = self.stream_of(manifest, block)
            raw = self.add_block(scope, stream["name"], block, body[at : at + block["stored"]])
            at += block["stored"]
            numbered += self.add_chunks(scope, manifest["key"], block["sizes"], named, raw)
        for size, name in zip(manifest["external"], named):
            chunk = self.chunks.get((scope, name))
            need(chunk is not None and len(chunk) == size, "external chunk is nowhere in the epoch")
            numbered.append(chunk)
            self.external += 1
        for entry in manifest["entries"]:
            self.add_entry(self.stream_of(manifest, entry), entry, numbered)
        self.packs += 1

    @staticmethod
    def stream_of(manifest, item):
        need(item["stream"] < len(manifest["streams"]), "no such stream")
        return manifest["streams"][item["stream"]]

    def add_block(self, scope, stream, block, stored):
        key = (scope, stream, block["ordinal"])
        need(key not in self.lineages and key not in self.frames, "ordinal used twice")
        self.blocks += 1
        if block["codec"] == 2:
            return self.add_frame(key, block, stored)
        before, model, steps, chain = b"", Model(), -1, 0
        if block["distance"]:
            last = (scope, stream, block["ordinal"] - block["distance"])
            need(last in self.lineages, "continues a block that is not there")
            before, model, steps, chain = self.lineages[last]
            self.continued += 1
        size = sum(block["sizes"])
        need(steps + 1 <= 512 and (not block["distance"] or chain + size <= 64 * MIB), "chain too long")
        content = raw = self.content(block, stored, size, before)
        if block["codec"] == 3:
            model = copy.deepcopy(model)
            raw = decode_lines(Fields(content), model)
            need(len(raw) == size, "columns of another size")
            self.columns += 1
        self.lineages[key] = ((before + content)[-2 * MIB :], model, steps + 1, chain + size)
        return raw

    @staticmethod
    def content(block, stored, size, before):
        if block["codec"] != 3:
            return decode(block["codec"], stored, size, before)
        return decode(1, stored, zstandard.get_frame_parameters(stored).content_size, before)

    def add_frame(self, key, block, stored):
        scope, stream, ordinal = key
        keys = [(scope, stream, ordinal - distance) for distance in block["frames"]]
        need(all(each in self.frames for each in keys), "made from a frame that is not there")
        start = min([ordinal, *(self.frames[each][1] for each in keys)])
        need(ordinal - start < 32, "needs a frame too far back")
        need(all(distance * block["sizes"][0] <= 64 * MIB for distance in block["frames"]), "made from a frame too far back")
        facts, pixels = independent_frames.decode_frame(Fields(stored), [self.frames[each][0] for each in keys])
        self.frames[key] = ((facts, pixels), start)
        self.pictures += 1
        self.made += len(keys)
        return independent_frames.frame_bytes(facts, pixels)

    def add_chunks(self, scope, key, sizes, named, raw):
        need(len(raw) == sum(sizes), "block of another size")
        at = 0
        for size, name in zip(sizes, named):
            chunk = raw[at : at + size]
            need(chunk_name(key, chunk) == name, "chunk does not match its hash")
            self.chunks[(scope, name)] = chunk
            at += size
            yield chunk

    def add_entry(self, stream, entry, numbered):
        held = self.files.pop(entry["file"], {"content": bytearray()})
        need(len(held["content"]) == entry["offset"], "segment does not follow the one before")
        for first, count in entry["runs"]:
            need(first + count <= len(numbered), "run outside the chunks")
            for chunk in numbered[first : first + count]:
                held["content"] += independent_frames.png_of(Fields(chunk)) if entry["flags"] & 2 else chunk
        # popped and set again: dictionary order is the order of last segments
        self.files[entry["file"]] = {**entry, "content": held["content"], "stream": stream}


def read_log(folder, identity=None):
    device = os.path.basename(os.path.abspath(os.fsencode(folder)))
    need(DEVICE_NAME.fullmatch(device), "not named like a device")
    matches = [PACK_NAME.fullmatch(name) for name in sorted(os.listdir(os.fsencode(folder)))]
    log, last = Log(), bytes(32)
    for expected, match in enumerate((match for match in matches if match), start=1):
        with open(os.path.join(os.fsencode(folder), match[0]), "rb") as file:
            seq, previous, name, body, is_encrypted = read_header(file.read(), device)
        need(seq == expected == int(match[1]), f"pack {expected} is missing or there twice")
        need(name.hex().encode() == match[2], f"pack {seq} is not what its name says")
        need(previous == last, f"pack {seq} does not follow the one before")
        log.add(decrypt(body, identity) if is_encrypted else body)
        last = name
    return log


def write_files(log, out):
    torn, versions = 0, {}
    for file in reversed(log.files.values()):
        if file["stream"]["files"] == 1 and not file["flags"] & 1:
            torn += 1
            continue
        path = os.path.join(file["stream"]["name"], file["path"])
        age = versions[path] = versions.get(path, -1) + 1
        target = os.path.join(out, *([b".older", b"%d" % age] if age else []), path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "xb") as copy:
            copy.write(file["content"])
        os.chmod(target, file["mode"])
        os.utime(target, ns=(0, file["modified"] * 1000))
    return torn


def main():
    log = read_log(sys.argv[1], *sys.argv[3:])
    torn = write_files(log, os.fsencode(sys.argv[2]))
    counts = {"packs": log.packs, "blocks": log.blocks, "continued": log.continued, "external": log.external}
    counts |= {"pictures": log.pictures, "made": log.made, "columns": log.columns}
    print(json.dumps({**counts, "files": len(log.files), "torn": torn}))


main()
