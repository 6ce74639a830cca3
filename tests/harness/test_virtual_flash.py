"""The virtual flash obeys NOR rules, by comparison with a model, and lies in its file at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.virtual.flash import SECTOR, Flash, FlashFileError, erase_steps

SIZE = 0x10000

operations = st.lists(
    st.one_of(
        st.tuples(st.just("program"), st.integers(0, SIZE - 1), st.binary(min_size=1, max_size=600)),
        st.tuples(st.just("erase"), st.integers(0, SIZE // SECTOR - 1), st.integers(1, 4)),
        st.tuples(st.just("begin"), st.integers(0, SIZE // SECTOR - 1), st.just(1)),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_programming_clears_bits_and_erasing_sets_sectors(tmp_path_factory: pytest.TempPathFactory, todo: list) -> None:
    path = tmp_path_factory.mktemp("nor") / "f.flash"
    flash = Flash(path, SIZE)
    model = bytearray(b"\xff" * SIZE)
    for what, where, more in todo:
        if what == "program":
            data = more[: SIZE - where]
            flash.program(where, data)
            for position, byte in enumerate(data):
                model[where + position] &= byte
        elif what == "begin":
            flash.erase_begun(where * SECTOR, SECTOR)
            model[where * SECTOR : where * SECTOR + SECTOR // 2] = b"\xff" * (SECTOR // 2)
        else:
            length = min(more * SECTOR, SIZE - where * SECTOR)
            flash.erase(where * SECTOR, length)
            model[where * SECTOR : where * SECTOR + length] = b"\xff" * length
    assert flash.read(0, SIZE) == model
    assert path.read_bytes() == model  # without closing it
    flash.close()
    again = Flash(path, SIZE)
    assert again.read(0, SIZE) == model
    again.close()


def test_bounds(tmp_path: Path) -> None:
    flash = Flash(tmp_path / "f.flash", SIZE)
    for call in (
        lambda: flash.read(SIZE - 1, 2),
        lambda: flash.program(-1, b"x"),
        lambda: flash.erase(100, SECTOR),
        lambda: flash.erase(0, 100),
    ):
        with pytest.raises(ValueError, match="flash"):
            call()
    flash.close()


def test_a_file_of_another_size_is_refused_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "f.flash").write_bytes(b"\xff" * 100)
    with pytest.raises(FlashFileError, match=r"holds a flash of 100 bytes, expected 65536: .*--flash-size"):
        Flash(tmp_path / "f.flash", SIZE)


def test_erases_use_blocks_where_they_fit() -> None:
    assert erase_steps(0xF000, 0x21000) == [(0xF000, 0x1000), (0x10000, 0x10000), (0x20000, 0x10000)]
    assert erase_steps(0, 0x3000) == [(0, 0x1000), (0x1000, 0x1000), (0x2000, 0x1000)]
