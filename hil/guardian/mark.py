"""The mark by which a run's children are told from all other processes: a variable in their environment.

What a child starts inherits it, so that grandchildren are found, too, and so is what was started in the moment before
the run died. A process that is given another environment altogether, or that another user owns, is not found.

The standard library is all that this needs: the guardian's process uses it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "HIL_GUARDED"
#: Behind the mark of what is ended after the power has been switched: virtual boards, which are what is switched.
LAST = ":last"

#: Bytes of a command line that tell one from another; it may have megabytes.
_TELLING = 4096

_ours = ""


def ours() -> str:
    """This process's mark, made and put into its environment when first asked for."""
    global _ours
    if not _ours:
        _ours = uuid.uuid4().hex
    os.environ[VARIABLE] = _ours
    return _ours


def environment(given: Mapping[str, str] | None = None, *, last: bool = False) -> dict[str, str]:
    """The environment for a child, this process's own without `given`: with the mark, if this process has one.

    `last`: it is to be ended after the power has been switched.
    """
    found = dict(os.environ if given is None else given)
    if _ours:
        found[VARIABLE] = _ours + LAST if last else _ours
    return found


def words(process: int | str) -> bytes:
    """The command line of a process, as /proc/PID/cmdline has it, or the beginning of a long one. Raises OSError."""
    return Path("/proc", str(process), "cmdline").read_bytes()[:_TELLING]
