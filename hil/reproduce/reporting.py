"""A trial as a line of results.jsonl, as a test has one: `hil report` makes its pages of a run of trials, too."""

from __future__ import annotations

import json
import os
from typing import Any, Final

from hil.bench import Bench
from hil.report.results import FILE
from hil.reproduce.trial import Outcome, Trial

_OUTCOMES: Final = {
    Outcome.REPRODUCED: "failed",
    Outcome.OTHER: "failed",
    Outcome.PASSED: "passed",
    Outcome.NOT_RUN: "skipped",
}


def note(trial: Trial, name: str, bench: Bench) -> None:
    """Write the trial beside the timeline of its bench. `name`: as its start on the timeline has it.

    What was not run for want of anything on the timeline is left out.
    """
    events = bench.timeline.events(after=trial.after, before=trial.before)
    if not events:
        return
    outcome, first, last = _OUTCOMES[trial.outcome], events[0], events[-1]
    line: dict[str, Any] = {
        **{"test": f"{name}[{trial.board}]", "name": name, "board": trial.board, "scenario": name},
        **{"broker": bench.broker_words, "phase": "call", "outcome": outcome},
        **{"began": first.monotonic, "ended": last.monotonic, "wall": last.wall, "seconds": trial.seconds},
        "reason": trial.why,
        "failure": f"{trial.outcome}: {trial.why}" if outcome == "failed" else None,
    }
    file = os.open(bench.artifacts / FILE, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    try:
        os.write(file, (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace"))
    finally:
        os.close(file)
