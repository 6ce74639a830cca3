"""The next time that a clock on the wall shows so-and-so. Pure."""

from __future__ import annotations

import datetime
import re

_SAID = re.compile(r"(\d\d?):(\d\d)(?::(\d\d))?")


def moment_after(said: str, now: float, zone: datetime.tzinfo | None = None) -> float:
    """The first moment after `now` at which clocks show `said`, '06:00' or '06:00:30'; both in seconds since 1970.

    `zone`: where the clock hangs; this host's zone without. An hour that is left out in spring counts as the one after
    it, as long after midnight as it would have been (PEP 495); one that comes twice in autumn counts twice. Raises
    ValueError.
    """
    clock = _clock(said)
    today = datetime.datetime.fromtimestamp(now, zone).date()
    for days in (0, 1, 2):
        naive = datetime.datetime.combine(today + datetime.timedelta(days), clock)
        moments = sorted(naive.replace(tzinfo=zone, fold=fold).timestamp() for fold in _folds(naive, zone))
        for moment in moments:
            if moment > now:
                return moment
    raise ValueError(f"found {said!r}, expected a time that comes")  # pragma: no cover: each day has each time


def _folds(naive: datetime.datetime, zone: datetime.tzinfo | None) -> tuple[int, ...]:
    """Both readings of a time that comes twice; of one that never comes the first, which is the later moment."""
    first, second = (naive.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    return (0, 1) if second > first else (0,)


def _clock(said: str) -> datetime.time:
    found = _SAID.fullmatch(said)
    try:
        if found is not None:
            hour, minute, second = (int(part or 0) for part in found.groups())
            return datetime.time(hour, minute, second)
    except ValueError:
        pass
    raise ValueError(f"found {said!r}, expected a time of day such as 06:00")


def shown(moment: float) -> str:
    """A moment on this host's clock, for people: 2026-11-28 06:00."""
    return datetime.datetime.fromtimestamp(moment).strftime("%Y-%m-%d %H:%M")
