"""What reading a console costs: python benchmarks/console.py [--quick]

Four readers on the same pty and the same program behind it (console_tools/feeder.py), in one run: hil, bare pyserial
with an incremental search, labgrid, pytest-embedded. Two figures:

- burst: 10 MB of log lines as fast as the pty takes them, up to a marker at their end. hil at least 50 times faster
  than labgrid, and no byte lost in 20 bursts: the log file's SHA-256 and the number of lines are compared.
- round trip: a line out and its answer back. hil's median at most 1.5 times that of bare pyserial, which keeps and
  records nothing. Both are measured in turns, so that a busy machine hits both.

labgrid and pytest-embedded get environments of their own under build/benchmarks/, made on the first run: labgrid
replaces pyserial by one of its own and cannot share. labgrid searches its whole buffer again at each read, so its time
depends on the marker, too: between 5 and 10 s for 10 MB here. pytest-embedded would take minutes for 10 MB; it gets
1 MB, and the table says so. A pty holds some 12 KB only, so a reader that works on what it has read holds up the
writer: the burst cannot take less than bare pyserial's time plus that work.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import tty
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).parent / "console_tools"
ENVIRONMENTS = Path(__file__).parent.parent / "build" / "benchmarks"
PEERS = {
    "labgrid": ["labgrid==26.0.1"],
    "pytest-embedded": ["pytest-embedded==2.9.3", "pytest-embedded-serial==2.9.3"],
}
MEGABYTE = 1_000_000
BURST_RATIO = 50.0
TRIP_RATIO = 1.5


@dataclass
class Row:
    """What one tool came to, over all of its turns; times in seconds."""

    tool: str
    size: int = 0
    bursts: list[float] = field(default_factory=list)
    trips: list[float] = field(default_factory=list)
    lost: int | None = None

    def take(self, size: int, result: dict[str, Any], expected: bytes) -> None:
        self.trips.append(result["trip"])
        if not result["bursts"]:
            return
        self.size = size
        self.bursts += result["bursts"]
        lost = self.lost or 0
        digest = hashlib.sha256(expected).hexdigest()
        lost += sum(found != digest for found in result.get("digests", []))
        lost += sum(found != expected.count(b"\n") for found in result.get("lines", []))
        lost += sum(found != size for found in result.get("received", []))
        self.lost = lost


@contextmanager
def board() -> Iterator[str]:
    """A pty with the feeder behind it; gives the path of the port."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    command = [sys.executable, str(TOOLS / "feeder.py"), str(master)]
    feeder = subprocess.Popen(command, pass_fds=[master])
    os.close(master)
    try:
        yield os.ttyname(slave)
    finally:
        feeder.kill()
        feeder.wait()
        os.close(slave)


def environment(tool: str) -> Path:
    """The Python of this tool's environment, made if it is not there."""
    if tool not in PEERS:
        return Path(sys.executable)
    folder = ENVIRONMENTS / tool
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"making an environment for {tool} in {folder} ...", flush=True)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PEERS[tool]], check=True)
        (folder / "installed").write_text("\n".join(PEERS[tool]))
    return python


def measure(tool: str, size: int, bursts: int, trips: int) -> dict[str, Any]:
    """One turn of one tool."""
    python = environment(tool)
    script = TOOLS / f"{tool.replace('-', '_')}_tool.py"
    with board() as port, tempfile.TemporaryDirectory() as folder:
        numbers = [str(size), str(bursts), str(trips)]
        if tool != "pytest-embedded":
            done = subprocess.run([python, script, port, *numbers], check=True, capture_output=True, text=True)
            return dict(json.loads(done.stdout))
        result = Path(folder) / "result.json"
        options = [
            "-q",
            "-p",
            "no:cacheprovider",
            "--embedded-services",
            "serial",
            "--port",
            port,
            "--root-logdir",
            folder,
        ]
        settings = dict(zip(("SIZE", "BURSTS", "TRIPS"), numbers, strict=True), RESULT=str(result))
        done = subprocess.run(
            [python, "-m", "pytest", "-c", os.devnull, "--rootdir", folder, *options, script],
            env=os.environ | settings,
            capture_output=True,
            text=True,
        )
        if not result.exists():
            raise SystemExit(f"pytest-embedded failed:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")
        return dict(json.loads(result.read_text()))


def run(quick: bool, tools: list[str]) -> list[Row]:
    """All turns: round trips and bursts of hil and pyserial alternate."""
    from console_tools.feeder import MARKER, payload

    size = MEGABYTE if quick else 10 * MEGABYTE
    rounds = 2 if quick else 10
    plans = {
        "hil": (size, 2, 500 if quick else 1000),
        "pyserial": (size, 2, 500 if quick else 1000),
        "labgrid": (size, 1, 100),
        "pytest-embedded": (size // 10 if quick else MEGABYTE, 1, 20),
    }
    rows = {tool: Row(tool) for tool in tools}
    for number in range(rounds):
        for tool in tools:
            # The slow ones once, or twice in a full run: their figures do not hang on a few milliseconds.
            if tool in PEERS and number >= (1 if quick or tool == "pytest-embedded" else 2):
                continue
            bytes_, bursts, trips = plans[tool]
            print(f"round {number + 1} of {rounds}: {tool}", flush=True)
            rows[tool].take(bytes_, measure(tool, bytes_, bursts, trips), payload(bytes_) + MARKER + b"\r\n")
    return list(rows.values())


def show(rows: list[Row]) -> bool:
    """Print the table; True if hil is within its limits."""
    by_tool = {row.tool: row for row in rows}
    bare = by_tool["pyserial"]
    print(f"\n{'':16} {'burst':>18} {'of bare pyserial':>17} {'round trip':>12} {'of bare pyserial':>17}  lost")
    for row in rows:
        seconds, trip = statistics.median(row.bursts), statistics.median(row.trips)
        per_byte = seconds / row.size / (statistics.median(bare.bursts) / bare.size)
        print(
            f"{row.tool:16} {seconds:8.3f} s / {row.size / MEGABYTE:2g} MB {per_byte:15.2f} x {trip * 1e3:9.3f} ms"
            f" {trip / statistics.median(bare.trips):15.2f} x  {'-' if row.lost is None else row.lost}"
            f" of {len(row.bursts)} bursts"
        )
    hil = by_tool["hil"]
    trip_ratio = statistics.median(hil.trips) / statistics.median(bare.trips)
    verdicts = [
        (f"no byte lost in {len(hil.bursts)} bursts", hil.lost == 0),
        (f"round trip {trip_ratio:.2f} times bare pyserial, at most {TRIP_RATIO:g}", trip_ratio <= TRIP_RATIO),
    ]
    if "labgrid" in by_tool and hil.size >= 10 * MEGABYTE:  # what it does is quadratic: with less it proves nothing
        ratio = statistics.median(by_tool["labgrid"].bursts) / statistics.median(hil.bursts)
        verdicts.append(
            (f"burst {ratio:.0f} times faster than labgrid, at least {BURST_RATIO:g}", ratio >= BURST_RATIO)
        )
    print()
    for words, good in verdicts:
        print(f"{'ok  ' if good else 'MISS'} {words}")
    return all(good for _, good in verdicts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1 MB and fewer turns: shows that it works, no figures")
    parser.add_argument("--tools", nargs="+", default=["hil", "pyserial", *PEERS], help="which to measure")
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parent))
    good = show(run(options.quick, options.tools))
    return 0 if good or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
