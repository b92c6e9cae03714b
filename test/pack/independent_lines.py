"""Decodes columns of JSON lines (codec 3), written from docs/format.md alone."""

import datetime

LITERAL, NUMBER, STRING, CONTAINER = range(4)
LITERALS = (b"false", b"true", b"null")


class Wrong(Exception):
    pass


def need(condition, problem):
    if not condition:
        raise Wrong(problem)


class Model:
    def __init__(self):
        self.fields, self.shapes, self.members, self.starts = [b""], [], [], []
        self.strings, self.known = {0: []}, set()
        self.learned, self.learned_bytes = 1, 0
        self.member_last, self.element_last, self.field_last = {}, {}, {}

    def add_field(self, key):
        need(key not in self.fields and len(key) <= 255 and len(self.fields) < 4096, "field")
        self.learned, self.learned_bytes = self.learned + 1, self.learned_bytes + len(key)
        need(self.learned <= 16384 and self.learned_bytes <= 512 * 1024, "too many names")
        self.strings[len(self.fields)] = []
        self.fields.append(key)

    def add_shape(self, members):
        need(members not in self.shapes and len(self.shapes) < 4096, "shape")
        self.starts.append(len(self.members))
        self.shapes.append(members)
        self.members += members
        need(len(self.members) <= 16384, "too many members")

    def learn(self, field, text):
        room = self.learned < 16384 and self.learned_bytes + len(text) <= 512 * 1024
        if (field, text) in self.known or len(text) > 255 or not room:
            return
        self.known.add((field, text))
        self.strings[field].append(text)
        self.learned, self.learned_bytes = self.learned + 1, self.learned_bytes + len(text)


def unzigzag(code):
    return -(code + 1) // 2 if code % 2 else code // 2


