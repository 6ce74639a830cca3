"""What the history says of a night: which failures are new and since when, and which measurements have moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hil.history import place
from hil.rig import Rig

if TYPE_CHECKING:
    from hil.history.questions import Regression


@dataclass(frozen=True)
class Onset:
    """Since when a scenario fails on a board: `new` since this night, else `since` a run, with `firmware`.

    `good_firmware`: that of the last run in which it did not fail; None if it failed in all `tries` that are known.
    """

    new: bool
    since: str
    firmware: str
    good_firmware: str | None
    tries: int


@dataclass(frozen=True)
class Changes:
    """`onsets`: of each failure, by board and scenario, since when.

    `drifts`: what has become worse, a line each. `trouble`: why the history was not asked; None if it was, or is off.
    """

    onsets: Mapping[tuple[str, str], Onset] = field(default_factory=dict)
    drifts: tuple[str, ...] = ()
    trouble: str | None = None


def keep_and_ask(rig: Rig, option: str | None, folder: Path) -> Changes:
    """Bring the whole night into the history, and ask it what has changed.

    Its parts have kept it as they went; what is brought in now counts each test once, whatever part it was run in.
    """
    try:
        where = place.of_rig(rig, option)
        if where is None:
            return Changes()
        from hil.history.adding import add
        from hil.history.database import open_history

        with open_history(where) as history:
            add(history, folder)
            return _asked(history, rig.name, folder)
    except (ImportError, OSError, ValueError) as error:  # a HistoryError is a ValueError
        return Changes(trouble=f"{error}; when that is mended: hil history add {folder}")


def _asked(history: object, rig: str, folder: Path) -> Changes:
    from hil.history.database import History
    from hil.history.keep import key_of
    from hil.history.questions import drifts, regressions
    from hil.history.window import window
    from hil.history.wording import how, moved, together

    assert isinstance(history, History)
    key = key_of(folder)
    with history.reading() as connection:
        found = window(connection, rig=rig)
        broken = [one for one in regressions(found) if one.kind == "broken"]
        worse = [one for one in together(drifts(found)) if one.drift.worse]
    return Changes(
        onsets={(one.board.name, one.scenario): _onset(one, key) for one in broken},
        drifts=tuple(
            f"{one.drift.board.name}: {one.drift.name} {moved(one.drift)}, {how(one.drift)}, {one.where}"
            for one in worse
        ),
    )


def _onset(one: Regression, key: str) -> Onset:
    """`key`: the night's run."""
    new = one.good is not None and one.since.key == key
    return Onset(new, one.since.name, one.firmware, one.good_firmware if one.good else None, one.tries)
