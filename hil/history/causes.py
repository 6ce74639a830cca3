"""Why tests of a run failed, as the diagnosis of their timelines has it: kept with their results as remarks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

KIND: Final = "cause"
"""What such a remark is called."""


def causes(folder: Path) -> dict[tuple[str, str], str]:
    """The most probable cause by board and scenario, in words; of what no timeline tells the cause of, none.

    Of several failures of one scenario the first counts. A folder whose timelines are gone or damaged has no causes:
    its results are worth keeping all the same.
    """
    from hil.diagnose import CANNOT_TELL
    from hil.report import runs

    found: dict[tuple[str, str], str] = {}
    try:
        run = runs.read(folder)
        for one in run.results:
            told = run.diagnoses(one) if one.failed_at is not None else []
            if told and told[0].cause != CANNOT_TELL:
                found.setdefault((one.board, one.scenario), told[0].title)
    except Exception:  # whatever it is: a run must not end by it
        return {}
    return found