class Block:
    """One block's sections, and its values as they become known. A slot is ('m', member), ('e', field, kind) or 'raw'."""

    def __init__(self, fields, model):
        self.model = model
        style = fields.u8()
        need(style < 8, "style")
        self.space, self.eol = b" " if style & 1 else b"", b"\r\n" if style & 2 else b"\n"
        self.raw_size, self.lines = fields.varint(), fields.varint()
        need(self.raw_size <= 1 << 20 and self.lines <= (1 << 20) + 1, "too large")
        sizes = fields.varint(), fields.varint()
        self.prefix, self.suffix, head, tail = (fields.varint() for _ in range(4)) if style & 4 else (0, 0, 0, 0)
        self.leads, self.extras = type(fields)(fields.take(sizes[0])), type(fields)(fields.take(sizes[1]))
        self.head, self.tail = fields.take(head), fields.take(tail)
        self.texts = fields.take(len(fields.data) - fields.at)
        self.text_at = 0

    def text(self):
        end = self.texts.find(b"\n", self.text_at)
        need(end >= 0, "a text without end")
        self.text_at, start = end + 1, self.text_at
        return self.texts[start:end]

    def code(self):
        lead = self.leads.u8()
        if lead < 192:
            return lead
        if lead < 240:
            return 192 + (lead - 192) * 256 + self.extras.u8()
        need(lead - 240 <= 7, "a code too long")
        return int.from_bytes(self.extras.take(lead - 240), "little")

    def definitions(self):
        for _ in range(self.leads.varint()):
            self.model.add_field(self.text())
        for _ in range(self.leads.varint()):
            members = [divmod(self.leads.varint(), 4) for _ in range(self.leads.varint())]
            need(all(field < len(self.model.fields) for field, _ in members), "no such field")
            self.model.add_shape(members)

    def symbols(self):
        """Trees of ('raw', slot), ('value', slot), ('array', items), ('object', shape, items), and all slots in order."""
        self.order, self.trees = [], []
        self.objects = []
        for _ in range(self.lines):
            self.trees.append(self.item(0, 0))

    def place(self, slot, owner=None):
        self.order.append((slot, owner))
        return slot

    def item(self, field, depth, symbol=None):
        symbol = self.code() if symbol is None else symbol
        need(depth <= 512 and symbol != 1 and (symbol or depth == 0), "a symbol in the wrong place")
        if symbol == 0:
            return ("raw", self.place("raw"))
        if symbol < 5:
            return ("value", self.place(("e", field, symbol - 2)))
        if symbol == 5:
            items = []
            while (following := self.code()) != 1:
                items.append(self.item(field, depth + 1, following))
            return ("array", items)
        shape = symbol - 6
        need(shape < len(self.model.shapes), "no such shape")
        owner = len(self.objects)
        self.objects.append(shape)
        members = self.model.shapes[shape]
        for index, (_, kind) in enumerate(members):
            if kind != CONTAINER:
                self.place(("m", self.model.starts[shape] + index), owner)
        return ("object", shape, [self.item(own, depth + 1) if kind == CONTAINER else None for own, kind in members])

    def field_and_kind(self, slot):
        return self.model.members[slot[1]] if slot[0] == "m" else (slot[1], slot[2])

    def columns(self):
        counts = {}
        for slot, _ in self.order:
            counts[slot] = counts.get(slot, 0) + 1
        self.column, self.numbers = {}, {}
        for slot, count in counts.items():
            if slot == "raw":
                self.column[slot] = [self.text() for _ in range(count)]
                continue
            field, kind = self.field_and_kind(slot)
            if kind == STRING:
                self.column[slot] = self.string_column(slot, field, count, True)
                continue
            form = self.leads.u8()
            if kind == LITERAL:
                need(form in (0, 128), "form of literals")
                self.column[slot] = [LITERALS[code] for code in self.codes(form, count)]
                continue
            need(form < 34, "form of numbers")
            self.number_column(slot, form, count)
            self.column[slot] = self.string_column(slot, field, count, False) if form == 1 else None
        self.leads.end()
        self.extras.end()
        need(self.text_at == len(self.texts), "texts that belong to nothing")

    def codes(self, flags, count):
        if flags & 128:
            return [self.code()] * count
        return [self.code() for _ in range(count)]

    def number_column(self, slot, form, count):
        lead = self.leads.u8()
        predictor, sibling = lead & 127, None
        if predictor >= 5:
            need(slot[0] == "m", "only members have others beside them")
            start = max(start for start in self.model.starts if start <= slot[1])
            # Shapes without members begin where the next one does.
            sibling = ("m", start + predictor - 5)
            need(sibling[1] < slot[1] and sibling in self.numbers and predictor - 5 < 16, "no such member")
        values = [unzigzag(code) for code in self.codes(lead, count)]
        self.numbers[slot] = {"form": form, "predictor": predictor, "sibling": sibling, "values": values, "done": 0}

    def string_column(self, slot, field, count, may_be_times):
        form = self.leads.u8()
        if form == 1:
            return [self.text() for _ in range(count)]
        if form & 127 != 0:
            need(may_be_times and form < 20, "form of strings")
            self.number_column(slot, form, count)
            return None
        column = []
        for code in self.codes(form, count):
            if code == 0:
                column.append(self.text())
                self.model.learn(field, column[-1])
            else:
                need(code <= len(self.model.strings[field]), "a string that is not known")
                column.append(self.model.strings[field][code - 1])
        return column

    def last(self, slot):
        return self.model.member_last.get(slot[1], 0) if slot[0] == "m" else self.model.element_last.get(slot[1], 0)

    def before(self, slot, at, back):
        return self.numbers[slot]["values"][at - back] if at >= back else self.last(slot)

    def predictions(self):
        for slot, _ in self.order:
            if slot not in self.numbers:
                continue
            number, field = self.numbers[slot], self.field_and_kind(slot)[0]
            at, predictor = number["done"], number["predictor"]
            expected = 0
            if predictor == 1 or (predictor == 2 and at == 0):
                expected = self.before(slot, at, 1)
            elif predictor == 2:
                expected = 2 * self.before(slot, at, 1) - self.before(slot, at, 2)
            elif predictor == 3:
                expected = self.before(slot, at, 2)
            elif predictor == 4:
                expected = self.model.field_last.get(field, 0)
            elif predictor > 4:
                sibling = number["sibling"]
                expected = self.before(slot, at, 1) + self.numbers[sibling]["values"][at] - self.before(sibling, at, 1)
            number["values"][at] += expected
            need(abs(number["values"][at]) <= 10**15, "a number too large")
            self.model.field_last[field] = number["values"][at]
            number["done"] += 1
        lasts = [(slot, number["values"][-1]) for slot, number in self.numbers.items()]
        for slot, value in lasts:
            (self.model.member_last if slot[0] == "m" else self.model.element_last)[slot[1]] = value

    def render(self):
        self.taken = {}
        return b"".join(self.written(tree) + (b"\n" if tree[0] == "raw" else self.eol) for tree in self.trees)

    def next_of(self, slot):
        at = self.taken.get(slot, 0)
        self.taken[slot] = at + 1
        return at

    def written(self, tree):
        if tree[0] == "raw":
            return self.column["raw"][self.next_of("raw")]
        if tree[0] == "value":
            return self.value(tree[1], self.next_of(tree[1]))
        if tree[0] == "array":
            return b"[" + (b"," + self.space).join([self.written(item) for item in tree[1]]) + b"]"
        start = self.model.starts[tree[1]]
        members = self.model.shapes[tree[1]]
        places = [None if kind == CONTAINER else self.next_of(("m", start + index)) for index, (_, kind) in enumerate(members)]
        parts = []
        for index, ((field, kind), child) in enumerate(zip(members, tree[2])):
            text = self.written(child) if kind == CONTAINER else self.value(("m", start + index), places[index])
            parts.append(b'"' + self.model.fields[field] + b'":' + self.space + text)
        return b"{" + (b"," + self.space).join(parts) + b"}"

    def value(self, slot, at):
        kind = self.field_and_kind(slot)[1]
        text = self.column[slot]
        if slot not in self.numbers:
            return b'"' + text[at] + b'"' if kind == STRING else text[at]
        form, value = self.numbers[slot]["form"], self.numbers[slot]["values"][at]
        if kind == STRING:
            return b'"' + time_text(value, form - 2) + b'"'
        if form < 2:
            integer = b"-%d" % (-1 - value) if value < 0 else b"%d" % value
            return integer + (text[at] if form == 1 else b"")
        return fixed_text(value, (form - 2) // 2, form % 2 == 1)


def fixed_text(value, digits, trimmed):
    every = str(abs(value)).rjust(digits + 1, "0")
    whole, fraction = every[: len(every) - digits], every[len(every) - digits :]
    fraction = fraction.rstrip("0") if trimmed else fraction
    return (("-" if value < 0 else "") + whole + ("." + fraction if fraction else "")).encode()


def time_text(value, form):
    digits, zone, separator = (0, 3, 6)[form % 3], ("Z", "+00:00", "")[form // 3 % 3], "T "[form // 9]
    seconds, rest = divmod(value, 10**digits)
    moment = datetime.datetime(2020, 1, 1) + datetime.timedelta(seconds=seconds)
    date, time = moment.isoformat().split("T")
    return (date + separator + time + ("." + str(rest).rjust(digits, "0") if digits else "") + zone).encode()


def decode_lines(fields, model):
    """The raw bytes of a block's columns. Changes the model to what the block leaves."""
    block = Block(fields, model)
    block.definitions()
    block.symbols()
    block.columns()
    block.predictions()
    text = block.render()
    need(len(text) == block.raw_size - len(block.head) - len(block.tail) + block.prefix + block.suffix, "another size")
    return block.head + text[block.prefix : len(text) - block.suffix] + block.tail
