"""NVS partitions as they are read back from a board, and what merging values into them does.

Raw bytes would never get past the CRCs, so an input describes pages and entries, and is written out as a partition
with CRCs that fit, except where the input says otherwise. A page takes four bytes (state, sequence, version, how many
entries), an entry ten (marks, namespace, type, span, chunk, key, four of data), with more data behind as the span says.

What must hold: reading never fails; merging ends in NvsError or in a partition that has the values, keeps all others
that have nothing to do with them, and stays as it is when merged once more.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from fuzz_reason import check_reason

from hil.wire.nvs import ENTRIES, PAGE_SIZE, NvsError, PageState, Type, Value, merge, parse
from hil.wire.nvs.page import ENTRY_SIZE, crc32
from hil.wire.nvs.reader import split, survey
from hil.wire.nvs.values import SIZED

_STATES: Final = (*PageState, 0x12345678)
_NAMES: Final = ("hil", "a", "k", "wifi", "")
_CHANGES: Final = {"k": Value.u16(513), "a": Value.string("word"), "b": Value.blob(bytes(300)), "gone": None}
_MARKED_BAD: Final = 0x10
_BAD_DATA: Final = 0x20


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    partition = written(data)
    before = parse(partition)
    for problem in before.problems:
        check_reason(problem)
    assert before.used >= 0
    assert before.free >= 0
    try:
        after = merge(partition, "hil", _CHANGES)
    except NvsError as error:
        check_reason(error)
        return
    found = parse(after)
    for key, value in _CHANGES.items():
        assert found.get("hil", key) == value, f"{key} was merged and is {found.get('hil', key)!r}"
    assert merge(after, "hil", _CHANGES) == after, "merging once more changes something"
    for name, values in before.namespaces.items():
        if before.namespaces.get("hil") is not values and name != "hil" and not shares_number(partition, name):
            check_kept(values, found.namespaces.get(name, {}), of_several_types(partition))


def check_kept(before: Mapping[str, Value], after: Mapping[str, Value], several: set[str]) -> None:
    """That a namespace which was not to be changed has not been."""
    assert before.keys() == after.keys(), "a key was lost, or came back"
    for key, value in before.items():
        assert after[key] == value or key in several, f"{key!r} was not to be changed"


def of_several_types(partition: bytes) -> set[str]:
    """Keys that have values of several types: both are kept, and the one that was moved last is shown."""
    types: dict[str, set[int]] = {}
    for (_, key), items in survey(split(partition)).items.items():
        types.setdefault(key, set()).update(item.type for item in items if item.type != Type.BLOB_DATA)
    return {key for key, found in types.items() if len(found) > 1}


def shares_number(partition: bytes, name: str) -> bool:
    """Whether another name has the same namespace number as 'hil', so that its values are the same ones."""
    numbers: dict[str, set[int]] = {}
    for start in range(0, len(partition), PAGE_SIZE):
        for at in range(start + 64, start + PAGE_SIZE, ENTRY_SIZE):
            if partition[at] == 0 and partition[at + 1] == Type.U8:
                key = partition[at + 8 : at + 24].split(b"\0", 1)[0].decode("latin-1")
                numbers.setdefault(key, set()).add(partition[at + 24])
    return bool(numbers.get(name, set()) & numbers.get("hil", set()))


def written(data: bytes) -> bytes:
    """Three pages as the input describes them; those it does not mention are blank."""
    at = 0
    pages = []
    while len(pages) < 3 and at + 4 <= len(data):
        page, at = _page(data, at)
        pages.append(page)
    pages += [b"\xff" * PAGE_SIZE] * (3 - len(pages))
    return b"".join(pages)


def _page(data: bytes, at: int) -> tuple[bytes, int]:
    state, sequence, version, count = data[at : at + 4]
    at += 4
    head = struct.pack("<IB19s", sequence, 0xFE + version % 2 if version < 250 else version, b"\xff" * 19)
    crc = crc32(head) ^ (0 if state < 250 else 1)
    page = bytearray(struct.pack("<I", _STATES[state % len(_STATES)]) + head + struct.pack("<I", crc))
    page += b"\xff" * (PAGE_SIZE - len(page))
    index = 0
    for _ in range(count % (ENTRIES + 1)):
        if at + 10 > len(data) or index >= ENTRIES:
            break
        index, at = _entry(page, index, data, at)
    return bytes(page), at


def _entry(page: bytearray, index: int, data: bytes, at: int) -> tuple[int, int]:
    marks, namespace, kind, span, chunk, key, *field = data[at : at + 10]
    at += 10
    type_ = list(Type)[kind % len(Type)] if kind < 240 else kind
    body = data[at : at + (span % 4) * 8] if type_ in SIZED else b""
    at += len(body)
    tail = _NAMES[key % len(_NAMES)].encode() if key < 240 else bytes((key,)) * 16
    contents = bytes(field).ljust(8, b"\xff")
    if type_ in SIZED:
        contents = struct.pack("<HHI", len(body), 0xFFFF, crc32(body) ^ (marks & _BAD_DATA))
    size = 1 + -(-len(body) // ENTRY_SIZE) if span < 200 else span - 200
    first = bytes((namespace % 8 if namespace < 240 else namespace, type_, size & 0xFF, chunk))
    rest = tail.ljust(16, b"\0") + contents
    raw = first + struct.pack("<I", crc32(first + rest) ^ (marks & _MARKED_BAD)) + rest
    raw = (raw + body).ljust(min(max(1, 1 + -(-len(body) // ENTRY_SIZE)), ENTRIES - index) * ENTRY_SIZE, b"\xff")
    raw = raw[: (ENTRIES - index) * ENTRY_SIZE]
    page[64 + index * ENTRY_SIZE : 64 + index * ENTRY_SIZE + len(raw)] = raw
    mark = (0b10, 0b00, 0b11, 0b01)[marks % 4 if marks & 0x40 else 0]
    for i in range(index, index + len(raw) // ENTRY_SIZE):
        page[32 + i // 4] &= ~(0b11 << i % 4 * 2) & 0xFF | mark << i % 4 * 2
    return index + len(raw) // ENTRY_SIZE, at


def seeds() -> list[bytes]:
    """Partitions as a firmware leaves them, and some that a power failure left."""
    named = bytes((0, 0, 0, 0, 0xFF, 0, 1, 0, 0, 0))  # namespace 'hil' is number 1
    number = bytes((0, 1, 2, 0, 0xFF, 2, 5, 0, 0, 0))  # its u16 'k'
    text = bytes((0, 1, 8, 1, 0xFF, 1, 0, 0, 0, 0)) + b"word\0..."
    chunk = bytes((0, 1, 10, 2, 0, 3, 0, 0, 0, 0)) + b"0123456789abcdef"
    index = bytes((0, 1, 11, 0, 0xFF, 3, 16, 0, 0, 0))
    other = bytes((0, 0, 0, 0, 0xFF, 3, 2, 0, 0, 0)) + bytes((0, 2, 2, 0, 0xFF, 1, 7, 0, 0, 0))
    whole = named + number + text + chunk + index + other
    return [
        b"",
        bytes((1, 0, 0, 8)) + whole,
        bytes((2, 0, 0, 7)) + whole + bytes((1, 1, 0, 2)) + number + number,
        bytes((3, 0, 0, 3)) + named + number + text + bytes((1, 1, 0, 2)) + named + number,
        bytes((1, 0, 0, 3)) + named + number[:3] + bytes((200,)) + number[4:] + number,
        bytes((1, 0, 0, 3)) + named + number[:3] + bytes((255,)) + number[4:] + number,
        bytes((1, 0, 0, 126)) + named + number * 124 + number[:3] + bytes((203,)) + number[4:],
        bytes((1, 0, 1, 4)) + named + text + chunk + bytes((0x43,)) + number[1:],
    ]


WORDS: Final = (bytes((0, 0, 0, 0, 0xFF, 0, 1, 0, 0, 0)), bytes((1, 0, 0, 100)), bytes((0, 1, 2, 0, 0xFF, 2, 5, 0)))
