"""A case made smaller: conditions that its failure does not need are removed. docs/bisect-and-shrink.md.

guessing.py says which conditions are tried without next, shrinking.py tries it, wording.py says what it came to.
"""

from __future__ import annotations

from hil.shrink.shrinking import Ending, Plan, Result, Shrinking

__all__ = ["Ending", "Plan", "Result", "Shrinking"]
