"""The device's side of mutual TLS: a certificate is sent, and the chain up to what the broker knows.

A library that is given only one of certificate and key sends none and says nothing; one that sends the leaf alone is
refused by a broker that knows the root. Both end as 'connect failed' on the device; here they end differently.
"""

from __future__ import annotations

import pytest

from hil.attempts import End
from hil.board import Board
from hil.timeline import Timeline, where

from .first_attempt import first_attempt

pytestmark = [pytest.mark.tls, pytest.mark.quick, pytest.mark.needs("own-tls", "gateway", "client-certificate")]


@pytest.mark.scenario(
    "sends its client certificate", covers=("field failure 3: no client certificate",), waits="online.within"
)
def test_sends_its_client_certificate(board: Board, timeline: Timeline) -> None:
    """The certificate that it shows is the one that was put into it."""
    attempt = first_attempt(timeline, board)
    assert attempt.end is not End.NO_CERTIFICATE, f"{attempt}: is only one of certificate and key set?"
    tls = timeline.last(where("gateway", "tls", board.name))
    if tls is not None and board.credentials is not None:
        assert tls["subject"] == board.credentials.subject


@pytest.mark.scenario(
    "sends its whole chain",
    covers=("field failure 4: client chain without its intermediate",),
    waits="online.within",
)
def test_sends_its_whole_chain(board: Board, timeline: Timeline) -> None:
    """It sends its intermediate as well: the gateway knows the root alone, and cannot verify a chain without it."""
    attempt = first_attempt(timeline, board)
    assert attempt.end is not End.CERTIFICATE_REFUSED, f"{attempt}: does the device send its intermediate?"
