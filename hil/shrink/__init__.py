"""A case made smaller: what its failure does not need is taken away. docs/bisect-and-shrink.md.

parts.py says what a case can lose; guessing.py says which parts are left out next, tried.py tries a smaller case until
it is shown whether it will do, shrinking.py keeps what is not shown to be needless; resuming.py goes on after a kill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.lazily import names

if TYPE_CHECKING:
    from hil.shrink.shrinking import Ending, Result, Shrinking
    from hil.shrink.tried import Plan

__all__ = ["Ending", "Plan", "Result", "Shrinking"]

__getattr__ = names(
    "hil.shrink",
    {
        "shrinking": ("Ending", "Result", "Shrinking"),
        "tried": ("Plan",),
    },
)
