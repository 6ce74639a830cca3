"""The serial link between a pty, which plays the board, and a gateway before a real mosquitto."""

from __future__ import annotations

import json
import socket
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import NAME, NOW, YEAR, Identity, pki
from chatty_broker import ChattyBroker
from gateway_bench import LIMIT, Bench
from ptys import Device

from hil import needs
from hil.broker import Mosquitto
from hil.console import Console
from hil.contract import Contract
from hil.credentials import Credentials, CredentialsError
from hil.gateway import ServerIdentity, policies
from hil.gateway.faults import Latency, Redeliver, RefuseConnack, RefuseSubscribe, Withhold
from hil.gateway.namespace import Namespace
from hil.link import Endpoint, Link, tls_context
from hil.link.client import Client
from hil.schedule import Schedule
from hil.timeline import Event, where
from hil.wire.mqtt import Disconnect, Version, encode

SILENCE = 30.0  # seconds: nothing goes silent by chance on a busy machine
CONTRACT = """
name = "pty"
firmware = { images = [{ offset = 0, file = "none" }] }
retry = { kind = "constant", first = 0.1, most = 0.1 }
time = { source = "none", required = false }
provision = { method = "none" }
[mqtt]
client_id = "device-a"
keep_alive = 5
will = { topic = "d/status", payload = "offline", qos = 1 }
online = { topic = "d/status", payload = "online", qos = 1 }
[link]
start = "^boot"
silence = %s
longest = 200
topics = { tell = { topic = "d/tell", qos = 1 }, ask = { topic = "d/ask" } }
"""


def contract(silence: float = SILENCE) -> Contract:
    return Contract.model_validate(tomllib.loads(CONTRACT % silence))


def credentials(of: Identity) -> Credentials:
    return Credentials(pki().root.pem, of.chain_pem, of.key_pem, "CN=device-a", "1", NOW - YEAR, NOW + YEAR)


class Linked:
    """A board made of a pty, its console, its link, and the gateway's bench."""

    def __init__(self, bench: Bench, folder: Path, silence: float) -> None:
        self.bench, self.timeline = bench, bench.timeline
        self.device = Device(folder / "port")
        self.console = Console(self.timeline, "a", str(self.device.path)).open()
        endpoint = Endpoint(*bench.gateway.endpoint("a"), NAME)
        tls = tls_context(credentials(pki().device), NAME)
        self.link = Link(self.timeline, self.console, contract(silence), endpoint, tls)
        self.link.start()

    def say(self, *lines: str) -> int:
        """Say lines; returns the timeline's position of just before."""
        mark = self.timeline.mark()
        self.device.say("".join(line + "\n" for line in lines).encode())
        return mark

    def told(self, kind: str, after: int = 0, source: str = "link", **data: Any) -> Event:
        board = None if source == "monitor" else "a"
        return self.timeline.wait(where(source, kind, board, **data), timeout=LIMIT, after=after)

    def heard(self, payload: bytes, topic: str = "d/tell", after: int = 0) -> Event:
        return self.told("message", after, "monitor", topic=topic, payload=payload)

    def online(self) -> None:
        """Started, connected, listening."""
        mark = self.say("boot", '{"subscribe":"ask"}')
        self.heard(b"online", "d/status", mark)
        self.told("suback", mark, "gateway")

    def line(self) -> dict[str, Any]:
        """The next line that the board gets."""
        data = b""
        while not data.endswith(b"\n"):
            data += self.device.hear(1)
        found: dict[str, Any] = json.loads(data)
        return found


@pytest.fixture
def linked(broker: Mosquitto, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Linked]:
    with Bench(tmp_path, (broker.host, broker.port)) as bench:
        made = Linked(bench, tmp_path, getattr(request, "param", SILENCE))
        yield made
        made.link.close()
        made.console.close()


