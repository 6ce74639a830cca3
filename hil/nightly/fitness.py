"""Which boards are fit for a night: what the doctor says of each, so that one does not take the rest along."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hil.process import run

LONGEST = 600.0
"""Seconds that the doctor may take for one board, with all that it can be asked to measure."""


def faults(rig: Path, board: str, options: Sequence[str], *, until: float | None) -> list[str]:
    """What keeps this board from being tested, a line each, with the cure; nothing if it is fit.

    `options`: those of `hil doctor`. `until`: seconds since 1970 at which it has to be over. Raises OSError.
    """
    limit = LONGEST if until is None else max(1.0, min(LONGEST, until - time.time()))
    command = [sys.executable, "-m", "hil.cli", "doctor", "--json", "--rig", str(rig), "--board", board, *options]
    done = run(command, timeout=limit)
    if done.ended != "exit":
        return [f"the doctor was not done after {limit:g} s"]
    try:
        findings = json.loads(done.output)["findings"]
        return [f"{one['about']}: {one['found']} ({one['cure']})" for one in findings if one["level"] == "fault"]
    except (ValueError, KeyError, TypeError):
        return [f"the doctor ended with {done.code}: {done.last_words}"]
