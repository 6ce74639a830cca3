"""Changing some values of a partition and keeping everything else, as the NVS library itself would.

New items go to the active page where it has room; the items that they replace are marked as erased where they lie.
Only when no page is left but the spare one is the page with the least in it moved to the spare, as the library's own
garbage collection does. So few sectors change, and within a sector that is not collected bits are only cleared.
"""

from __future__ import annotations

from collections.abc import Mapping

from hil.wire.nvs.page import (
    ENTRIES,
    ENTRY_SIZE,
    PAGE_SIZE,
    READABLE,
    VERSION_1,
    VERSION_2,
    Item,
    Page,
    PageState,
    compose,
)
from hil.wire.nvs.reader import encryption, in_order, split, survey
from hil.wire.nvs.repack import CHUNKS, blob_index, pack
from hil.wire.nvs.values import (
    CHUNK_SIZE,
    LEGACY_BLOB_SIZE,
    NvsEncrypted,
    NvsError,
    NvsFull,
    Type,
    Value,
    check_name,
)

Change = Value | str | bytes | None

_FIRST_CHUNK = CHUNK_SIZE // 10  # bytes; a page with less room than this does not take the first chunk of a blob
_NAMESPACES = range(1, 255)


def merge(data: bytes, namespace: str, changes: Mapping[str, Change]) -> bytes:
    """The partition with `changes` made in `namespace`, and nothing else changed.

    A change is a `Value`, or a str (stored as a string) or bytes (stored as a blob), or None to erase the key. Values
    that are there already, with the same type, are left alone: merging the same changes again gives the same bytes.
    What a power failure left half done is put right on the way.

    Raises NvsFull if the values do not fit, NvsEncrypted for an encrypted partition, and NvsError for names and values
    that NVS cannot hold or a partition that is of another size or format version. `data` itself is never changed.
    """
    wanted = {key: typed(key, change) for key, change in changes.items()}
    check_name(namespace, "namespace")
    for key, value in wanted.items():
        check_name(key, "key")
        if value is not None:
            value.check(key)
    store = _Store(data)
    if store.agrees(namespace, wanted):
        return data
    try:
        store.repair()
        store.change(namespace, wanted)
    except _NoRoom:
        store = _Store(data)
        store.repack(namespace, wanted)
    return bytes(store)


def build(size: int, content: Mapping[str, Mapping[str, Change]]) -> bytes:
    """A new partition of `size` bytes that holds `content`: namespace -> key -> value. Raises like `merge`."""
    data = b"\xff" * size
    for namespace, values in content.items():
        data = merge(data, namespace, values)
    return data


def changed_sectors(before: bytes, after: bytes) -> list[int]:
    """The numbers of the 4096-byte sectors that differ. Both must be of the same length."""
    return [
        at // PAGE_SIZE
        for at in range(0, len(before), PAGE_SIZE)
        if before[at : at + PAGE_SIZE] != after[at : at + PAGE_SIZE]
    ]


def typed(key: str, change: Change) -> Value | None:
    """The change as a Value. Raises NvsError for a bare int: firmware reads by exact type, so it must be named."""
    if change is None or isinstance(change, Value):
        return change
    if isinstance(change, str):
        return Value.string(change)
    if isinstance(change, bytes):
        return Value.blob(change)
    raise NvsError(f"{key}: {type(change).__name__} {change!r} needs an NVS type, such as Value.u16({change!r})")


class _NoRoom(Exception):
    """The library's way of collecting garbage found no more room; repacking may."""


