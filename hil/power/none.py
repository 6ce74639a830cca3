"""No switch. A hard reset stands in where that will do; scenarios that need a real power cut are not applicable."""

from __future__ import annotations

from typing import Literal

from hil.power import CannotCut
from hil.toml import Strict


class NoPower(Strict):
    """No switch: a hard reset stands in where that will do."""

    kind: Literal["none"] = "none"


class NoSwitch:
    """The board has its supply all the time."""

    kind = "none"
    can_cut = False
    shortest: float | None = None

    def __init__(self, *, board: str) -> None:
        self._board = board

    def on(self) -> None:
        raise self._cannot()

    def off(self) -> None:
        raise self._cannot()

    def is_on(self) -> bool | None:
        return True

    def close(self) -> None:
        pass

    def _cannot(self) -> CannotCut:
        return CannotCut(
            f"power of {self._board}: it has no switch (power kind 'none'), so its supply cannot be cut: "
            "name a switch in the rig (docs/power.md), or use a hard reset"
        )
