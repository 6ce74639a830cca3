"""What a broker's log of the field shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.cases.drafting import draft
from hil.cases.proposing import from_broker_log
from hil.cases.proposing.sighting import Sighting, together

FILES = Path(__file__).parent / "field_files"
BROKER = (FILES / "mosquitto-2.0.11.log").read_text()


def surest(sightings: list[Sighting]) -> dict[str, float]:
    return {sighting.what: sighting.sure for sighting in together(sightings)}


def test_what_a_real_mosquitto_said() -> None:
    seen, facts = from_broker_log.look("m.log", BROKER)
    places = {sighting.what: sighting.where for sighting in together(seen)}
    lines = BROKER.splitlines()

    def said(what: str) -> set[str]:
        return {lines[int(place.rpartition(":")[2]) - 1].partition(": ")[2] for place in places[what]}

    assert all("peer did not return a certificate" in line for line in said("no-client-certificate"))
    assert all("certificate verify failed" in line for line in said("client-certificate-refused"))
    assert all("alert" in line for line in said("server-not-trusted"))
    assert said("connect-refused") == {"Sending CONNACK to 127.0.0.1 (0, 5)"}
    assert said("keep-alive-missed") == {"Client dev-3 has exceeded timeout, disconnecting."}
    assert all("Denied PUBLISH from dev-1" in line for line in said("publish-denied"))
    assert all("protocol error" in line for line in said("malformed-packet"))
    assert "client-id-not-its-own" not in places, "one takeover is a client that came back"
    assert facts["device"].startswith(
        "client dev-1: MQTT 3.1.1, clean session, keep-alive 60 s, will on foreign/dev-1/st"
    )


def test_one_client_of_a_log() -> None:
    seen, facts = from_broker_log.look("m.log", BROKER, "dev-3")
    assert "publish-denied" not in surest(seen), "that is another client's"
    assert together(seen)[0].what == "keep-alive-missed", "what names it counts more than what names nobody"
    assert facts["device"].endswith("keep-alive 1 s, connected once")


def test_two_clients_with_one_id_and_one_that_is_thrown_out() -> None:
    turn = (
        "{t}: New client connected from 10.0.0.{n}:1 as device (p2, c1, k60).\n"
        "{t}: Client device already connected, closing old connection.\n"
    )
    seen, _ = from_broker_log.look("m", "".join(turn.format(t=1700000000 + n, n=n) for n in range(4)))
    assert surest(seen)["client-id-not-its-own"] == 0.8
    assert [condition.kind for condition in draft(seen).conditions] == ["second-client"]
    end = (
        "2026-11-20T10:00:{n:02}: New client connected from 10.0.0.1:1 as a (p5, c0, k30, u'joe').\n"
        "2026-11-20T10:00:{n:02}: Client a disconnected: connection closed by client.\n"
    )
    seen, facts = from_broker_log.look("m", "".join(end.format(n=n) for n in range(4)))
    (lost,) = together(seen)
    assert (lost.what, lost.sure, lost.words) == (
        "connection-lost",
        0.6,
        "a closed its connection within 3 s of connecting, 4 times",
    )
    assert facts["device"] == "client a: MQTT 5, kept session, keep-alive 30 s, connected 4 times"


@pytest.mark.parametrize(
    "before",
    [
        "Nov 20 10:00:{n:02} gw mosquitto[811]: 17000000{n:02}: ",
        "Nov 20 10:00:{n:02} gw mosquitto[811]: ",
        "2026-11-20T10:00:{n:02}.123456789Z 17000000{n:02}: ",
        "mosquitto-1  | 17000000{n:02}: ",
        "2026-11-20 10:00:{n:02}: ",
    ],
    ids=["journald", "syslog", "docker", "compose", "blank"],
)
def test_whoever_has_kept_a_brokers_log(before: str) -> None:
    lines = [
        f"{before.format(n=n)}{words}"
        for n in range(0, 40, 10)
        for words in (
            "New client connected from 10.0.0.1:1 as a (p2, c1, k60).",
            "Client a [10.0.0.1:1] disconnected: connection closed by client.",
        )
    ]
    seen, _ = from_broker_log.look("m", "\n".join(lines), "a")
    assert surest(seen) == {"connection-lost": 0.6}, "soon after connecting: the times of the lines are known"


def test_words_of_newer_releases() -> None:
    """Published logs of mosquitto 2.1 have them; 2.0.11, which was tried, has not."""
    seen, _ = from_broker_log.look("m", "1700000000: Client a [10.0.0.1:1] disconnected: exceeded timeout.\n", "a")
    assert surest(seen) == {"keep-alive-missed": 0.7}
    turn = (
        "{t}: Client a already connected, closing old connection.\n"
        "{t}: Client a [10.0.0.1:1] disconnected: session taken over.\n"
    )
    taken, _ = from_broker_log.look("m", "".join(turn.format(t=1700000000 + n) for n in range(2)))
    assert taken == [], "both lines are of one takeover"
    taken, _ = from_broker_log.look("m", "1: Client a [10.0.0.1:1] disconnected: session taken over.\n\n" * 3)
    assert surest(taken) == {"client-id-not-its-own": 0.8}
