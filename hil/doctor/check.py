"""One check: what it looks at, what cures what it finds, and the function that does it.

A group of checks is a file of its own with a tuple `CHECKS`; `hil.doctor.checks` lists the groups. A check is given a
`Case` and yields findings. It changes nothing, unless `asked` names the option by which somebody wanted that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from hil.doctor.finding import Finding
from hil.doctor.host import Host
from hil.folders import new_run_folder
from hil.rig import Rig, RigBoard


@dataclass
class Case:
    """What is examined: these boards of a rig on this host. `options`: those that were given, such as '--power'."""

    rig: Rig
    boards: list[RigBoard]
    host: Host = field(default_factory=Host)
    options: frozenset[str] = frozenset()
    seconds: float | None = None
    say: Callable[[str], None] = lambda text: None

    @cached_property
    def artifacts(self) -> Path:
        """The folder for what a check that touches boards leaves behind, made when it is first wanted."""
        return new_run_folder(self.rig)

    @property
    def real(self) -> list[RigBoard]:
        """The boards that are not virtual."""
        return [board for board in self.boards if board.config.virtual is None]


@dataclass(frozen=True)
class Check:
    """`looks`: what it looks at, `cure`: what to do about what it finds, both as docs/doctor.md has them.

    `asked`: the option that asks for it; "" for what every run looks at.
    """

    name: str
    looks: str
    cure: str
    run: Callable[[Case], Iterator[Finding]]
    asked: str = ""
