"""Two clients with one id throw each other out. The device is one of them; it must not make a war of it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from hil.bench import Bench
from hil.board import Board
from hil.timeline import NoSuchEvent, Timeline, where
from hil.wire.mqtt import Connect, Decoder, Version, encode

from .asking import MARGIN
from .backoff import pauses

pytestmark = [pytest.mark.needs("own-network", "gateway"), pytest.mark.mqtt]

#: How often the other client comes back, too.
TIMES = 4


@contextlib.contextmanager
def another(bench: Bench, board: Board) -> Iterator[None]:
    """Another client under the board's id, straight at the broker, for as long as the broker bears it."""
    mqtt = board.contract.mqtt
    connect = Connect(mqtt.client_id, Version.V311, clean=mqtt.clean_session, keep_alive=0)
    with socket.create_connection((bench.broker.host, bench.broker.port), timeout=MARGIN) as link:
        link.sendall(encode(connect, Version.V311))
        answers = Decoder(Version.V311)
        while not list(answers.feed(link.recv(4096))):
            pass
        yield


@pytest.mark.needs("retry")
@pytest.mark.scenario(
    "survives a second client with its id",
    covers=("duplicate client id", "PubSubClient #129 #155 #767: takeover ping-pong"),
    waits="4 takeovers, each with its gap",
)
def test_survives_a_second_client(online_board: Board, bench: Bench, timeline: Timeline) -> None:
    """Thrown out by another client with its id it comes back, after longer gaps each time, or both spin for ever."""
    board, retry = online_board, online_board.contract.retry
    mark = timeline.mark()
    with contextlib.ExitStack() as others:
        for _ in range(TIMES):
            taken = timeline.mark()
            others.enter_context(another(bench, board))
            try:
                timeline.wait(where("gateway", "connack", board.name, code=0), timeout=retry.most + MARGIN, after=taken)
            except NoSuchEvent as silence:
                pytest.fail(f"another client took its id, and it never came back\n{silence}")
    accept = timeline.last(where("gateway", "connect", board.name), after=mark)
    assert accept is not None
    board.wait_online(after=accept.sequence)
    gaps = pauses(timeline.events(after=board.started()), board)
    shown = ", ".join(f"{gap:.2f}" for gap in gaps)
    assert max(gaps) >= 0.5 * retry.first, f"a war of takeovers: it is back after {shown} s"
    if retry.kind.startswith("exponential"):
        assert max(gaps) > 2 * min(gaps), f"a war of takeovers: it is back after {shown} s, and waits no longer"


@pytest.mark.quick
@pytest.mark.scenario(
    "has a client id of its own", covers=("PubSubClient #129 #155 #767: two clients, one id",), waits="online.within"
)
def test_has_an_id_of_its_own(online_board: Board, bench: Bench, timeline: Timeline) -> None:
    """Its client id is the one of its contract, and no other board of the rig is promised the same."""
    connect = timeline.last(where("gateway", "connect", online_board.name))
    assert connect is not None
    found, promised = connect["client_id"], online_board.contract.mqtt.client_id
    assert found == promised, f"it calls itself {found!r}, not {promised!r}: is that the same on each board?"
    others = [b.name for b in bench.rig.boards.values() if b.contract.mqtt.client_id == found]
    assert others == [online_board.name], (
        f"{' and '.join(others)} have one client id, {found!r}: they will fight for it"
    )
