"""One run of pytest as a part of a night: started, waited for, and ended in order when time is up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from hil.nightly import tied
from hil.nightly.images import FOLDER as FIRMWARE
from hil.provision import kept_builds

LOG, BEGUN, ARGUMENTS = "pytest.log", "begun.txt", "arguments.txt"
"""In a part's folder: what pytest printed, which tests it began, what it was told."""

GRACE: Final = 45.0
"""Seconds that a part has to close its benches after SIGTERM. execnet interrupts a worker whose parent is gone after
5 s, and ends it after 10 more (execnet 2.1, `WorkerGateway`)."""
_LOOK: Final = 0.1
"""Seconds between two looks at whether a whole process group is gone: nothing tells that by itself."""

How = Literal["done", "deadline", "died"]


@dataclass(frozen=True, slots=True)
class Ended:
    """`code`: pytest's exit code, negative for a signal. 'done': it came to its end, whatever the tests came to."""

    how: How
    code: int


def run(folder: Path, arguments: Sequence[str], *, until: float | None) -> Ended:
    """Run pytest with these arguments, a line each in a file; its output goes to pytest.log in `folder`.

    `folder`: NIGHT/parts/NAME. `until`: seconds since 1970 at which it is ended. Whatever is raised here ends it first.
    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ARGUMENTS).write_text("".join(f"{argument}\n" for argument in arguments), encoding="utf-8")
    ours, theirs = os.pipe()
    environment = {**os.environ, tied.TIE: str(ours), tied.BEGUN: str(folder / BEGUN)}
    environment[kept_builds.VARIABLE] = str((folder.parents[1] / FIRMWARE).absolute())
    with contextlib.ExitStack() as closing:
        closing.callback(os.close, theirs)
        log = closing.enter_context(open(os.open(folder / LOG, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "wb"))
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", "-p", "hil.nightly.tied", f"@{folder / ARGUMENTS}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=[ours],
                start_new_session=True,
            )
        finally:
            os.close(ours)
        closing.callback(end, process)
        try:
            code = process.wait(None if until is None else max(0.0, until - time.time()))
        except subprocess.TimeoutExpired:
            end(process)
            return Ended("deadline", process.returncode)
    return Ended("done" if code in (0, 1) else "died", code)


def end(process: subprocess.Popen[bytes]) -> None:
    """End it and its workers, politely first; they close their benches. Nothing where all are gone."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, 5.0)):
        limit = time.monotonic() + seconds
        if not _signal(process.pid, number):
            break
        while time.monotonic() < limit and _signal(process.pid, 0):
            process.poll()  # one that has ended counts to its group until somebody asks for its exit code
            time.sleep(_LOOK)
    process.wait()


def _signal(group: int, number: int) -> bool:
    """Whether there was still somebody to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
