"""What pytest is told for a part of a night."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from hil.nightly.plan import Plan
from hil.sharing import lanes


class Arguments:
    """From the plan of the night in `folder`. `firmware`: what --firmware says for boards."""

    def __init__(self, plan: Plan, folder: Path, firmware: Callable[[Sequence[str]], list[str]]) -> None:
        self._plan = plan
        self._folder = folder
        self._firmware = firmware

    def of_part(self, artifacts: Path, boards: Sequence[str]) -> list[str]:
        """For a run on these boards that leaves its artifacts in this folder; the tests come behind."""
        of_boards = of_rig(self._plan, boards, self._firmware(boards))
        return [*of_boards, *self._of_run(artifacts), *self._side_by_side(boards)]

    def _of_run(self, artifacts: Path) -> Iterator[str]:
        plan = self._plan
        # The reports are those of the whole night; pytest's own cache is for people at a keyboard.
        yield from ("--reports=none", "-p", "no:cacheprovider", "--color=no", "-rN")
        yield f"--artifacts={artifacts.absolute()}"
        yield f"--part-of={self._folder.absolute()}"
        said = {"history": plan.history, "firmware-version": plan.version, "firmware-revision": plan.revision}
        yield from (f"--{name}={value}" for name, value in said.items() if value is not None)
        yield f"--wait={plan.wait:g}"

    def _side_by_side(self, boards: Sequence[str]) -> Iterator[str]:
        """A worker for each board, where there is more than one, and something that starts workers."""
        several = len(set(lanes(self._plan.rig, boards).values())) > 1
        if several and importlib.util.find_spec("xdist") is not None:
            yield from ("-n", "auto")


def of_rig(plan: Plan, boards: Sequence[str], firmware: Sequence[str]) -> list[str]:
    """Which boards of which rig, with which firmware."""
    return [
        f"--rig={plan.rig.path}",
        *(f"--board={name}" for name in boards),
        *(f"--firmware={text}" for text in firmware),
    ]
