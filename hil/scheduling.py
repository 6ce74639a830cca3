"""Hands out tests group by group, as pytest-xdist's `--dist loadgroup` does, by what the workers say of their groups.

pytest-xdist 3.8 learns the groups from the tests' names, which its workers extend by them; pytest 9.2 makes a name of
its parts each time, so that the groups are lost there without a word. Imported where pytest-xdist runs alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped,import-not-found,unused-ignore]


class GroupScheduling(LoadGroupScheduling):  # type: ignore[misc,unused-ignore]
    """`group_of` tells a test's group by its node id; None for one that may go to any worker."""

    def __init__(self, config: pytest.Config, log: Any, group_of: Callable[[str], str | None]) -> None:
        super().__init__(config, log)
        self._group_of = group_of

    def _split_scope(self, nodeid: str) -> str:
        return self._group_of(nodeid) or super()._split_scope(nodeid)
