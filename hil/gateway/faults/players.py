"""All the faults at work on one connection, in the order in which they were armed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from hil.gateway.faults.player import Frame, Link, Subject

if TYPE_CHECKING:
    from hil.gateway.faults.armory import ArmedFault


class Players:
    """A frame meets each player in turn; a later one rules on what the earlier ones left. In the loop's thread."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._links: list[Link] = []

    def join(self, handle: ArmedFault) -> Link | None:
        """Have an armed fault play, if it wants to. The caller lets it begin."""
        link = Link(handle, self._subject, self)
        link.player = handle.fault.player(link)
        if link.player is None:
            return None
        self._links.append(link)
        handle.links.add(link)
        return link

    def up(self, frame: Frame) -> list[Frame]:
        """What the broker shall get of a packet from the device."""
        frames = [frame]
        for link in list(self._links):
            assert link.player is not None
            frames = _ruled(link.player.up, frames)
        return frames

    def down(self, frame: Frame) -> list[Frame]:
        """What the device shall get, now, of a packet for it."""
        return self._down(self._links, [frame])

    def down_after(self, link: Link, frames: Iterable[Frame]) -> list[Frame]:
        """What the device shall get of frames that come from one of the players."""
        position = self._links.index(link) + 1 if link in self._links else 0
        return self._down(self._links[position:], list(frames))

    def accepted(self) -> None:
        for link in list(self._links):
            if link.player is not None and not self._subject.over:
                link.player.accepted()

    def ended(self) -> None:
        """The connection is over; what lies below TLS may still be on its way."""
        for link in self._links:
            link.stop_timers()

    def gone(self) -> None:
        """The TCP connection is no more."""
        for link in self._links:
            link.leave()
        self._links.clear()

    def leave(self, link: Link) -> None:
        if link in self._links:
            self._links.remove(link)
            link.leave()

    def _down(self, links: Iterable[Link], frames: list[Frame]) -> list[Frame]:
        for link in list(links):
            assert link.player is not None
            frames = _ruled(link.player.down, frames)
        return frames


def _ruled(rule: object, frames: list[Frame]) -> list[Frame]:
    assert callable(rule)
    passed: list[Frame] = []
    for frame in frames:
        ruling = rule(frame)
        passed.extend((frame,) if ruling is None else ruling)
    return passed
