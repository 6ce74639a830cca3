"""Which programs a rig's boards and its broker run, and where it says that they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hil.rig import Rig, RigBoard
from hil.rig_file import AutoBroker, MosquittoBroker
from hil.tools.tool import TOOLS, Tool


@dataclass(frozen=True)
class Use:
    """A tool, and the program that the rig names for it (None: the one of the tool's name)."""

    tool: Tool
    program: str | None = None


def of_boards(rig: Rig, boards: Iterable[RigBoard]) -> list[Use]:
    """What the flashers and switches of these boards run; each once."""
    return list(dict.fromkeys(use for board in boards for use in _of_board(rig, board)))


def of_broker(rig: Rig) -> Use | None:
    """mosquitto, where the broker is one, or is one if it is there; None else."""
    broker = rig.file.broker
    if isinstance(broker, MosquittoBroker):
        return Use(TOOLS["mosquitto"], broker.program)
    return Use(TOOLS["mosquitto"]) if isinstance(broker, AutoBroker) else None


def _of_board(rig: Rig, board: RigBoard) -> Iterable[Use]:
    if board.config.flasher is not None and board.config.flasher.kind in TOOLS:
        yield Use(TOOLS[board.config.flasher.kind])
    elif board.config.flasher is None and board.config.virtual == "uno":
        yield Use(TOOLS["avrdude"])
    power = board.config.power
    if power is not None and power.kind in TOOLS:
        program: str | None = getattr(power, "program", None)
        if program is not None and power.kind == "labgrid" and "/" in program:
            program = str(rig.resolve(program))  # as hil.power.labgrid takes it: a path from the rig's folder on
        yield Use(TOOLS[power.kind], program)
