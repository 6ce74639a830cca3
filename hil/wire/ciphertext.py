"""Whether bytes look encrypted: what flash encryption makes of anything is as even as chance.

A guess for where the chip itself cannot be asked. Plain settings, tables, file systems and PEM never look so: they have
runs of one value, and text uses a quarter of all values.
"""

from __future__ import annotations

_FEWEST = 256  # bytes; fewer tell nothing
_SHARE = 0.85  # of the values that chance would show


def looks_encrypted(data: bytes) -> bool:
    """Whether `data`, erased flash at its end left out, uses nearly as many byte values as random bytes would."""
    written = data.rstrip(b"\xff")
    by_chance = 256 * (1 - (255 / 256) ** len(written))
    return len(written) >= _FEWEST and len(set(written)) >= _SHARE * by_chance
