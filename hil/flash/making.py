"""Makes the flasher of a board as its rig says."""

from __future__ import annotations

from pathlib import Path

from hil.console import Console
from hil.flash import Flasher
from hil.flash.avrdude import BOARDS, Avrdude, Target
from hil.flash.esptool import Esptool
from hil.flash.kinds import AvrdudeFlasher
from hil.rig import BoardConfig
from hil.timeline import Timeline


def make(
    name: str, config: BoardConfig, url: str, raw: str | None, console: Console, timeline: Timeline, artifacts: Path
) -> Flasher:
    """The flasher of board `name`, whose console is at `url`; `raw`: 'host:port' for a program without RFC 2217."""
    chosen = config.flasher or (AvrdudeFlasher() if config.virtual == "uno" else None)
    if isinstance(chosen, AvrdudeFlasher):
        known = BOARDS[chosen.board]
        target = Target(chosen.part or known.part, chosen.programmer or known.programmer, known.bauds, known.flash)
        port = chosen.port or (f"net:{raw}" if raw else url)
        return Avrdude(
            timeline,
            name,
            port,
            target,
            bauds=() if chosen.baud == "auto" else (chosen.baud,),
            timeout=chosen.timeout,
            silence=chosen.silence,
            console=console,
            artifacts=artifacts,
        )
    return Esptool(timeline, name, url, config.chip, baud=config.flash_baud, console=console, artifacts=artifacts)
