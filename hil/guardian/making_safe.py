"""What the guardian does once its run is dead, in this order.

1. Tools are killed: whatever still writes to a board, and the brokers; and what was just about to become one.
2. Power as the rig says for idle, on all boards at once, each outlet once.
3. Virtual boards end: they are what has been switched.
4. What was started meanwhile is killed, too.
5. The timeline is ended.
6. Locks are freed, last of all: who gets them finds a bench in order.
7. Logs are put on the disk.

Nothing that goes wrong keeps what follows from being done.
"""

from __future__ import annotations

import contextlib
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from hil.guardian import children, lock_file, mark, supply
from hil.timeline.ending import end
from hil.timeline.event import Event

#: Seconds that a switch has. Most take less than one; labgrid-client and uhubctl may take three on a small computer.
SWITCHING = 5.0
#: Seconds that virtual boards have to end by themselves.
_POLITE = 0.7


@dataclass
class Duties:
    """What a run has left to be done: locks with their descriptors, power (see `supply`), timelines."""

    locks: dict[str, tuple[Path, int]] = field(default_factory=dict)
    power: dict[str, supply.Duty] = field(default_factory=dict)
    timelines: dict[str, Path] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.locks or self.power or self.timelines)


def make_safe(
    duties: Duties, run: int, its_mark: str, why: str, log: Callable[[str], None], words: bytes = b""
) -> None:
    """Do it all. `run`: the dead process, `why`: what is known of its death. `log` is told what was done, in lines.

    `words`: the run's command line; see `mark.words`.
    """
    start = time.monotonic()
    faults: list[str] = []
    killed: list[children.Child] = []
    outcomes: list[supply.Outcome] = []
    # What switches is a child of this process, and is ended with the others if it does not end by itself.
    os.environ[mark.VARIABLE] = its_mark

    def attempt(what: str, action: Callable[[], Any]) -> None:
        try:
            action()
        except Exception:  # whatever it was: the rest has to be done
            faults.append(f"{what}: {traceback.format_exc().strip()}")

    attempt("tools", lambda: killed.extend(_end_tools(run, words, its_mark)))
    attempt("power", lambda: outcomes.extend(supply.switch(list(duties.power.values()), its_mark, SWITCHING)))
    attempt("boards", lambda: killed.extend(children.end(its_mark, last=True, polite=_POLITE)))
    attempt("leftovers", lambda: killed.extend(children.end(its_mark)))
    power = [outcome.words for outcome in outcomes]
    processes = children.names({child.pid: child for child in killed}.values())
    seconds = round(time.monotonic() - start, 3)
    events = [*_switched(outcomes), ended(run, why, power=power, processes=processes, seconds=seconds)]
    torn: dict[Path, int] = {}

    def end_timeline(path: Path) -> None:
        torn[path] = end(path, events)

    for path in duties.timelines.values():
        attempt(str(path), partial(end_timeline, path))
    lines = [
        f"process {run} ended without a farewell: {why}",
        *_told(power, processes, torn),
        f"locks: {len(duties.locks)} to be freed after {seconds:.2f} s",
    ]
    attempt("log", lambda: log("\n".join(lines)))
    for path, descriptor in duties.locks.values():
        attempt(str(path), partial(lock_file.free, path, descriptor))
    for path in duties.timelines.values():
        attempt(str(path.parent), partial(_on_disk, path.parent))
    if faults:
        log("\n".join(faults))


def _end_tools(run: int, words: bytes, its_mark: str) -> list[children.Child]:
    """What writes to a board, and what was just about to become such a tool."""
    found = children.end(its_mark, last=False)
    if children.await_forks(run, words, its_mark):
        found += children.end(its_mark, last=False)
    return found


def _told(power: list[str], processes: list[str], torn: dict[Path, int]) -> list[str]:
    """What was done, for the log."""
    return [
        f"power: {'; '.join(power) or 'nothing to switch'}",
        f"processes: {', '.join(processes) or 'none left'}",
        *(f"{path}: {count} bytes of a torn line were cut off" for path, count in torn.items() if count),
    ]


def ended(run: int, why: str, **data: Any) -> Event:
    """The event with which a timeline ends, now."""
    return Event(0, time.monotonic(), time.time(), "guardian", "ended", None, {"why": why, "pid": run, **data})


def _switched(outcomes: list[supply.Outcome]) -> list[Event]:
    return [
        Event(0, *outcome.at, "power", outcome.state, board, {"switch": outcome.switch})
        for outcome in sorted(outcomes, key=lambda outcome: outcome.at)
        if outcome.fault is None and outcome.own
        for board in outcome.boards
    ]


def _on_disk(folder: Path) -> None:
    """Have the run's logs on the disk: what was written survives the process, but not yet a loss of power."""
    for path in [*folder.glob("*.log"), *folder.glob("*/*.log")]:
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
