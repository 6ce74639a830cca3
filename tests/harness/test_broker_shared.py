"""A broker that several processes use: each takes what its log says of its own boards, and none of the rest."""

from __future__ import annotations

import json
from pathlib import Path

import paho.mqtt.client as paho
import pytest

from hil.broker import BrokerError, Joined, Mosquitto, SharedBroker, find_mosquitto
from hil.parts.broker_side import shared_broker
from hil.timeline import Timeline, where

LIMIT = 60.0


@pytest.mark.skipif(find_mosquitto() is None, reason="mosquitto is not installed")
def test_each_process_has_the_lines_of_its_own_boards(tmp_path: Path) -> None:
    starter, mine = Timeline(), Timeline()
    with Mosquitto(starter, tmp_path) as broker:
        told = json.dumps(shared_broker(broker).plain())
        shared = SharedBroker.of(json.loads(told))
        assert (shared.kind, shared.port, shared.capabilities) == ("mosquitto", broker.port, broker.capabilities)
        with Joined(mine, shared) as joined:
            ports: dict[int, str] = {}
            joined.attribute(ports.get)
            clients = []
            for name, board in (("theirs", None), ("mine", "a")):
                client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=name)
                sock = client._create_socket_connection

                def opened(sock=sock, board=board) -> object:  # type: ignore[no-untyped-def]
                    made = sock()
                    if board is not None:
                        ports[made.getsockname()[1]] = board
                    return made

                client._create_socket_connection = opened
                client.connect(joined.host, joined.port)
                client.loop_start()
                clients.append(client)
            mine.wait(where("broker", "log", "a", text=lambda text: "CONNACK to mine" in text), timeout=LIMIT)
            starter.wait(where("broker", "log", text=lambda text: "CONNACK to theirs" in text), timeout=LIMIT)
            for client in clients:
                client.disconnect()
                client.loop_stop()
            starter.wait(where("broker", "log", text=lambda text: "DISCONNECT from mine" in text), timeout=LIMIT)
        assert broker.pid is not None
    logged = mine.events(where("broker", "log"))
    assert {event.board for event in logged} == {"a"}
    assert any("DISCONNECT from mine" in event["text"] for event in logged)
    assert not any("theirs" in event["text"] for event in logged)
    assert mine.events(where("broker", "joined", shared=True))
    assert not mine.events(where("broker", "started"))


def test_a_broker_that_is_gone_is_told_with_where_its_log_is(tmp_path: Path) -> None:
    from hil.broker.mosquitto import free_port

    shared = SharedBroker("mosquitto", "127.0.0.1", free_port("127.0.0.1"), None, frozenset(), tmp_path / "its.log")
    with pytest.raises(BrokerError, match=r"does not accept connections.*its\.log"):
        Joined(Timeline(), shared).start()
