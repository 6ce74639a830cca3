"""What firmware is called by people: without its hash, where the rest of its name says enough."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HASH = re.compile(r" \([0-9a-f]{8}\)$")


def short(*names: str) -> Sequence[str]:
    """The names without their hashes, where what people call them tells them apart; boards of different chips have
    different images of one version."""
    told = [_HASH.sub("", name) for name in names]
    return told if len(set(told)) == len(names) and all(a != b for a, b in zip(told, names, strict=True)) else names
