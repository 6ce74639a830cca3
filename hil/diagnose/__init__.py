"""From a timeline alone: the probable causes of what went wrong with a board, ranked.

    for diagnosis in diagnose(load(path), "esp32-a"):
        print(diagnosis)

Each cause is declared in `hil.diagnose.causes`, with what shows it, what to look at next, and the function that finds
it; docs/diagnosis.md lists them.
"""

from __future__ import annotations

from hil.diagnose.case import Case
from hil.diagnose.cause import Cause, Diagnosis, Found
from hil.diagnose.causes import CAUSES, GROUPS
from hil.diagnose.listing import markdown
from hil.diagnose.ranking import CANNOT_TELL, Stretch, boards, cannot_tell, diagnose, stretches
from hil.diagnose.report import render

__all__ = [
    "CANNOT_TELL",
    "CAUSES",
    "GROUPS",
    "Case",
    "Cause",
    "Diagnosis",
    "Found",
    "Stretch",
    "boards",
    "cannot_tell",
    "diagnose",
    "markdown",
    "render",
    "stretches",
]
