"""Connections that end alike on the device are told apart by what the gateway saw of them."""

from __future__ import annotations

from typing import Any

import pytest

from hil.attempts import End, attempts
from hil.timeline import Timeline

TLS = ("tls", {"version": "TLSv1.2", "cipher": "x", "subject": "CN=a"})
CONNECT = ("connect", {"client_id": "a", "will": None})
ACCEPTED = ("connack", {"code": 0, "session_present": False})


def fold(*steps: tuple[str, dict[str, Any]]) -> End:
    timeline = Timeline()
    timeline.record("gateway", "accept", "a", connection=1, peer="127.0.0.1:1")
    for kind, data in steps:
        timeline.record("gateway", kind, "a", connection=1, **data)
    (attempt,) = attempts(timeline, "a")
    return attempt.end


def close(by: str, how: str) -> tuple[str, dict[str, Any]]:
    return ("close", {"by": by, "how": how, "seconds": 0.1})


def denied(what: str, action: str = "disconnect") -> tuple[str, dict[str, Any]]:
    return ("denied", {"what": what, "topic": "foreign/a", "rule": "r", "action": action})


def tls_failed(**data: Any) -> tuple[str, dict[str, Any]]:
    return ("tls-failed", {"reason": "x", "alert": None, "alert_from": None, "verify_code": None} | data)


@pytest.mark.parametrize(
    ("steps", "end"),
    [
        ([], End.ALIVE),
        ([close("gateway", "fault")], End.UNREACHED),
        ([tls_failed(reason="no client certificate"), close("gateway", "tls")], End.NO_CERTIFICATE),
        (
            [tls_failed(verify_code=20, verify_message="unable to get issuer"), close("gateway", "tls")],
            End.CERTIFICATE_REFUSED,
        ),
        ([tls_failed(alert="unknown_ca", alert_from="device"), close("device", "tls")], End.SERVER_REFUSED),
        ([tls_failed(alert="handshake_failure", alert_from="device"), close("device", "tls")], End.TLS_FAILED),
        ([TLS, close("device", "fin")], End.NO_CONNECT),
        ([TLS, CONNECT, ("connack", {"code": 5}), close("broker", "fin")], End.CONNECT_REFUSED),
        ([TLS, CONNECT, ACCEPTED, denied("will"), close("gateway", "policy")], End.WILL_DENIED),
        ([TLS, CONNECT, ACCEPTED, denied("subscribe"), close("gateway", "policy")], End.SUBSCRIBE_DENIED),
        ([TLS, CONNECT, ACCEPTED, denied("publish"), close("gateway", "policy")], End.PUBLISH_DENIED),
        ([TLS, CONNECT, ACCEPTED, denied("publish", "drop")], End.ALIVE),
        ([TLS, CONNECT, ACCEPTED, close("device", "disconnect")], End.DISCONNECTED),
        ([TLS, CONNECT, ACCEPTED, close("device", "reset")], End.LOST),
        ([TLS, CONNECT, ACCEPTED, close("gateway", "keep-alive")], End.LOST),
        ([TLS, CONNECT, ACCEPTED, close("broker", "fin")], End.SERVER_ENDED),
    ],
)
def test_each_end_is_told_apart(steps: list[tuple[str, dict[str, Any]]], end: End) -> None:
    assert fold(*steps) is end


def test_boards_and_connections_are_kept_apart() -> None:
    timeline = Timeline()
    for number, board in enumerate(("a", "b", "a")):
        timeline.record("gateway", "accept", board, connection=number)
    timeline.record("gateway", "close", "a", connection=2, by="device", how="fin")
    assert [(a.connection, a.end) for a in attempts(timeline, "a")] == [(0, End.ALIVE), (2, End.UNREACHED)]


def test_the_tail_of_a_connection_that_began_earlier_is_left_out() -> None:
    timeline = Timeline()
    timeline.record("gateway", "close", "a", connection=1, by="device", how="fin")
    assert attempts(timeline, "a") == []
