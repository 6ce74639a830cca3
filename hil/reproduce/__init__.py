"""A case from the field on the bench: tried many times, with a number on it.

`trial.py` says what one try is and what runs them; whoever compares firmwares, bisects or shrinks a case asks for
trials through `Runner` and knows nothing of a bench.
"""

from __future__ import annotations

from hil.reproduce.trial import Outcome, Runner, Trial

__all__ = ["Outcome", "Runner", "Trial"]
