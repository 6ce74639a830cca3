"""A flashing tool's progress as a bar on the terminal, for people who wait; nothing where nobody looks."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress

_PERCENT = re.compile(r"(Writing|Reading|Erasing|Verifying) at 0x([0-9a-fA-F]+)[^\n\r]*?(\d+(?:\.\d+)?) ?%")


class ProgressBar:
    """Understands esptool's 'Writing at 0x00015e5e ... 12.3%'. Use as a context manager, call `feed` with output.

    `told` is called with the flash offset and the percentage of the current image, where they are new.
    """

    def __init__(
        self, title: str, *, shown: bool | None = None, told: Callable[[int, float], object] | None = None
    ) -> None:
        self._told = told
        shown = sys.stderr.isatty() if shown is None else shown
        self._bar = _bar() if shown else None
        self._title = title
        self._task = None if self._bar is None else self._bar.add_task(title, total=100.0)
        self.percent = 0.0

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def feed(self, text: str) -> None:
        """Take in a piece of the tool's output."""
        for found in _PERCENT.finditer(text):
            offset, percent = int(found[2], 16), float(found[3])
            if self._told is not None and percent != self.percent:
                self._told(offset, percent)
            self.percent = percent
            words = f"{self._title}: {found[1].lower()} at {offset:#x}"
            if self._bar is not None and self._task is not None:
                self._bar.update(self._task, completed=percent, description=words)


def _bar() -> Progress:
    from rich.console import Console as Terminal
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=Terminal(stderr=True),
        transient=True,
    )
