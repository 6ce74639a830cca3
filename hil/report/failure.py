"""A failure as pytest shows it, in one line: the error alone, for heads, cards and attributes."""

from __future__ import annotations

import re

_MODULES = re.compile(r"^(?:[a-z_]\w*\.)+(?=[A-Z]\w*: )")


def message_of(failure: str) -> str:
    """What pytest marks as the error in a failure: the first line that begins with an E; the last one without such.

    Of an exception the class's name alone, without its modules.
    """
    marked = (line[1:].strip() for line in failure.splitlines() if line.startswith("E  "))
    found = next(marked, "") or (failure.strip().splitlines()[-1:] or ["the run ended before this test did"])[0]
    return _MODULES.sub("", found)
