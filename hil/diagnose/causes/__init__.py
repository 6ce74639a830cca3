"""All causes, a file for each group of them."""

from __future__ import annotations

from hil.diagnose.cause import Cause
from hil.diagnose.causes import (
    acknowledgements,
    booting,
    clock,
    commands,
    connecting,
    flashing,
    liveness,
    messages,
    retrying,
    serial_line,
    server_wishes,
    sessions,
    tls_client,
    tls_handshake,
    tls_records,
    tls_server,
    topics,
)

GROUPS: dict[str, tuple[Cause, ...]] = {
    "TLS: the server's certificate": tls_server.CAUSES,
    "TLS: the device's certificate": tls_client.CAUSES,
    "TLS: the handshake": tls_handshake.CAUSES,
    "TLS: records": tls_records.CAUSES,
    "Topics and limits of the broker": topics.CAUSES,
    "The CONNECT": (*connecting.CAUSES, *server_wishes.CAUSES),
    "Connecting again": retrying.CAUSES,
    "Subscriptions and the session": sessions.CAUSES,
    "Acknowledgements": acknowledgements.CAUSES,
    "Messages": messages.CAUSES,
    "Commands": commands.CAUSES,
    "The time": clock.CAUSES,
    "Power and boot": (*booting.CAUSES, *flashing.CAUSES),
    "Signs of life": liveness.CAUSES,
    "The serial link": serial_line.CAUSES,
}

CAUSES: tuple[Cause, ...] = tuple(cause for group in GROUPS.values() for cause in group)
