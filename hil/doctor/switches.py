"""What each power switch says of itself; `hil.doctor.cutting` measures whether that is true."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.parts.board import make_power
from hil.power import PowerError


def _switch(case: Case) -> Iterator[Finding]:
    for board in case.boards:
        about, kind = f"{board.name} power", board.config.power_kind
        if kind == "none":
            cure = "scenarios that need a real power cut are not applicable"
            yield note(about, "no switch: a hard reset stands in", cure)
        elif kind == "virtual":
            yield ok(about, "virtual")
        else:
            try:
                with contextlib.closing(make_power(case.rig, board, None, None)) as switch:
                    state = switch.is_on()
            except PowerError as error:
                yield fault(about, str(error), "as it says, or correct power in the rig")
                continue
            if state is None:
                cure = "let it tell its state where it can (docs/power.md), so that switching is checked"
                yield note(about, f"{kind}: its state cannot be read", cure)
            else:
                yield ok(about, f"{kind}: {'on' if state else 'off'}")


CHECKS = (
    Check(
        "power-switch",
        "each power switch answers and tells its state; nothing is switched",
        "as the line says: the tool, the address, the right, the secret",
        _switch,
    ),
)
