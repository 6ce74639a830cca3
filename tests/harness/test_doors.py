"""The doors that docs/architecture.md calls shut are shut."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HIL = Path(__file__).parents[2] / "hil"
FILES = sorted(path for path in HIL.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """The absolute names of all modules that a file imports, wherever in the file."""
    found = set()
    package = ["hil", *path.relative_to(HIL).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (start, node.module) if part)
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


def inside(module: str, *rooms: str) -> bool:
    return any(module == room or module.startswith(room + ".") for room in rooms)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(HIL)))
def test_no_door_is_open_that_should_be_shut(path: Path) -> None:
    room = path.relative_to(HIL).parts[0]
    for module in imports(path):
        assert not inside(module, "esptool"), "esptool runs as a process of its own"
        if room == "timeline":
            assert not inside(module, "hil") or inside(module, "hil.timeline"), "the timeline knows nobody"
        if room == "wire":
            assert not inside(module, "hil") or inside(module, "hil.wire") or module == "hil", "wire/ knows only itself"
        if room == "virtual":
            assert not inside(module, "hil") or inside(module, "hil.virtual", "hil.wire") or module == "hil"
        else:
            assert not inside(module, "hil.virtual"), "the harness reaches virtual boards from outside"


def test_this_test_sees_imports() -> None:
    seen = imports(HIL / "bench.py")
    assert "hil.timeline" in seen
    assert len(FILES) > 40
    assert {"timeline", "wire", "virtual"} <= {path.relative_to(HIL).parts[0] for path in FILES}
