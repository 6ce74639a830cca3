"""A pytest plugin that writes down which tests on boards there are: `-p hil.nightly.telling --collect-only`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final

import pytest

from hil import plugin_markers as markers

VARIABLE: Final = "HIL_NIGHTLY_TESTS"
"""Names the file to write."""


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write them, in their order, as a JSON list; see `hil.nightly.planned.Planned` for what is said of each."""
    told = [about for item in session.items if (about := _about(item)) is not None]
    Path(os.environ[VARIABLE]).write_text(json.dumps(told), encoding="utf-8")


def _about(item: pytest.Item) -> dict[str, Any] | None:
    board = getattr(getattr(item, "callspec", None), "params", {}).get("board")
    if not isinstance(board, str):
        return None
    return {
        "test": item.nodeid,
        # Node ids count from pytest's rootdir on, arguments from where it is started.
        "argument": f"{item.path}::{item.nodeid.split('::', 1)[1]}",
        "board": board,
        "scenario": markers.title(item),
        "groups": markers.groups(item),
    }