class _Store:
    """A partition in memory, changed page by page."""

    def __init__(self, data: bytes) -> None:
        self.pages = split(data)
        self.found = survey(self.pages)
        kind = encryption(self.pages, self.found)
        if kind is not None:
            raise NvsEncrypted(
                f"the partition is encrypted ({kind}): values can only be merged by the firmware itself, or erase the "
                "partition and provision a firmware without encryption"
            )
        readable = [p for p in self.pages if p.state in READABLE]
        newer = [p for p in readable if p.version < VERSION_2]
        if newer:
            raise NvsError(
                f"page {newer[0].number} has NVS format version {newer[0].version:#04x}, this program knows 0xff and "
                "0xfe; erase the partition or update this program"
            )
        self.version = VERSION_1 if readable and all(p.version == VERSION_1 for p in readable) else VERSION_2

    def __bytes__(self) -> bytes:
        return b"".join(bytes(page) for page in self.pages)

    # -- what is wanted --------------------------------------------------------------------------------------------

    def agrees(self, namespace: str, wanted: Mapping[str, Value | None]) -> bool:
        """Whether a reader finds every wanted value, and nothing stale beside it, and the library will start."""
        if not self._spares():
            return False
        index = self.found.indices.get(namespace)
        if index is None:
            return all(value is None for value in wanted.values())
        return all(self._present(index, key, value) for key, value in wanted.items())

    def _present(self, index: int, key: str, value: Value | None) -> bool:
        items = self.found.items.get((index, key), [])
        found = self.found.values.get((index, key))
        if value is None or found is None:
            return value is None and not items
        same = found.value.data == value.data and str(found.value.type) == str(value.type)
        return same and len(items) == len(found.items)

    # -- the library's way -----------------------------------------------------------------------------------------

    def repair(self) -> None:
        """Finish what a power failure cut off, and drop what counts no more from the page that is written next."""
        for page in in_order(self.pages):
            if page.state is PageState.FREEING:
                self._rescue(page)
        if not self._spares():
            raise _NoRoom
        self.found = survey(self.pages)
        self._tidy()
        self.found = survey(self.pages)

    def change(self, namespace: str, wanted: Mapping[str, Value | None]) -> None:
        """Erase what is replaced, then append what is new."""
        index = self.found.indices.get(namespace)
        if index is None:
            if all(value is None for value in wanted.values()):
                return
            index = self._new_index(namespace)
            self._append(compose(0, Type.U8, namespace, bytes([index])))
        outdated = {key: value for key, value in wanted.items() if not self._present(index, key, value)}
        starts = {key: self._next_start(index, key) for key in outdated}
        for key in outdated:
            self._forget(index, key)
        for key, value in outdated.items():
            if value is not None and self._is_chunked(value):
                self._append_blob(index, key, value.encoded(), starts[key])
            elif value is not None:
                self._append(self._single(index, key, value))

    def _single(self, index: int, key: str, value: Value) -> bytes:
        """The raw entries of a value that lies on one page."""
        data = value.encoded()
        if value.type is Type.STRING:
            return compose(index, Type.STRING, key, b"", data)
        if value.type in (Type.BLOB, Type.BLOB_LEGACY):
            if len(data) > LEGACY_BLOB_SIZE:
                raise NvsError(
                    f"{key}: a blob of {len(data)} bytes, this partition's old format version 1 takes "
                    f"{LEGACY_BLOB_SIZE}; erase the partition, so that the firmware starts it anew"
                )
            return compose(index, Type.BLOB_LEGACY, key, b"", data)
        return compose(index, value.type, key, data)

    def _append(self, raw: bytes) -> None:
        """Write an item to the active page, or to the next page that has room for it."""
        self._put(self._page_with(len(raw) // ENTRY_SIZE), raw)

    def _put(self, page: Page, raw: bytes) -> None:
        item = Item(page.number, page.next_free, raw)
        page.append(raw)
        self.found.live[item.page, item.index] = item

    def _append_blob(self, index: int, key: str, data: bytes, start: int) -> None:
        """Write a blob in chunks, as many as it takes, and then the index that makes them count."""
        rest = data
        count = 0
        while rest or count == 0:
            least = min(len(rest), _FIRST_CHUNK if count == 0 else 1)
            page = self._page_with(1 + -(-least // ENTRY_SIZE))
            size = (page.room - 1) * ENTRY_SIZE
            if count == CHUNKS:
                raise NvsError(f"{key}: a blob of {len(data)} bytes takes more than {CHUNKS} chunks; make it smaller")
            self._append(compose(index, Type.BLOB_DATA, key, b"", rest[:size], start + count))
            rest = rest[size:]
            count += 1
        self._append(blob_index(index, key, len(data), count, start))

    def _next_start(self, index: int, key: str) -> int:
        """The first chunk's number: not the one of the blob that is replaced, so that old and new never mix."""
        starts = {i.field[5] for i in self.found.items.get((index, key), []) if i.type == Type.BLOB}
        return 0x80 if 0x00 in starts and 0x80 not in starts else 0x00

    def _forget(self, index: int, key: str) -> None:
        """Mark every item of a key as erased. Only before anything is appended: that may move items."""
        for item in self.found.items.get((index, key), []):
            self.found.live.pop((item.page, item.index), None)
            self.pages[item.page].discard(item.index, item.span)

    def _is_chunked(self, value: Value) -> bool:
        return value.type is Type.BLOB and self.version != VERSION_1

    def _new_index(self, namespace: str) -> int:
        """A number that no item bears: one that is merely nameless would bring lost values back under a new name."""
        free = [n for n in _NAMESPACES if n not in self.found.taken]
        if not free:
            raise NvsFull(f"namespace {namespace!r}: all {len(_NAMESPACES)} numbers are taken; erase the partition")
        self.found.taken.add(free[0])
        return free[0]

    # -- pages -----------------------------------------------------------------------------------------------------

    def _active(self) -> Page | None:
        pages = in_order(self.pages)
        return pages[-1] if pages and pages[-1].state is PageState.ACTIVE else None

    def _spares(self) -> list[Page]:
        """Pages that are free, blank ones first: a damaged one has to be erased before it is of use."""
        free = [p for p in self.pages if p.state not in READABLE]
        return sorted(free, key=lambda p: (p.state is not PageState.ERASED, p.number))

    def _page_with(self, entries: int) -> Page:
        """The active page with room for an item of so many entries; makes room as the library would."""
        for _ in range(2 * len(self.pages)):
            active = self._active()
            if active is not None and active.room >= entries:
                return active
            if active is not None:
                active.mark_full()
            if len(self._spares()) >= 2:
                self._activate()
            else:
                self._collect()
        raise _NoRoom

    def _activate(self) -> Page:
        used = in_order(self.pages)
        page = self._spares()[0]
        page.activate(used[-1].sequence + 1 if used else 0, self.version)
        return page

    def _collect(self) -> None:
        """Move what counts on the emptiest page to the spare page, and make that page the spare one."""
        live = {page.number: 0 for page in in_order(self.pages)}
        for item in self.found.live.values():
            live[item.page] += item.span
        victim = min(in_order(self.pages), key=lambda p: live[p.number])
        if live[victim.number] == ENTRIES or not self._spares():
            raise _NoRoom
        self._move(victim, self._activate())

    def _move(self, victim: Page, target: Page) -> None:
        for place, item in sorted(self.found.live.items()):
            if item.page == victim.number:
                del self.found.live[place]
                self._put(target, item.raw)
        victim.erase()

    def _rescue(self, page: Page) -> None:
        """Finish moving the items of a page that was being freed; those that had arrived are not moved again."""
        here = [item for item in self.found.live.values() if item.page == page.number]
        if here:
            room = sum(item.span for item in here)
            active = self._active()
            if active is None or active.room < room:
                if not self._spares():
                    raise _NoRoom
                if active is not None:
                    active.mark_full()
                active = self._activate()
            self._move(page, active)
        else:
            page.erase()

    def _tidy(self) -> None:
        """Mark as erased what does not count: older duplicates anywhere, and any debris on the page written next.

        The library drops an older duplicate only while the newer item is the last of all. What is appended here would
        hide it, and the library, which reads the oldest page first, would find the stale value from then on.
        """
        for items in self.found.items.values():
            for item in items:
                page = self.pages[item.page]
                if (item.page, item.index) not in self.found.live and page.state in READABLE:
                    page.discard(item.index, item.span)
        active = self._active()
        if active is None:
            return
        live: set[int] = set()
        for item in self.found.live.values():
            if item.page == active.number:
                live.update(range(item.index, item.index + item.span))
        for index in range(active.next_free):
            if index not in live:
                active.discard(index, 1)

    # -- the last resort -------------------------------------------------------------------------------------------

    def repack(self, namespace: str, wanted: Mapping[str, Value | None]) -> None:
        """Lay everything out anew. Touches every page, and fits what can fit at all. Raises NvsFull if it cannot."""
        index = self.found.indices.get(namespace)
        new = []
        if index is None:
            index = self._new_index(namespace)
            new.append(compose(0, Type.U8, namespace, bytes([index])))
        replaced = {(index, key) for key in wanted}
        kept = [i.raw for _, i in sorted(self.found.live.items()) if (i.namespace, i.key) not in replaced]
        present = {key: value for key, value in wanted.items() if value is not None}
        chunked = {key: value.encoded() for key, value in present.items() if self._is_chunked(value)}
        new += [self._single(index, key, value) for key, value in present.items() if key not in chunked]
        layout = pack(kept, new, index, chunked, len(self.pages) - 1)
        sequence = max((p.sequence for p in in_order(self.pages)), default=-1) + 1
        for page in self.pages:
            page.erase()
        for page, items in zip(self.pages, layout, strict=False):
            page.activate(sequence + page.number, self.version)
            for raw in items:
                page.append(raw)
            if items is not layout[-1]:
                page.mark_full()
