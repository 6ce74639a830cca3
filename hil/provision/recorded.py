"""A method as a provisioner: its secrets hidden from the timeline, what it did told there."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager, nullcontext

from hil.credentials import redactable
from hil.credentials.identity import leaf, serial_of
from hil.provision import Method, ProvisionResult, Setting
from hil.timeline import SHORTEST_SECRET, Timeline


class Recorded:
    """Provisions one board by `method`. See `hil.provision.Provisioner`.

    `session` keeps the firmware from running; a method that works in the flash has it for as long as it takes, because
    a firmware that runs between reading and writing would change what was read.
    """

    def __init__(
        self, method: Method, timeline: Timeline, board: str, session: Callable[[], AbstractContextManager[object]]
    ) -> None:
        self._method = method
        self._session = session if method.in_flash else nullcontext
        self._timeline = timeline
        self._board = board

    @property
    def method(self) -> str:
        return self._method.name

    @property
    def in_flash(self) -> bool:
        return self._method.in_flash

    def provision(self, values: Mapping[str, Setting], *, secret: Collection[str] = ()) -> ProvisionResult:
        """See `hil.provision.Provisioner`. What the flasher raises goes through; it is on the timeline first."""
        began = time.monotonic()
        self._hide(values, secret)
        self._timeline.record("provision", "start", self._board, method=self.method)
        try:
            with self._session():
                applied = self._method.apply(values)
        except BaseException as error:
            reason = str(error) or type(error).__name__
            self._timeline.record("provision", "failed", self._board, method=self.method, reason=reason)
            raise
        subject, serial = _device_certificate(values)
        result = ProvisionResult(
            method=self.method,
            sectors=applied.sectors,
            written=applied.written,
            capacity=applied.capacity,
            seconds=time.monotonic() - began,
            subject=subject,
            serial=serial,
            recovered=applied.recovered,
        )
        self._timeline.record(
            "provision",
            "done",
            self._board,
            method=self.method,
            sectors=result.sectors,
            bytes=result.written,
            capacity=result.capacity,
            seconds=round(result.seconds, 3),
            subject=subject,
            serial=serial,
            recovered=result.recovered or None,
            problems=list(applied.problems) or None,
        )
        return result

    def _hide(self, values: Mapping[str, Setting], secret: Collection[str]) -> None:
        """Have the timeline blank every secret from now on: the console may print it, a tool may quote it."""
        for key, setting in values.items():
            if setting is None:
                continue
            text = setting[1]
            for line in redactable(text):
                self._timeline.redact(line)
            if key in secret and "PRIVATE KEY-----" not in text:
                for line in text.splitlines():
                    if len(line) >= SHORTEST_SECRET:
                        self._timeline.redact(line)


def _device_certificate(values: Mapping[str, Setting]) -> tuple[str | None, str | None]:
    """Subject and serial of the first certificate among the settings that is not an authority's."""
    for setting in values.values():
        found = leaf(setting[1]) if setting is not None else None
        if found is not None:
            return found.subject.rfc4514_string(), serial_of(found)
    return None, None
