"""The first bad one of many versions, by trials of a case that may fail only now and then. docs/bisect-and-shrink.md.

walk.py decides which version is tried next, and when it is enough; versions.py has versions that are images already,
revisions.py and building.py such as are built from a git repository.
"""

from __future__ import annotations

from hil.bisect.walk import Ending, Result, Walk

__all__ = ["Ending", "Result", "Walk"]
