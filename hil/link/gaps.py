"""How long to wait before connecting again, as a contract's `[retry]` says."""

from __future__ import annotations

import random

from hil.contract import Retry

#: A jittered gap is at least this part of the full one (AWS calls it equal jitter).
LEAST = 0.5


def gap(retry: Retry, failures: int) -> float | None:
    """Seconds before the next try after so many failures in a row (1 or more); None for no try at all."""
    match retry.kind:
        case "none":
            return None
        case "constant":
            return retry.first
        case "linear":
            return min(retry.first * failures, retry.most)
    full = float(min(retry.first * 2 ** min(failures - 1, 60), retry.most))
    return full if retry.kind == "exponential" else full * random.uniform(LEAST, 1.0)
