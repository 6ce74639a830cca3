"""Which benches the matrix needs: all of it, or the part that leaves no scenario unproven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hil import catalogue
from tests.defects.benches import BENCH, Job, Verdict, stop
from tests.defects.judge import Row
from tests.defects.table import Catch, Defect

SECOND_TRIES = 4
"""Benches side by side when what was not as expected is tried again."""


def scenario_names() -> list[str]:
    """The functions of all scenarios, but those that soak: they take as long as one says."""
    return [scenario.name for scenario in catalogue.scenarios() if scenario.group != "soak"]


def whole(defects: Sequence[Defect], folder: Path) -> list[Job]:
    """A bench for each firmware, and all scenarios on it; those that take longest first."""
    # A firmware that is never online makes each scenario wait for as long as it can.
    slow_first = sorted(defects, key=lambda defect: "test_*" not in defect.elsewhere)
    return [Job(folder / defect.board, [defect], _picked(defect)) for defect in slow_first]


def _picked(defect: Defect) -> list[tuple[str, str, str]] | None:
    """Which scenarios to run on it: all, but for a firmware that makes the board useless for others."""
    return [(defect.board, catch.scenario, catch.case) for catch in defect.caught] if defect.spoils else None


def proof(defects: Sequence[Defect]) -> Iterator[tuple[Defect, Catch]]:
    """A defect for each scenario that does not take long, with as few firmwares as can be: each costs a build.

    Chosen greedily: the firmware that is meant for most of what is still without a proof, the first of the table where
    several are.
    """
    long = {scenario.name for scenario in catalogue.scenarios() if scenario.long}
    missing = {catch.scenario for defect in defects for catch in defect.caught} - long
    while missing:
        best = max(defects, key=lambda defect: len(missing & {catch.scenario for catch in defect.caught}))
        for catch in best.caught:
            if catch.scenario in missing:
                missing.discard(catch.scenario)
                yield best, catch


def part(chosen: Sequence[tuple[Defect, Catch]], folder: Path, benches: int) -> list[Job]:
    """Just these scenarios on these firmwares, on so many benches."""
    shares: list[dict[str, Defect]] = [{} for _ in range(benches)]
    picked: list[list[tuple[str, str, str]]] = [[] for _ in range(benches)]
    for defect, catch in chosen:
        # All scenarios of a firmware on one bench; a new firmware where there is least to do.
        at = next((n for n, share in enumerate(shares) if defect.board in share), None)
        at = min(range(benches), key=lambda n: len(picked[n])) if at is None else at
        shares[at][defect.board] = defect
        picked[at].append((defect.board, catch.scenario, catch.case))
    return [Job(folder / f"bench-{n + 1}", list(share.values()), picked[n]) for n, share in enumerate(shares) if share]


def run(jobs: Sequence[Job], benches: int, told: bool = False) -> list[Verdict]:
    """Run the jobs, so many side by side; `told` prints a line as each ends."""
    found: list[Verdict] = []
    with ThreadPoolExecutor(benches) as pool:
        running = {pool.submit(job.run): job for job in jobs}
        try:
            for number, done in enumerate(as_completed(running), 1):
                found += done.result()
                if told:
                    print(f"[{number}/{len(jobs)}] {_words(running[done], done.result())}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            stop()
            raise
    return found


def try_again(rows: Sequence[Row], folder: Path, told: bool = False) -> None:
    """What is not as expected is tried once more with the machine less busy: a slow host is no finding."""
    doubtful = [row for row in rows if row.doubtful()]
    jobs = []
    for row in doubtful:
        job = Job(folder / row.defect.board, [row.defect])
        if any(verdict.scenario == BENCH for verdict in row.verdicts):
            row.verdicts.clear()  # the bench as a whole failed: all of it again
        else:
            job.picked = sorted({(v.board, v.scenario, v.case) for v in row.doubtful()})
        jobs.append(job)
    if told and jobs:
        print(f"{len(jobs)} firmwares have verdicts that are not as expected: these once more", flush=True)
    second = run(jobs, SECOND_TRIES, told)
    for row in doubtful:
        row.replace([verdict for verdict in second if verdict.board in row.boards])


def _words(job: Job, verdicts: Sequence[Verdict]) -> str:
    counts = {o: sum(v.outcome == o for v in verdicts) for o in ("pass", "warn", "fail", "n/a", "error")}
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return f"{job.folder.name}: {words} ({sum(v.seconds for v in verdicts):.0f} s)"