def test_the_gateway_sees_a_client_as_of_a_networked_board(linked: Linked) -> None:
    linked.say("boot", "some words for people", '{"topic":"tell","n":1}')
    assert linked.told("tls", source="gateway")["subject"] == "CN=device-a"
    assert linked.told("hello", source="gateway")["sni"] == NAME
    connect = linked.told("connect", source="gateway")
    assert (connect["client_id"], connect["keep_alive"], connect["clean"]) == ("device-a", 5, True)
    assert (connect["will"]["topic"], connect["will"]["payload"]) == ("d/status", b"offline")
    online = linked.heard(b"online", "d/status")
    assert online.sequence < linked.heard(b'{"n":1}').sequence
    assert linked.told("publish", source="gateway", topic="d/tell")["qos"] == 1
    linked.told("puback", source="gateway", direction="down")


def test_console_and_link_hear_the_same_lines(linked: Linked) -> None:
    linked.online()
    mark = linked.console.mark()
    linked.say('{"topic":"tell","payload":"both"}')
    linked.heard(b"both")
    linked.console.expect('"both"', LIMIT, after=mark)


def test_a_command_reaches_the_board_and_is_acknowledged_when_it_is_on_the_line(linked: Linked) -> None:
    linked.online()
    assert linked.bench.monitor is not None
    mark = linked.bench.monitor.publish("d/ask", '{"do": "ping"}', qos=1)
    assert linked.line() == {"topic": "ask", "payload": {"do": "ping"}}
    assert linked.told("publish", mark, "gateway", direction="down")["qos"] == 0, "its contract says QoS 0"
    linked.say('{"subscribe":"other/+","qos":1}')
    linked.told("suback", mark, "gateway")
    linked.bench.monitor.publish("other/one", b"\xff", qos=1)
    assert linked.line() == {"topic": "other/one", "payload": "/w==", "base64": True}
    linked.told("puback", mark, "gateway", direction="up")
    linked.bench.gateway.arm(Redeliver(), "a", Schedule(count=1))
    linked.bench.monitor.publish("other/one", b"x", qos=1)
    assert [linked.line(), linked.line()] == [
        {"topic": "other/one", "payload": "x"},
        {"topic": "other/one", "payload": "x", "dup": True},
    ]
    linked.say('{"unsubscribe":"other/+"}')
    linked.told("unsubscribe", mark, "gateway")


def test_a_message_longer_than_a_line_may_be_is_dropped_and_told(linked: Linked) -> None:
    linked.online()
    assert linked.bench.monitor is not None
    linked.bench.monitor.publish("d/ask", b"x" * 200)
    assert "more than 200 (link.longest)" in linked.told("dropped")["reason"]
    linked.bench.monitor.publish("d/ask", b"short")
    assert linked.line()["payload"] == "short"


def test_lines_that_are_none_are_events_and_nothing_else_happens(linked: Linked) -> None:
    linked.online()
    mark = linked.say('{"topic":', "x" * 300, '{"topic":"a/#"}', '{"topic":"tell","payload":"after"}')
    linked.device.say(b"\xff\xfe\n")
    linked.heard(b"after")
    linked.told("bad-line", mark, reason=lambda reason: "UTF-8" in reason)
    reasons = [e["reason"] for e in linked.timeline.events(where("link", "bad-line", "a"), after=mark)]
    assert [reason[:20] for reason in reasons] == [
        "it is no JSON object",
        "it is longer than 20",
        "it 'a/#': a topic na",
        "it is no UTF-8 (byte",
    ]
    assert len(linked.timeline.events(where("gateway", "accept", "a"))) == 1


@pytest.mark.parametrize("linked", [3.0], indirect=True)
def test_silence_has_the_will_published_and_a_line_begins_anew(linked: Linked) -> None:
    mark = linked.say("boot", "{}")
    linked.heard(b"online", "d/status")
    assert linked.told("dead")["why"] == "silence"
    dead = linked.heard(b"offline", "d/status", mark)
    mark = linked.say('{"topic":"tell","payload":"again"}')
    linked.heard(b"again", after=dead.sequence)
    linked.told("alive", mark)


def test_a_restart_ends_one_life_and_begins_another(linked: Linked) -> None:
    linked.online()
    mark = linked.say('{"topic":"tell","payload":"tor', "boot again", '{"topic":"tell","payload":"new life"}')
    assert linked.told("dead", mark)["why"] == "it has restarted"
    will, online = linked.heard(b"offline", "d/status", mark), linked.heard(b"online", "d/status", mark)
    assert will.sequence < online.sequence
    linked.heard(b"new life", after=online.sequence)
    assert not linked.timeline.events(where("gateway", "subscribe", "a"), after=mark), (
        "nobody asked for it in this life"
    )
    linked.say('{"topic":"tell","payload":"boot is a word here"}')
    linked.heard(b"boot is a word here")
    assert len(linked.timeline.events(where("link", "dead", "a"))) == 1


