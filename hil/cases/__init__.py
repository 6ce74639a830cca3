"""Cases: failures from the field as folders that a bench can play. docs/cases.md has the format.

case.py is a case, conditions.py, trial.py and signature.py what it says; applying.py puts conditions in force.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.lazily import names

if TYPE_CHECKING:
    from hil.cases.case import FILE, Case, CaseFile, load
    from hil.cases.conditions import Condition
    from hil.cases.signature import Signature
    from hil.cases.trial import Step, TrialTable

__all__ = ["FILE", "Case", "CaseFile", "Condition", "Signature", "Step", "TrialTable", "load"]

__getattr__ = names(
    "hil.cases",
    {
        "case": ("FILE", "Case", "CaseFile", "load"),
        "conditions": ("Condition",),
        "signature": ("Signature",),
        "trial": ("Step", "TrialTable"),
    },
)
