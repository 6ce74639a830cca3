"""What a run put into its boards: firmware by its hashes, credentials by subject and serial number, faults by name.

And with which programs of others it did so.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hil.report.runs import Run
from hil.timeline import Event

_FIRMWARE = ("sha256", "project", "version", "built", "images")
_CREDENTIALS = ("subject", "serial", "method")
_TOOL = ("name", "program", "version", "trouble")


def firmware(run: Run, board: str) -> list[dict[str, Any]]:
    """Each firmware that the board had, once, oldest first: `sha256` over all images, `images`, the app's `version`.

    Empty where nothing was flashed, or an older hil did not tell.
    """
    return _once(run, board, "flash", "firmware", _FIRMWARE)


def credentials(run: Run, board: str) -> list[dict[str, Any]]:
    """Each certificate that was put into the board, once: `subject`, `serial` (hexadecimal), `method`; oldest first."""
    return [found for found in _once(run, board, "provision", "done", _CREDENTIALS) if found["serial"] is not None]


def faults(run: Run, board: str) -> dict[str, int]:
    """How often each fault was armed against the board, by name; the most frequent first."""
    kinds = [(source, "fault") for source in ("gateway", "time", "power")]
    armed = [str(e.get("name")) for e in _of(run, board, *kinds) if e.get("state") == "armed"]
    return dict(Counter(armed).most_common())


def tools(run: Run) -> list[dict[str, Any]]:
    """The programs that flashers, switches and broker are, each once: `name`, `program`, `version`, `trouble`."""
    told = [tool for part in run.parts for tool in part.facts.get("tools", ()) if isinstance(tool, dict)]
    each = {repr(one): one for one in ({key: tool.get(key) for key in _TOOL} for tool in told)}
    return list(each.values())


def _of(run: Run, board: str, *kinds: tuple[str, str]) -> list[Event]:
    found = [event for part in run.parts for event in part.of(*kinds) if event.board == board]
    return sorted(found, key=lambda event: event.monotonic)


def _once(run: Run, board: str, source: str, kind: str, keys: tuple[str, ...]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for event in _of(run, board, (source, kind)):
        kept = {key: event.get(key) for key in keys}
        found.setdefault(repr(kept), kept)
    return list(found.values())
