"""`python -m tests.kills --kills 200 --seed 1`: kill so many runs, and say what became of their bench."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from tests.kills.judge import LIMIT, Judgement, judge
from tests.kills.moments import Moment, moments
from tests.kills.standing import Standing
from tests.kills.victim import Victim


def main(arguments: list[str] | None = None) -> int:
    """0 if every run left its bench safe and free in time and the next could start at once; 1 if not."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="how many runs are killed (200)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same moments (1)")
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"seconds that the bench may take ({LIMIT:g})")
    parser.add_argument("--folder", type=Path, help="where runs and results are left (a new one in /tmp)")
    options = parser.parse_args(arguments)
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="hil-kills-"))).absolute()
    standing = Standing(folder / "boards")
    standing.start()
    try:
        return kill(list(moments(options.seed, options.kills)), standing, folder, options.limit)
    finally:
        standing.close()


def kill(chosen: list[Moment], standing: Standing, folder: Path, limit: float) -> int:
    """Kill a run at each moment; the next starts as soon as one is dead. Then one whole run must pass."""
    judged: list[tuple[Victim, Judgement]] = []
    # The last one is left alone.
    plans = [*chosen, Moment("pytest", "never", 1, 0.0, "kill")]
    victim = Victim.start(0, plans[0], standing, folder / "0000")
    with (folder / "kills.jsonl").open("w") as results:
        for number, _ in enumerate(plans):
            victim.die()
            follower = None
            if number + 1 < len(plans):
                follower = Victim.start(number + 1, plans[number + 1], standing, folder / f"{number + 1:04}")
            judgement = judge(victim, standing, limit)
            judged.append((victim, judgement))
            results.write(json.dumps({"moment": str(victim.moment), "phase": victim.phase, **asdict(judgement)}) + "\n")
            results.flush()
            print(_line(victim, judgement), flush=True)
            if follower is not None:
                victim = follower
    bad = [judgement for _, judgement in judged if judgement.faults]
    print(_table(judged), f"everything of these runs: {folder}", sep="\n")
    return 1 if bad else 0


def _line(victim: Victim, judgement: Judgement) -> str:
    words = f"{victim.name}  gone {judgement.gone:5.2f} s  safe {max(0, judgement.safe):5.2f} s  {victim.phase:12}"
    return "\n".join([f"{words}  {victim.moment}", *(f"      FAULT: {fault}" for fault in judgement.faults)])


def _table(judged: list[tuple[Victim, Judgement]]) -> str:
    """The table of docs/guardian.md: by what the run was doing, how many, and how long its remains stayed."""
    by_phase: dict[str, list[Judgement]] = defaultdict(list)
    for victim, judgement in judged:
        by_phase[victim.phase].append(judgement)
        if victim.code is None:
            by_phase["all that were killed"].append(judgement)
    lines = [
        "| killed while | runs | gone, median | gone, longest | power safe, longest | faults |",
        "|---|---|---|---|---|---|",
    ]
    for phase, found in sorted(by_phase.items()):
        gone = [judgement.gone for judgement in found]
        safe = max(0.0, *(judgement.safe for judgement in found))
        faults = sum(bool(judgement.faults) for judgement in found)
        cells = [phase, len(found), *(f"{t:.2f} s" for t in (statistics.median(gone), max(gone), safe)), faults]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    asked = sum(judgement.asked for _, judgement in judged)
    return "\n".join([*lines, "", f"{asked} times a board itself said how it was left."])


if __name__ == "__main__":
    start = time.monotonic()
    code = main()
    print(f"{time.monotonic() - start:.0f} s")
    sys.exit(code)
