"""The harness and the virtual board's firmware, whose NVS code shares nothing, agree on every partition.

Either one writes what the other reads, in turns, and the firmware's writes are cut off at every step.
"""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_nvs_merge import audit

from hil.virtual.firmware.nvs import Store
from hil.wire import nvs
from hil.wire.nvs import Value

PAGE = 4096


class PowerFailure(Exception):
    """The flash operation that did not come to its end."""


class Flash:
    """The partition as the firmware's flash driver sees it. Power fails before operation `fails_at`, or within it."""

    def __init__(self, content: bytes, fails_at: int | None = None, torn: random.Random | None = None) -> None:
        self.content = bytearray(content)
        self.operations = 0
        self._fails_at = fails_at
        self._torn = torn

    def write(self, offset: int, data: bytes) -> None:
        done = self._count(len(data))
        for at, byte in enumerate(data[:done], offset):
            self.content[at] &= byte
        if done < len(data):
            raise PowerFailure

    def erase(self, offset: int, length: int) -> None:
        if self._count(1) == 0:
            raise PowerFailure
        self.content[offset : offset + length] = b"\xff" * length

    def store(self) -> Store:
        return Store(bytes(self.content), self.write, self.erase)

    def _count(self, size: int) -> int:
        self.operations += 1
        if self._fails_at is None or self.operations <= self._fails_at:
            return size
        return self._torn.randrange(size) if self._torn else 0


keys = st.sampled_from(["host", "ca", "cert", "port", "boots", "exactly15chars_"])
values = st.one_of(
    st.integers(0, 65535).map(Value.u16),
    st.integers(-(1 << 63), (1 << 63) - 1).map(Value.i64),
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=80).map(Value.string),
    st.integers(300, 3999).map(lambda n: Value.string("c" * n)),
    st.integers(0, 5000).map(lambda n: Value.blob((bytes(range(250)) * 20)[:n])),
)
merges = st.dictionaries(keys, st.one_of(st.none(), values), min_size=1, max_size=5)
turns = st.lists(st.one_of(merges, st.integers(1, 40)), max_size=8)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(turns, st.sampled_from([0x4000, 0x5000]))
def test_both_read_what_either_wrote(turns: list[dict[str, Value | None] | int], size: int) -> None:
    content = b"\xff" * size
    model: dict[str, Value] = {}
    boots = 0
    for turn in turns:
        if isinstance(turn, int):
            flash = Flash(content)
            for _ in range(turn):
                boots += 1
                flash.store().set_u32("counters", "boots", boots)
            content = bytes(flash.content)
        else:
            try:
                content = nvs.merge(content, "hil", turn)
            except nvs.NvsFull:
                continue
            model = {**{k: v for k, v in model.items() if k not in turn}, **{k: v for k, v in turn.items() if v}}
        audit(content)
        found = nvs.parse(content)
        assert dict(found.namespaces.get("hil", {})) == model
        assert found.get("counters", "boots") == (Value.u32(boots) if boots else None)
        store = Flash(content).store()
        assert store.warnings == []
        assert {key: store.get("hil", key) for key in model} == {key: value.data for key, value in model.items()}
        assert store.get("counters", "boots") == (boots or None)


def test_a_firmware_cut_off_at_any_step_loses_nothing_and_is_put_right() -> None:
    text = "s" * 700
    base = nvs.build(0x3000, {"hil": {"host": text, "ca": b"b" * 3000}, "counts": {"c0": Value.u32(0)}})
    counts = {"c0": 0}
    for number in range(1, 1000):  # up to the point where the firmware moves a page that holds all the counters
        key, flash = f"c{number % 12}", Flash(base)
        flash.store().set_u32("counts", key, number)
        if flash.operations > 24:
            break
        base, counts[key] = bytes(flash.content), number
    else:
        raise AssertionError("the firmware never collected garbage")
    dice = random.Random(5)
    for step in range(flash.operations):
        for torn in (None, dice):
            cut = Flash(base, fails_at=step, torn=torn)
            with pytest.raises(PowerFailure):
                cut.store().set_u32("counts", key, number)
            content = bytes(cut.content)
            found = {name: value.data for name, value in nvs.parse(content).namespaces["counts"].items()}
            assert found in (counts, {**counts, key: number}), f"at step {step}"
            after = nvs.merge(content, "hil", {"port": Value.u16(1883)})
            audit(after)
            store = Flash(after).store()
            assert {name: store.get("counts", name) for name in counts} == found
            assert [store.get("hil", name) for name in ("host", "ca", "port")] == [text, b"b" * 3000, 1883]
