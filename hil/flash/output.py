"""What flashing tools print: kept in a log, and its end in messages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from hil.process import Finished
from hil.timeline import Timeline


def keep(log: Path | None, timeline: Timeline, command: Sequence[str], done: Finished, attempt: int = 1) -> None:
    """Append one run to `log`, which only its owner can read, without the secrets that `timeline` knows."""
    if log is None:
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    head = f"$ {' '.join(command)}   # attempt {attempt}\n"
    foot = f"# {done.ended}, exit code {done.code}, {done.seconds:.1f} s\n\n"
    with open(os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "a", encoding="utf-8") as out:
        out.write(timeline.redacted(f"{head}{done.output.rstrip()}\n{foot}"))


def tail(done: Finished, most: int = 12) -> str:
    """The last `most` lines of what a tool printed, for a message."""
    lines = [line.rstrip() for line in done.output.replace("\r", "\n").splitlines() if line.strip()]
    return "\n".join(f"  | {line}" for line in lines[-most:]) or "  (it printed nothing)"
