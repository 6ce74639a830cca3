"""What the plugin costs: an empty test with and without it, and twenty tests with a board fixture.

    python benchmarks/startup.py [--runs 15]

Bare pytest and pytest with the plugin run in turn, in one process tree each, so that a busy host hits both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

RIG = Path(__file__).parents[1] / "rigs" / "virtual.toml"
EMPTY = "def test_nothing():\n    pass\n"
TWENTY = "".join(f"def test_{n}(board):\n    pass\n" for n in range(22))


def run(folder: Path, *options: str) -> float:
    """Seconds that one pytest run took. Both sides go without pytest-timeout's and the cache's own costs."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return time.perf_counter() - start


def empty_test(runs: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_empty.py").write_text(EMPTY)
        bare, loaded = [], []
        for _ in range(runs):
            bare.append(run(folder, "-p", "no:hil"))
            loaded.append(run(folder))
    b, w = statistics.median(bare), statistics.median(loaded)
    print(f"empty test: bare pytest {b:.3f} s, with the plugin {w:.3f} s: {w / b:.2f} times (asked: at most 1.2)")


def board_tests() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_board.py").write_text(TWENTY)
        report = folder / "report.xml"
        artifacts = f"--artifacts={folder / 'artifacts'}"
        run(
            folder,
            f"--rig={RIG}",
            "--board=esp32-a",
            artifacts,
            f"--junitxml={report}",
            "-o",
            "junit_duration_report=total",
        )
        times = [float(case.get("time", "0")) for case in ET.parse(report).iter("testcase")]
    each = times[1:-1]  # the first opens the bench, the last closes it
    mean = statistics.mean(each) * 1000
    print(f"{len(each)} tests with a board: {mean:.1f} ms each, the slowest {max(each) * 1000:.1f} ms (asked: 5 ms)")
    print(f"the first, with opening the bench, flashing and provisioning: {times[0]:.1f} s; closing: {times[-1]:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of the empty test on each side (default: 15)")
    options = parser.parse_args()
    empty_test(options.runs)
    board_tests()
