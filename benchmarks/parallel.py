"""Eight virtual boards side by side against one, and against the same eight one after the other.

    python benchmarks/parallel.py [--boards 8] [--tests "-m quick"] [--without-serial]

One board by pytest alone; all boards with `-n auto`; and, as the other way to do it, all boards by pytest without
pytest-xdist. Each run has a bench and boards of its own, flashing and provisioning included, and the same scenarios for
each board. Beside the wall time stands the processor time of all processes, which is what bounds how many boards a host
can serve.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUMMARY = re.compile(r"\d+ (?:passed|failed|errors?|skipped|warned)[^\n]*(?= in \d)")


@dataclass(frozen=True)
class Run:
    """Seconds of wall time and of processor time (of the run and all processes below it), and what pytest counted."""

    wall: float
    processor: float
    counted: str


def rig(folder: Path, boards: int) -> Path:
    """A rig with so many virtual ESP32s, each as in rigs/virtual.toml."""
    text = 'name = "parallel"\n[gateway]\nname = "gateway.hil.test"\nnamespace = { allowed = ["devices/{board}/#"] }\n'
    for number in range(1, boards + 1):
        text += (
            f'[boards.board-{number}]\nvirtual = "esp32"\nchip = "esp32"\nspeed = 40\n'
            f'contract = "{ROOT / "rigs" / "contracts" / "reference.toml"}"\nwifi = {{ ssid = "hil-bench" }}\n'
        )
    file = folder / "rig.toml"
    file.write_text(text)
    return file


def run(folder: Path, tests: list[str], *options: str) -> Run:
    """One run of pytest. Tests that fail are no reason to stop: the count tells."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "tests" / "scenarios")]
    done = subprocess.run(
        [*command, f"--rig={folder / 'rig.toml'}", *tests, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = SUMMARY.findall(done.stdout)
    if not counted or done.returncode not in (0, 1):
        sys.exit(done.stdout[-3000:] + done.stderr)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(wall, processor, counted[-1])


def tell(name: str, found: Run, one: Run | None) -> None:
    ratio = f"{found.wall / one.wall:5.2f} times one board" if one else "                     "
    print(f"{name:34} {found.wall:7.1f} s  {ratio}  processor {found.processor:6.1f} s  {found.counted}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--boards", type=int, default=8)
    parser.add_argument("--tests", default="-m quick", help='which scenarios, as pytest takes it (default: "-m quick")')
    parser.add_argument("--without-serial", action="store_true", help="leave out the boards one after the other: long")
    options = parser.parse_args()
    tests = shlex.split(options.tests)
    with tempfile.TemporaryDirectory(prefix="hil-parallel-") as name:
        folder = Path(name)
        rig(folder, options.boards)
        print(f"{os.cpu_count()} cores; {options.tests}")
        one = run(folder, tests, "--board=board-1")
        tell("one board", one, None)
        all_boards = run(folder, tests, "-n", "auto")
        tell(f"{options.boards} boards, -n auto", all_boards, one)
        print(f"asked: at most 1.5 times; {all_boards.processor / options.boards:.1f} s of a processor for each board")
        if not options.without_serial:
            tell(f"{options.boards} boards, pytest without xdist", run(folder, tests), one)


if __name__ == "__main__":
    main()
