"""What a test's result says beside its verdict: which firmware it is about, and what was measured.

Made where the bench is, so with pytest-xdist in a worker; it travels with the test's account to results.jsonl and to
the history.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hil.bench import Bench
from hil.history.measure import measure

VERSION: Final = "HIL_FIRMWARE_VERSION"
REVISION: Final = "HIL_FIRMWARE_REVISION"

_KEPT: Final = {("board", "contract"), ("flash", "firmware")}
"""Events whose newest is remembered, by board and source."""


@dataclass
class Witness:
    """`version` and `revision`: what somebody says of the firmware; None: what its app descriptor says, or nobody."""

    version: str | None = None
    revision: str | None = None
    _measured_to: dict[str, int] = field(default_factory=dict)
    _known: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def told(cls, version: str | None, revision: str | None) -> Witness:
        """By options, or else by $HIL_FIRMWARE_VERSION and $HIL_FIRMWARE_REVISION."""
        return cls(version or os.environ.get(VERSION), revision or os.environ.get(REVISION))

    def account(self, bench: Bench, board: str, begin: int) -> dict[str, Any]:
        """Of the test on `board` that began at position `begin` and has just ended: for its line in results.jsonl.

        Each stretch of the timeline is measured once: a second call looks at what came since.
        """
        timeline = bench.timeline
        since = self._measured_to.get(board, 0)
        events = timeline.events(after=since)
        self._measured_to[board] = since + len(events)
        for event in events:
            if event.board == board and (event.source, event.kind) in _KEPT:
                self._known[board, event.source] = event.data
        found = measure(events, board, self._known.get((board, "board"), {}), begin=begin)
        return {"firmware": self._firmware(bench, board), "measured": {k: list(v) for k, v in found.items()}}

    def _firmware(self, bench: Bench, board: str) -> dict[str, Any] | None:
        flashed = self._known.get((board, "flash"))
        if flashed is None:
            return None
        contract = bench.boards[board].contract
        return {
            "contract": contract.name,
            "sha256": flashed["sha256"],
            "version": self.version or flashed.get("version"),
            "revision": self.revision,
            "own": contract.settings_in_firmware,
        }