def test_the_line_goes_away_and_comes_back(linked: Linked) -> None:
    linked.online()
    linked.device.say(b'{"topic":"tell","pay')
    linked.console.expect('"pay', LIMIT)
    mark = linked.timeline.mark()
    linked.device.unplug()
    linked.heard(b"offline", "d/status", mark)
    assert linked.told("dead", mark)["why"] == "the line is away"
    assert "torn" in linked.told("bad-line", mark)["reason"]
    linked.device.plug()
    linked.told("port", mark, "console", state="back")
    mark = linked.say('{"topic":"tell","payload":"back"}')
    linked.heard(b"back", after=mark)


def test_a_goodbye_has_no_will_and_lasts_until_the_next_start(linked: Linked) -> None:
    linked.online()
    mark = linked.say('{"disconnect":true}', '{"topic":"tell","payload":"too late"}')
    linked.told("disconnect", mark, "gateway", direction="up")
    linked.told("left", mark)
    linked.say("boot", '{"topic":"tell","payload":"new"}')
    linked.heard(b"new", after=mark)
    seen = linked.timeline.events(where("monitor", "message", None), after=mark)
    assert [event["payload"] for event in seen] == [b"online", b"new"]


def test_what_was_said_before_a_goodbye_is_brought_to_the_broker(linked: Linked) -> None:
    mark = linked.say("boot", '{"topic":"tell","payload":"awake"}', '{"disconnect":true}')
    linked.heard(b"awake")
    linked.told("disconnect", mark, "gateway", direction="up")


def test_what_was_said_before_a_goodbye_is_acknowledged_before_it(linked: Linked) -> None:
    """More than a client has under way at once, and the acknowledgements come late."""
    linked.online()
    linked.bench.gateway.arm(Latency(0.05, direction="down"), "a")
    numbers = range(45)
    mark = linked.say(*(json.dumps({"topic": "tell", "payload": number}) for number in numbers), '{"disconnect":true}')
    linked.told("disconnect", mark, "gateway", direction="up")
    linked.heard(b"44", after=mark)
    seen = linked.timeline.events(where("monitor", "message", None), after=mark)
    assert [event["payload"] for event in seen] == [b"%d" % number for number in numbers]


def test_a_goodbye_is_not_lost_to_what_was_not_read_before_it(tmp_path: Path) -> None:
    """A client that closed its socket on unread bytes would break the broker's writes: the will would be published."""
    with ChattyBroker(tmp_path) as broker:
        tls = tls_context(credentials(pki().device), NAME)
        client = Client(contract().mqtt, contract().retry, broker.endpoint, tls, broker)
        client.start("chatty", after=None)
        assert broker.let_in.wait(LIMIT)
        client.end(goodbye=True)
        assert broker.heard.get(timeout=LIMIT) == encode(Disconnect(), Version.V311)
        client.wait_ended()


def test_after_a_rest_only_a_start_begins_a_life(linked: Linked) -> None:
    linked.online()
    linked.link.rest()
    mark = linked.say('{"topic":"tell","payload":"last words"}', "boot", '{"topic":"tell","payload":"first words"}')
    linked.heard(b"first words", after=mark)
    told = linked.timeline.events(where("monitor", "message", None, topic="d/tell"))
    assert [event["payload"] for event in told] == [b"first words"]


def test_it_connects_again_with_its_subscriptions_and_what_was_said_meanwhile(linked: Linked) -> None:
    linked.online()
    mark = linked.timeline.mark()
    linked.bench.gateway.arm(RefuseConnack(3), "a", Schedule(count=2))
    linked.bench.gateway.drop("a")
    linked.told("lost", mark)
    linked.say('{"topic":"tell","payload":"meanwhile"}')
    linked.heard(b"meanwhile", after=mark)
    lost = linked.timeline.events(where("link", "lost", "a"), after=mark)
    assert len(lost) == 3
    assert "CONNACK refuses it" in lost[1]["reason"]
    linked.told("suback", mark, "gateway")
    assert linked.bench.monitor is not None
    linked.bench.monitor.publish("d/ask", b"still there?")
    assert linked.line()["payload"] == "still there?"
    linked.heard(b"online", "d/status", mark)


