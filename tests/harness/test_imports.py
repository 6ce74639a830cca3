"""What is imported before it is known what for: little, as each start of a command or a virtual board pays for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from hil.lazily import names


def imported(module: str) -> set[str]:
    """All modules that a fresh interpreter has after importing this one."""
    program = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "not_yet"),
    [
        (
            "hil.cli",
            {"hil.rig", "hil.contract", "hil.gateway", "hil.bench", "pydantic", "rich", "asyncio", "sqlalchemy"},
        ),
        ("hil.bench", {"rich", "sqlalchemy"}),
        ("hil.listings", {"hil.rig", "hil.bench", "pydantic"}),
        ("hil.virtual.__main__", {"asyncio", "ssl", "hil.virtual.board", "hil.virtual.process", "cryptography"}),
    ],
)
def test_a_start_imports_nothing_that_only_some_commands_need(module: str, not_yet: set[str]) -> None:
    assert not imported(module) & not_yet


def test_a_name_comes_with_its_module_when_it_is_asked_for() -> None:
    get = names("hil.cases", {"case": ("Case",)})
    assert get("Case").__module__ == "hil.cases.case"
    with pytest.raises(AttributeError, match=r"module 'hil.cases' has no attribute 'Nobody'"):
        get("Nobody")


@pytest.mark.parametrize("package", ["hil.cases", "hil.shrink", "hil.ports", "hil.virtual.firmware"])
def test_a_package_has_every_name_that_it_lists(package: str) -> None:
    program = f"import {package} as p\nfor name in p.__all__: print(getattr(p, name).__class__)\np.nobody"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert f"module '{package}' has no attribute 'nobody'" in done.stderr
    assert len(done.stdout.splitlines()) > 3
    assert "<class 'module'>" not in done.stdout
