"""Keys and passwords are nobody's business: whoever can read a device's console must not become the device."""

from __future__ import annotations

import re

import pytest

from hil.board import Board
from hil.timeline import Timeline, where

#: How a private key's PEM begins, and what the timeline puts in a secret's place (hil.timeline.Timeline.redact).
SECRET = re.compile(r"BEGIN [A-Z ]*PRIVATE KEY|\[redacted\]")


@pytest.mark.needs("secrets")
@pytest.mark.tls
@pytest.mark.quick
@pytest.mark.scenario(
    "prints no secret on its console", covers=("debug builds that log keys and passwords",), waits="online.within"
)
def test_prints_no_secret_on_its_console(board: Board, timeline: Timeline) -> None:
    """From power-on until it is online no line of its console holds its private key or the Wi-Fi password."""
    mark = timeline.mark()
    board.power_cycle()
    board.wait_online(after=mark)
    said = timeline.events(
        where("console", "line", board.name, text=lambda text: bool(SECRET.search(text))), after=mark
    )
    assert not said, f"{len(said)} lines of its console hold a secret: {'; '.join(text[:80] for text in said[:3])}"
