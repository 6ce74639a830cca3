"""The line to one board, for checks that touch it: locked against other runs, powered, and left as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from hil.console import ConsoleError
from hil.doctor.check import Case
from hil.flash import FlashError
from hil.folders import state_folder
from hil.guardian.locks import Taken, locked
from hil.parts.board import Line, open_line
from hil.power import PowerError
from hil.rig import RigBoard
from hil.timeline import Timeline
from hil.virtual_board import VirtualBoardError

#: What keeps a board from being asked: each a message of one line that names the cure.
HINDRANCES = (ConsoleError, FlashError, PowerError, VirtualBoardError, Taken)


@contextlib.contextmanager
def opened(case: Case, board: RigBoard) -> Iterator[Line]:
    """Inside, the board is this process's, has power, and its console is open. Raises one of HINDRANCES.

    Afterwards it has its power as it had it before, and the locks are free.
    """
    state = state_folder(case.rig)
    with locked(case.rig, [board.name], state=state), contextlib.ExitStack() as closing:
        line = open_line(case.rig, board, Timeline(), case.artifacts, state, closing)
        if line.power.can_cut:
            was_off = line.power.is_on() is False
            closing.callback(line.power.off if was_off else line.power.on)
            if was_off:
                line.power.on()
        yield line


def reason(error: Exception, board: RigBoard) -> str:
    """The first line of what hindered, without the board's name in front."""
    return str(error).split("\n")[0].removeprefix(f"board {board.name}: ")
