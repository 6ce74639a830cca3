"""hil's console on the benchmark's pty, with its timeline and its log on disk; prints JSON."""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from hil.console import Console
from hil.timeline import Timeline


def main(port: str, size: int, bursts: int, trips: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        timeline = Timeline(Path(folder) / "timeline.jsonl")
        timeline.redact("a secret that the console must blank wherever it appears")
        log = Path(folder) / "console.log"
        with Console(timeline, "board", port, log=log) as console:
            console.send(f"prepare {size}\n")
            console.expect("prepared\n", timeout=60)
            times = []
            for number in range(trips):
                start = time.perf_counter()
                console.send(f"ping {number}\n")
                console.expect(f"pong {number}\n", timeout=10)
                times.append(time.perf_counter() - start)
            seconds = []
            digests = []
            lines = []
            for _ in range(bursts):
                mark, before = console.mark(), log.stat().st_size
                start = time.perf_counter()
                console.send(f"burst {size}\n")
                console.expect("end of the burst\n", timeout=900)
                seconds.append(time.perf_counter() - start)
                with log.open("rb") as file:
                    file.seek(before)
                    digests.append(hashlib.sha256(file.read()).hexdigest())
                lines.append(len(console.lines(after=mark)))
        timeline.close()
    trip = statistics.median(times)
    print(json.dumps({"trip": trip, "bursts": seconds, "digests": digests, "lines": lines}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
