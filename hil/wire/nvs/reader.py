"""Reading a partition: which items count, what they hold, and what is wrong with the rest.

The rules, as the NVS library keeps them when it starts:

- Pages are read in the order of their sequence numbers. A page with a damaged header is free space.
- Entries that fail their CRC, and items that were not written or erased to the end, do not count.
- Of two items for the same key the newer counts: power failed before the older one was erased. The same holds for
  the copies that are there twice while a page is being freed.
- A blob is its index and all the chunks that the index counts. Chunks that no index counts are dropped.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hil.wire.nvs.page import ENTRIES, ENTRY_SIZE, PAGE_SIZE, READABLE, VERSION_2, Damage, Item, Page, PageState
from hil.wire.nvs.values import INTEGERS, NvsError, Type, Value

Place = tuple[int, int]  # page number, entry index

_KNOWN = frozenset(Type)
_BLANK_ENTRY = b"\xff" * ENTRY_SIZE
_ENCRYPTED_BLANKS = 0.02  # share of 0xff bytes below which no page of plain NVS can be: an empty half alone has more


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page as it lies in the partition: entries `used` and still `free`; sequence None where it has none."""

    number: int
    state: PageState
    sequence: int | None
    version: int | None
    used: int
    free: int


@dataclass(frozen=True, slots=True)
class Nvs:
    """What a partition holds.

    `problems` says in words what is damaged or half done; the values do not depend on it. `encrypted` names the
    encryption if there is one ('NVS encryption', 'flash encryption'), and then there are no values. `used` counts the
    entries of all that counts, `free` those that are left for more, garbage collected and one spare page put aside.
    """

    namespaces: Mapping[str, Mapping[str, Value]]
    pages: tuple[PageInfo, ...]
    problems: tuple[str, ...]
    encrypted: str | None
    used: int
    free: int

    def get(self, namespace: str, key: str) -> Value | None:
        """The value, or None if there is none."""
        return self.namespaces.get(namespace, {}).get(key)


@dataclass(slots=True)
class Found:
    """A value and the items that make it up."""

    value: Value
    items: tuple[Item, ...]


@dataclass(slots=True)
class Survey:
    """All items of a partition, judged. The working paper of `parse` and of `merge`."""

    indices: dict[str, int] = field(default_factory=dict)  # namespace -> its number
    values: dict[tuple[int, str], Found] = field(default_factory=dict)
    items: dict[tuple[int, str], list[Item]] = field(default_factory=dict)  # every valid item, counting or not
    live: dict[Place, Item] = field(default_factory=dict)
    damage: list[Damage] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)  # namespace numbers that any item uses

    @property
    def used(self) -> int:
        return sum(item.span for item in self.live.values())


def parse(data: bytes) -> Nvs:
    """Read a whole partition. Never fails for damage, only raises NvsError if the size cannot be a partition's."""
    pages = split(data)
    found = survey(pages)
    values: dict[str, dict[str, Value]] = {name: {} for name in found.indices}
    for name, index in found.indices.items():
        values[name] = {key: f.value for (ns, key), f in found.values.items() if ns == index}
    return Nvs(
        namespaces=values,
        pages=tuple(_describe(page) for page in pages),
        problems=tuple(found.problems),
        encrypted=encryption(pages, found),
        used=found.used,
        free=max(0, (len(pages) - 1) * ENTRIES - found.used),
    )


