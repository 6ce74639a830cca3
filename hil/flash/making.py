"""Makes the flasher of a board as its rig says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hil.console import Console
from hil.flash import Flasher
from hil.flash.arduino_cli import ArduinoCli
from hil.flash.avrdude import BOARDS, Avrdude, Target
from hil.flash.bossac import Bossac
from hil.flash.esptool import Esptool
from hil.flash.kinds import ArduinoCliFlasher, AvrdudeFlasher, BossacFlasher, Uf2Flasher
from hil.flash.uf2 import Uf2Copy
from hil.flash.upload import Line, Uploader
from hil.ports import PortFinder
from hil.ports.recognition import Recognition
from hil.rig import RigBoard
from hil.timeline import Timeline


def make(
    board: RigBoard,
    url: str | PortFinder,
    raw: str | None,
    console: Console,
    timeline: Timeline,
    artifacts: Path,
    resolve: Callable[[str], Path],
    recognition: Recognition | None = None,
) -> Flasher:
    """The flasher of a board whose console is at `url`; `raw`: 'host:port' for a program without RFC 2217.

    `resolve` makes a path of one in the rig file. `recognition` judges whether it is the board that is meant.
    """
    name, config = board.name, board.config
    chosen = config.flasher or (AvrdudeFlasher() if config.virtual == "uno" else None)
    if isinstance(chosen, AvrdudeFlasher):
        line = Line(timeline, name, url, chosen.timeout, chosen.silence, console, artifacts, recognition=recognition)
        return _avrdude(chosen, chosen.port or (f"net:{raw}" if raw else url), line)
    if isinstance(chosen, ArduinoCliFlasher | BossacFlasher | Uf2Flasher):
        line = Line(timeline, name, url, chosen.timeout, chosen.silence, console, artifacts, recognition=recognition)
        return _uploader(chosen, line, resolve)
    return Esptool(
        timeline,
        name,
        url,
        config.chip,
        baud=config.flash_baud,
        console=console,
        artifacts=artifacts,
        recognition=recognition,
    )


def _uploader(
    chosen: ArduinoCliFlasher | BossacFlasher | Uf2Flasher, line: Line, resolve: Callable[[str], Path]
) -> Uploader:
    if isinstance(chosen, ArduinoCliFlasher):
        return ArduinoCli(
            line,
            chosen.fqbn,
            config=resolve(chosen.config) if chosen.config else None,
            folder=chosen.folder,
            verify=chosen.verify,
        )
    if isinstance(chosen, BossacFlasher):
        return Bossac(
            line,
            offset=chosen.offset,
            boot=chosen.boot,
            reappears=chosen.reappears,
        )
    return Uf2Copy(
        line,
        drive=resolve(chosen.drive) if chosen.drive else None,
        board_id=chosen.board_id,
        touches=chosen.touches,
        appears=chosen.appears,
        leaves=chosen.leaves,
    )


def _avrdude(chosen: AvrdudeFlasher, port: str | PortFinder, line: Line) -> Avrdude:
    known = BOARDS[chosen.board]
    return Avrdude(
        line.timeline,
        line.board,
        port,
        Target(chosen.part or known.part, chosen.programmer or known.programmer, known.bauds, known.flash),
        bauds=() if chosen.baud == "auto" else (chosen.baud,),
        timeout=line.timeout,
        silence=line.silence,
        console=line.console,
        artifacts=line.artifacts,
        recognition=line.recognition,
    )
