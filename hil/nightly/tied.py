"""A pytest plugin for a part of a night: it ends with the process that started it, and says which tests it begins.

A part that outlives its night would hold the boards when the night is to go on. The tie is a pipe whose other end that
process holds, so it breaks however the process ends.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Final

import pytest

TIE: Final = "HIL_NIGHTLY_TIE"
"""Names the descriptor of the pipe's reading end."""
BEGUN: Final = "HIL_NIGHTLY_BEGUN"
"""Names the file in which each test is written down as it begins, a line each."""


def pytest_configure(config: pytest.Config) -> None:
    """In the process that hands out the tests; its workers end with it."""
    if hasattr(config, "workerinput"):
        return
    threading.Thread(target=_end_with, args=(int(os.environ[TIE]),), daemon=True, name="hil-tie").start()
    config.pluginmanager.register(_Begun(Path(os.environ[BEGUN])), "hil-nightly-begun")


def _end_with(pipe: int) -> None:
    while os.read(pipe, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGTERM)  # a group of its own: see `hil.nightly.part`


class _Begun:
    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Before its set-up."""
        from hil.report.results import without_group

        os.write(self._file, f"{without_group(nodeid)}\n".encode())