def split(data: bytes) -> list[Page]:
    """The pages of a partition. Raises NvsError unless it has two or more whole ones."""
    if len(data) % PAGE_SIZE or len(data) < 2 * PAGE_SIZE:
        raise NvsError(f"an NVS partition has two or more pages of {PAGE_SIZE} bytes; this one has {len(data)} bytes")
    return [Page(n, data[n * PAGE_SIZE : (n + 1) * PAGE_SIZE]) for n in range(len(data) // PAGE_SIZE)]


def in_order(pages: Sequence[Page]) -> list[Page]:
    """The pages that hold items, oldest first."""
    return sorted((p for p in pages if p.state in READABLE), key=lambda p: (p.sequence, p.number))


def survey(pages: Sequence[Page]) -> Survey:
    """Judge every item of the partition."""
    result = Survey()
    for page in in_order(pages):
        for thing in page.scan():
            if isinstance(thing, Damage):
                result.damage.append(thing)
            else:
                result.taken.add(thing.namespace)
                result.items.setdefault((thing.namespace, thing.key), []).append(thing)
    _report_pages(pages, result)
    _report_damage(result)
    moving = any(p.state is PageState.FREEING for p in pages)
    for (namespace, key), items in result.items.items():
        if namespace == 0:
            _judge_namespace(key, items, result)
        else:
            _judge_value(namespace, key, items, result, moving)
    named = set(result.indices.values())
    for number in sorted({ns for ns, _ in result.values} - named):
        result.problems.append(f"values of namespace number {number}, whose name is lost")
    return result


def encryption(pages: Sequence[Page], found: Survey) -> str | None:
    """'NVS encryption' or 'flash encryption' if the partition looks so, else None.

    NVS encryption leaves page headers readable and every entry fails its CRC. Flash encryption leaves nothing
    readable, the blank parts included.
    """
    readable = [p for p in pages if p.state in READABLE]
    if readable:
        bad = [p.entry(d.index) for p in readable for d in found.damage if d.page == p.number]
        if bad and not found.items and all(entry != _BLANK_ENTRY for entry in bad):
            return "NVS encryption"
        return None
    whole = b"".join(bytes(p) for p in pages)
    blank = whole.count(b"\xff") / len(whole)
    return "flash encryption" if blank < _ENCRYPTED_BLANKS and len(set(whole)) == 256 else None


def _describe(page: Page) -> PageInfo:
    if page.state not in READABLE:
        free = ENTRIES if page.state is PageState.ERASED else 0
        return PageInfo(page.number, page.state, None, None, 0, free)
    return PageInfo(page.number, page.state, page.sequence, page.version, page.used, page.room)


def _report_pages(pages: Sequence[Page], result: Survey) -> None:
    for page in pages:
        if page.state is PageState.CORRUPT:
            result.problems.append(f"page {page.number}: its header is damaged ({page.first_word:#010x}); free space")
        elif page.state is PageState.FREEING:
            result.problems.append(f"page {page.number}: power failed while its items were moved to another page")
        elif page.state in READABLE and page.version < VERSION_2:
            result.problems.append(f"page {page.number}: format version {page.version:#04x} is newer than this reader")
    if not any(page.state not in READABLE for page in pages):
        result.problems.append("no page is spare: the NVS library will not start on it, and most firmware erases it")


def _report_damage(result: Survey) -> None:
    run: list[Damage] = []
    for thing in [*result.damage, Damage(-1, -1, 0, "")]:
        if run and (thing.page, thing.index, thing.what) != (run[-1].page, run[-1].index + run[-1].count, run[-1].what):
            first, last = run[0].index, run[-1].index + run[-1].count - 1
            where = f"entry {first}" if first == last else f"entries {first} to {last}"
            result.problems.append(f"page {run[0].page}, {where}: {run[0].what}")
            run = []
        run.append(thing)


def _judge_namespace(name: str, items: list[Item], result: Survey) -> None:
    """The first entry for a name names its number, as the library looks it up."""
    for item in items:
        if item.type != Type.U8 or item.field[0] in (0, 255):
            result.problems.append(f"page {item.page}, entry {item.index}: not a namespace, though it is among them")
        elif name not in result.indices:
            result.indices[name] = item.field[0]
            result.live[item.page, item.index] = item
            result.taken.add(item.field[0])


def _judge_value(namespace: int, key: str, items: list[Item], result: Survey, moving: bool) -> None:
    """Find the newest whole value among the items of one key."""
    newest: dict[int, Found] = {}  # by type: firmware of old libraries may keep two types under one key
    older = 0
    for item in items:
        if item.type not in _KNOWN:
            result.live[item.page, item.index] = item  # a type of the future: not understood, so never touched
            continue
        if item.type == Type.BLOB_DATA:
            continue
        found = _whole(item, items)
        if found is None:
            result.problems.append(f"page {item.page}, entry {item.index}: blob {key!r} lacks some of its chunks")
            continue
        older += found.value.type in newest
        newest[found.value.type] = found
        result.values[namespace, key] = found
    for found in newest.values():
        result.live.update({(item.page, item.index): item for item in found.items})
    if older and not moving:
        result.problems.append(f"{key!r} is there {older + 1} times: power failed before the older was erased")
    if all(item.type == Type.BLOB_DATA for item in items):
        result.problems.append(f"chunks of a blob {key!r} that was never finished")


def _whole(item: Item, items: list[Item]) -> Found | None:
    """The value of an item; None for the index of a blob with chunks missing."""
    if item.type == Type.BLOB:
        size, count, start = struct.unpack_from("<IBB", item.field)
        chunks = {i.chunk: i for i in items if i.type == Type.BLOB_DATA}
        wanted = [chunks.get(n) for n in range(start, start + count)]
        parts = [chunk for chunk in wanted if chunk is not None]
        data = b"".join(chunk.data for chunk in parts)
        if len(parts) != count or len(data) != size:
            return None
        return Found(Value.blob(data), (item, *parts))
    kind = Type(item.type)
    if kind in INTEGERS:
        number = int.from_bytes(item.field[: kind & 0x0F], "little", signed=bool(kind & 0x10))
        return Found(Value(kind, number), (item,))
    if kind is Type.STRING:
        text = item.data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
        return Found(Value.string(text), (item,))
    return Found(Value.blob(item.data), (item,))
