"""pytest-embedded's serial service on the benchmark's pty: a test, for that is the only way to use it.

Run by benchmarks/console.py: pytest --embedded-services serial --port PTY this-file; writes JSON where RESULT says.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from pathlib import Path
from typing import Any


def test_console(dut: Any) -> None:
    size, bursts, trips = (int(os.environ[name]) for name in ("SIZE", "BURSTS", "TRIPS"))
    dut.write(f"prepare {size}")
    dut.expect_exact("prepared\r\n", timeout=60)
    times = []
    for number in range(trips):
        start = time.perf_counter()
        dut.write(f"ping {number}")
        dut.expect_exact(f"pong {number}\r\n", timeout=10)
        times.append(time.perf_counter() - start)
    seconds = []
    received = []
    for _ in range(bursts):
        before = Path(dut.logfile).stat().st_size
        start = time.perf_counter()
        dut.write(f"burst {size}")
        dut.expect_exact("end of the burst\r\n", timeout=900)
        seconds.append(time.perf_counter() - start)
        received.append(Path(dut.logfile).stat().st_size - before - len("end of the burst\r\n"))
    result = {"trip": statistics.median(times), "bursts": seconds, "received": received}
    Path(os.environ["RESULT"]).write_text(json.dumps(result))
