"""What a machine without the virtual Uno's packages says, and reset causes of AVRs; these need none of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hil import virtual_board
from hil.boot import parse_boot
from hil.virtual.uno import build

RIG = Path(__file__).parents[2] / "rigs/virtual-uno.toml"


def test_missing_packages_are_named_in_one_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil.virtual", "sketch", "--out", str(tmp_path / "s.hex")],
        env={**os.environ, "PATH": str(tmp_path), "HIL_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == virtual_board.UNAVAILABLE
    assert len(done.stderr.splitlines()) == 1
    assert "needs Debian's packages" in done.stderr
    assert "gcc-avr" in done.stderr


def test_without_them_its_tests_are_not_applicable_and_those_of_others_run(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(board): pass\ndef test_bench(bench): assert not bench.boards\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--rig={RIG}", "-rs", str(tmp_path)]
    done = subprocess.run(
        [*command, f"--artifacts={tmp_path / 'run'}"],
        env={**os.environ, "PATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 1 skipped" in done.stdout
    assert "not applicable: virtual board uno-a: " in done.stdout
    assert "gcc-avr" in done.stdout


def test_a_version_that_would_be_no_string_in_c_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected up to 20 letters"):
        build.sketch('1"; evil', tmp_path)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("01", "power-on"),
        ("02", "external"),
        ("04", "brownout"),
        ("08", "watchdog"),
        ("0A", "watchdog"),
        ("00", "unknown (no flag)"),
    ],
)
def test_the_reset_cause_of_an_avr(value: str, name: str) -> None:
    boot = parse_boot(f"hil-uno 1.0.0 reset MCUSR=0x{value} (X)")
    assert boot is not None
    assert (boot.cause, boot.name) == (int(value, 16), name)