def test_a_message_without_puback_is_sent_again_on_the_next_connection(linked: Linked) -> None:
    linked.online()
    linked.bench.gateway.arm(Withhold("puback"), "a", Schedule(count=1))
    mark = linked.say('{"topic":"tell","payload":"once"}')
    first = linked.told("publish", mark, "gateway", topic="d/tell")
    # Not at once: paho takes a message for one that was never sent whose connection goes while it is still sending it.
    linked.told("fault", mark, "gateway", name="withhold", state="applied")
    linked.bench.gateway.drop("a")
    again = linked.told("publish", first.sequence + 1, "gateway", topic="d/tell")
    assert (again["packet_id"], again["dup"]) == (first["packet_id"], True)


def test_a_refused_subscription_is_asked_for_again(linked: Linked) -> None:
    linked.bench.gateway.arm(RefuseSubscribe(0x80), "a", Schedule(count=2))
    linked.say("boot", '{"subscribe":"ask"}')
    linked.told("suback", 0, "gateway", codes=[0])
    assert len(linked.timeline.events(where("link", "refused", "a"))) == 2


def test_too_much_without_a_connection_drops_the_oldest(linked: Linked) -> None:
    linked.bench.gateway.arm(RefuseConnack(3), "a", Schedule(count=1))
    linked.say("boot", *(f'{{"topic":"tell","payload":"{n}"}}' for n in range(70)))
    linked.heard(b"69")
    told = [int(e["payload"]) for e in linked.timeline.events(where("monitor", "message", None, topic="d/tell"))]
    dropped = len(linked.timeline.events(where("link", "dropped", "a")))
    assert told == list(range(dropped, 70))
    assert dropped <= 6


def test_a_board_that_leaves_the_namespace_is_cut_off_as_any_other(linked: Linked) -> None:
    linked.bench.gateway.set_policy(policies.load("eventgrid", topics=Namespace(("d/#",))), "a")
    linked.say("boot", '{"topic":"elsewhere","n":1}')
    assert linked.told("denied", source="gateway")["topic"] == "elsewhere"


def test_a_gateway_that_is_not_the_boards_is_not_spoken_to(broker: Mosquitto, tmp_path: Path) -> None:
    strange = ServerIdentity(pki().strange_server.chain_pem, pki().strange_server.key_pem)
    with Bench(tmp_path, (broker.host, broker.port), server=strange) as bench:
        linked = Linked(bench, tmp_path, SILENCE)
        linked.say("boot", "{}")
        assert "certificate verify failed" in linked.told("lost")["reason"]
        assert linked.told("tls-failed", source="gateway")["alert"] == "unknown_ca"
        linked.link.close()
        linked.console.close()


def test_nobody_at_the_other_end_is_told_and_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        free = reserved.getsockname()[1]
    with Bench(tmp_path, None) as bench:
        linked = Linked(bench, tmp_path, SILENCE)
        linked.link.close()
        endpoint = Endpoint("127.0.0.1", free, NAME)
        tls = tls_context(credentials(pki().device), NAME)
        linked.link = Link(linked.timeline, linked.console, contract(), endpoint, tls)
        linked.link.start()
        linked.say("boot", "{}")
        lost = linked.timeline.wait_count(where("link", "lost", "a"), 2, timeout=LIMIT)
        assert "refused" in lost[0]["reason"]
        assert lost[0]["again"] == 0.1
        linked.link.close()
        linked.console.close()


def test_a_key_of_another_certificate_is_named() -> None:
    mixed = credentials(Identity(pki().device.certificate, pki().stranger.key))
    with pytest.raises(CredentialsError, match="serial link cannot use the certificate of CN=device-a"):
        tls_context(mixed, NAME)


def test_needs_know_a_linked_board() -> None:
    assert {"own-network", "own-tls"} <= set(needs._BOARD)
