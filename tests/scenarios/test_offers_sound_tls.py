"""What a device offers before it has seen any certificate: cipher suites, versions, and the name that it wants."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hil.board import Board
from hil.gateway.tls.suites import grade
from hil.timeline import Event, Timeline, where

pytestmark = [pytest.mark.tls, pytest.mark.quick, pytest.mark.needs("own-tls", "gateway")]

Tell = Callable[[str], None]


def first_hello(timeline: Timeline, board: Board) -> Event:
    """Its ClientHello after a power cycle."""
    mark = timeline.mark()
    board.power_cycle()
    return timeline.wait(where("gateway", "hello", board.name), timeout=board.contract.online.within, after=mark)


@pytest.mark.scenario(
    "offers sound cipher suites", covers=("Device Advisor: TLS supported cipher suites",), waits="online.within"
)
def test_offers_sound_cipher_suites(board: Board, timeline: Timeline, finding: Tell) -> None:
    """It offers a suite that RFC 9325 recommends, and none that is broken; older ones besides are a finding."""
    offered = first_hello(timeline, board)["ciphers"]
    grades = {suite: grade(suite) for suite in offered}
    broken = [suite for suite, found in grades.items() if found == "broken"]
    assert "recommended" in grades.values(), f"no suite that RFC 9325 recommends is offered: {', '.join(offered)}"
    assert not broken, f"broken suites are offered: {', '.join(broken)}"
    legacy = sum(found == "legacy" for found in grades.values())
    if legacy:
        finding(f"{legacy} of {len(offered)} cipher suites offered are without forward secrecy or authenticated")


@pytest.mark.scenario(
    "speaks a current version of TLS", covers=("RFC 9325 section 3.1.1", "RFC 8996"), waits="online.within"
)
def test_speaks_a_current_version(board: Board, timeline: Timeline, finding: Tell) -> None:
    """It offers TLS 1.2 or later. That it offers older ones as well is a finding: a server has to refuse them."""
    versions = first_hello(timeline, board)["versions"]
    assert {"TLSv1.2", "TLSv1.3"} & set(versions), f"offers {', '.join(versions)} alone"
    finding(f"TLS versions offered: {', '.join(versions)}")


@pytest.mark.scenario(
    "names the server that it wants",
    covers=("AWS IoT Core: SNI is required", "RFC 6066 section 3"),
    waits="online.within",
)
def test_names_the_server_it_wants(board: Board, timeline: Timeline) -> None:
    """Its ClientHello holds the server's name: brokers that serve many names from one address refuse it otherwise."""
    expected = board.names.get("server_name")
    hello = first_hello(timeline, board)
    assert hello["sni"] is not None, "no server name in its ClientHello (SNI)"
    assert hello["sni"] == expected, f"it asks for {hello['sni']!r}, not for {expected!r}"
