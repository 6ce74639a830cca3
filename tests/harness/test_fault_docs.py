"""docs/faults.md has each fault of the gateway, with all its fields."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from hil.gateway import faults

TEXT = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
FOUND = [getattr(faults, name) for name in faults.__all__]
CLASSES = {
    c.__name__: c for c in FOUND if isinstance(c, type) and issubclass(c, faults.Fault) and c is not faults.Fault
}


@pytest.mark.parametrize("name", CLASSES)
def test_each_fault_has_its_line_with_its_fields(name: str) -> None:
    line = re.search(rf"^\| `{name}\(([^)]*)\)`", TEXT, re.MULTILINE)
    assert line is not None, f"docs/faults.md has no line for {name}"
    assert [f.strip() for f in line[1].split(",") if f.strip()] == [f.name for f in fields(CLASSES[name])]


def test_no_line_is_left_of_a_fault_that_is_gone() -> None:
    section = TEXT[TEXT.index("## On the way to the broker") : TEXT.index("## The time")]
    assert set(re.findall(r"^\| `(\w+)\(", section, re.MULTILINE)) == set(CLASSES)


def test_names_are_told_apart() -> None:
    names = [found.name for found in CLASSES.values()]
    assert len(names) == len(set(names))
