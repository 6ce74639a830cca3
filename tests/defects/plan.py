"""Which benches the matrix needs: all of it, or the part that leaves no scenario unproven."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hil import catalogue
from tests.defects import causes
from tests.defects.benches import BENCH, Job, Verdict, stop
from tests.defects.judge import Row
from tests.defects.table import Catch, Defect

MOST_SCENARIOS = 10
"""Scenarios on one bench of a part: more benches cost more set-up, fewer leave the last one alone for longer."""

LATER_TRIES = (4, 1)
"""Benches side by side when what was not as expected is tried again, and again."""


def scenario_names() -> list[str]:
    """The functions of all scenarios, but those that soak: they take as long as one says."""
    return [scenario.name for scenario in catalogue.scenarios() if scenario.group != "soak"]


def whole(defects: Sequence[Defect], folder: Path, meant: bool = False) -> list[Job]:
    """A bench for each firmware, and all scenarios on it (`meant`: only those meant for it); the longest first."""
    # A firmware that is never online makes each scenario wait for as long as it can.
    slow_first = sorted(defects, key=lambda defect: "test_*" not in defect.elsewhere)
    return [Job(folder / defect.board, [defect], _picked(defect, meant)) for defect in slow_first]


def _picked(defect: Defect, meant: bool) -> list[tuple[str, str, str]] | None:
    """Which scenarios to run on it: all, but for a firmware that makes the board useless for others."""
    alone = defect.spoils or (meant and defect.options)
    return [(defect.board, catch.scenario, catch.case) for catch in defect.caught] if alone else None


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


def part(chosen: Sequence[tuple[Defect, Catch]], folder: Path, most: int = MOST_SCENARIOS) -> list[Job]:
    """Just these scenarios on these firmwares, on benches with at most so many scenarios each.

    Small benches, so that one that is slow keeps none of the others waiting: each begins as soon as there is room. A
    firmware with more scenarios is on several benches; those with most of them begin first.
    """
    catches: dict[str, list[tuple[Defect, Catch]]] = {}
    for defect, catch in chosen:
        catches.setdefault(defect.board, []).append((defect, catch))
    pieces = [each[at : at + most] for each in catches.values() for at in range(0, len(each), most)]
    benches: list[list[tuple[Defect, Catch]]] = []
    for piece in sorted(pieces, key=len, reverse=True):
        room = next((bench for bench in benches if len(bench) + len(piece) <= most), None)
        if room is None:
            room = []
            benches.append(room)
        room += piece
    return [_job(folder / f"bench-{number}", bench) for number, bench in enumerate(benches, 1)]


def _job(folder: Path, chosen: Sequence[tuple[Defect, Catch]]) -> Job:
    firmwares = {defect.board: defect for defect, _ in chosen}
    return Job(folder, list(firmwares.values()), [(d.board, catch.scenario, catch.case) for d, catch in chosen])


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
    """What is not as expected is tried again with the machine less and less busy: a slow host is no finding."""
    for number, benches in enumerate(LATER_TRIES, 2):
        doubtful = [row for row in rows if row.doubtful()]
        if not doubtful:
            return
        jobs = []
        for row in doubtful:
            job = Job(folder / f"try-{number}" / row.defect.board, [row.defect])
            if any(verdict.scenario == BENCH for verdict in row.verdicts):
                row.verdicts.clear()  # the bench as a whole failed: all of it again
            else:
                job.picked = sorted({(v.board, v.scenario, v.case) for v in row.doubtful()})
            jobs.append(job)
        if told:
            print(f"{len(jobs)} firmwares have verdicts that are not as expected: these once more", flush=True)
        later = run(jobs, benches, told)
        for row in doubtful:
            row.replace([verdict for verdict in later if verdict.board in row.boards])
        causes.diagnose_all(doubtful)


def _words(job: Job, verdicts: Sequence[Verdict]) -> str:
    counts = {o: sum(v.outcome == o for v in verdicts) for o in ("pass", "warn", "fail", "n/a", "error")}
    words = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
    return f"{job.folder.name}: {words} ({sum(v.seconds for v in verdicts):.0f} s)"
