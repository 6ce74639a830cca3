"""How many trials it takes to compare two firmwares, and to find the first bad one, beside the usual ways.

    python benchmarks/trials.py [--runs 300]

Trials are drawn by chance here, and cost nothing: what is counted is how many there are, and how often the answer is
right. Beside the comparison stands Fisher's exact test (scipy) with as many trials as it needs for the same power, for
which one has to know the two rates beforehand. Beside the bisection stand `git bisect run` itself on a repository of
as many revisions, with one trial of each that it asks for, and the same with so many trials of each that a failure that
comes with the rate that there really is would hardly be missed.
"""

from __future__ import annotations

import argparse
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from hil.bisect import Walk
from hil.evidence.culprit import in_a_row
from hil.reproduce import Outcome, Trial
from hil.reproduce.comparing import Comparing, Plan, Verdict, drive

REVISIONS = 32
GIT_RUNS = 60
"""Each starts some thirty processes."""

#: What `git bisect run` asks of a revision: so many trials, drawn anew; 1 (bad) if any fails.
SCRIPT = """
import os, pathlib, sys
first_bad, rate, times, count = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), pathlib.Path(sys.argv[4])
number, failed = int(pathlib.Path("number").read_text()), False
for done in range(1, times + 1):
    failed = number >= first_bad and int.from_bytes(os.urandom(7)) / 2**56 < rate
    if failed:
        break
with count.open("a") as file:
    file.write(f"{done}\\n")
sys.exit(1 if failed else 0)
"""


def trials(rate: float, dice: random.Random) -> Iterator[Trial]:
    """One trial without a board."""
    outcome = Outcome.REPRODUCED if dice.random() < rate else Outcome.PASSED
    yield Trial(1, "made-up", "", outcome, 0.0, "")


def compared(rates: dict[str, float], seed: int) -> tuple[bool, float]:
    """Whether the two were told apart, and after how many trials of each."""
    dice = random.Random(seed)
    comparing = Comparing(list(rates), Plan(least=0.01, times=400, seed=seed))
    for _ in drive(comparing, rates, lambda rate, **_: trials(rate, dice)):
        pass
    found = comparing.result()
    return found.told[0].verdict is Verdict.DIFFER, found.trials / 2


def fisher(a: float, b: float, power: float) -> int:
    """So many trials of each does Fisher's exact test, two-sided at 5 %, need for this power."""
    from scipy import stats  # type: ignore[import-not-found, import-untyped, unused-ignore]

    for count in range(3, 400):
        one = [stats.binom.pmf(k, count, a) for k in range(count + 1)]
        other = [stats.binom.pmf(k, count, b) for k in range(count + 1)]
        found = 0.0
        for x, p in enumerate(one):
            for y, q in enumerate(other):
                if p * q > 1e-9 and stats.fisher_exact([[x, count - x], [y, count - y]])[1] <= 0.05:
                    found += p * q
        if found >= power:
            return count
    return 400


def walked(first_bad: int, rate: float, good: float, seed: int) -> tuple[bool, int, int, int]:
    """Whether the answer was right, after how many trials, how often another firmware was written, and how many of
    them there were."""
    dice = random.Random(seed)
    walk = Walk(in_a_row(REVISIONS))
    written: list[int] = []
    while (turn := walk.next_turn()) is not None:
        if written[-1:] != [turn.version]:
            written.append(turn.version)
        for trial in trials(rate if turn.version >= first_bad else good, dice):
            walk.add(turn.version, trial)
    found = walk.result()
    return found.suspects == (first_bad,), found.trials, len(written), len(set(written))


def repository(folder: Path) -> None:
    """A history of as many revisions, each with its number."""
    who = ["-c", "user.name=Bench", "-c", "user.email=bench@hil.test", "-c", "commit.gpgsign=false"]
    git = ["git", "-C", str(folder), *who]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for number in range(REVISIONS):
        (folder / "number").write_text(str(number))
        subprocess.run([*git, "add", "number"], check=True)
        subprocess.run([*git, "commit", "--quiet", "-m", str(number)], check=True)
        subprocess.run([*git, "tag", f"r{number}"], check=True)


def git_bisect(folder: Path, first_bad: int, rate: float, times: int) -> tuple[bool, int]:
    """The same by `git bisect run`."""
    count = folder / ".git" / "trials"
    count.unlink(missing_ok=True)
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "bisect", "start", f"r{REVISIONS - 1}", "r0"], check=True, capture_output=True)
    run = [sys.executable, "-S", "-c", SCRIPT, str(first_bad), str(rate), str(times), str(count)]
    subprocess.run([*git, "bisect", "run", *run], check=True, capture_output=True)
    said = subprocess.run(
        [*git, "rev-parse", "refs/bisect/bad", f"r{first_bad}"], check=True, capture_output=True, text=True
    ).stdout.split()
    subprocess.run([*git, "bisect", "reset"], check=True, capture_output=True)
    return said[0] == said[1], sum(map(int, count.read_text().split()))


def shown(words: str, found: Sequence[tuple[float, ...]]) -> str:
    right, *counts = (statistics.mean(column) for column in zip(*found, strict=True))
    names = ("trials", "written", "firmwares")
    told = ", ".join(f"{name} {count:6.1f}" for name, count in zip(names, counts, strict=False))
    return f"  {words:32} right {right:4.0%}, {told}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=300, metavar="N", help="of each of ours (default: 300)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        tools = Path(name, "tools")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(tools)]
        subprocess.run([*pip, "scipy"], check=True, capture_output=True)
        sys.path.append(str(tools))
        print("two firmwares, trials of each until they are told apart")
        for a, b in ((0.0, 1.0), (0.0, 0.46), (0.0, 0.2), (0.1, 0.5), (0.3, 0.3)):
            found = [compared({"a": a, "b": b}, seed) for seed in range(options.runs)]
            told, mean = sum(good for good, _ in found) / len(found), statistics.mean(count for _, count in found)
            line = f"  {a:.0%} and {b:.0%}: told apart {told:.0%}, {mean:.1f} trials of each"
            if a != b:
                fixed = [fisher(a, b, power) for power in (0.8, 0.95)]
                line += f"; Fisher {fixed[0]} for 80 %, {fixed[1]} for 95 %: {mean / fixed[1]:.2f} times the latter"
            print(line, flush=True)
        repo = Path(name, "repo")
        repo.mkdir()
        repository(repo)
        for rate, good in ((1.0, 0.0), (0.5, 0.0), (0.2, 0.0), (0.5, 0.03), (0.5, 0.1)):
            print(f"the first bad one of {REVISIONS}, which fails {rate:.0%} of the time, good ones {good:.0%}")
            dice = random.Random(7)
            places = [dice.randrange(1, REVISIONS) for _ in range(options.runs)]
            print(shown("hil bisect", [walked(place, rate, good, s) for s, place in enumerate(places)]), flush=True)
            if good:
                continue  # git bisect would be astray
            # Five answers, all right with 95 %: each bad one may be missed with 1 %.
            often = 1 if rate == 1 else math.ceil(math.log(0.01) / math.log(1 - rate))
            for times in sorted({1, often}):
                words = f"git bisect run, {times} trial(s) each"
                print(shown(words, [git_bisect(repo, place, rate, times) for place in places[:GIT_RUNS]]), flush=True)


if __name__ == "__main__":
    main()
