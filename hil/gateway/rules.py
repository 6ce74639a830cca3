"""The kinds of rules that a policy may have, in one table: when each is judged, and what may happen then.

The actions:

- `allow`: nothing happens.
- `lower`: let pass with less: a shorter keep-alive or session, a lower QoS, RETAIN taken off.
- `refuse`: told by protocol. CONNECT: a CONNACK that says no, and the end. SUBSCRIBE: a failure in the SUBACK. PUBLISH:
  a reason in PUBACK or PUBREC (MQTT 5); MQTT 3.1.1 has no way to say it, so there it is a `drop`.
- `drop`: answered as if all were well, and forgotten.
- `ignore`: not answered, and forgotten.
- `refuse-disconnect`: told in the answer as far as there is one, and then the connection ends.
- `disconnect`: the connection ends, for an MQTT 5 client with a DISCONNECT that says why. On a CONNECT, CONNACK 0 comes
  first, as has been seen of Azure Event Grid in the field: 'connects, then is disconnected'.
- `close`: the connection ends without a word, before any CONNACK.

Codes: MQTT 5 section 2.4; MQTT 3.1.1 table 3.1 and section 3.9.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Action = Literal["allow", "lower", "refuse", "drop", "ignore", "refuse-disconnect", "disconnect", "close"]
Moment = Literal["tls", "connect", "packet", "subscribe", "publish"]
What = Literal[
    "sni", "authentication_name", "client", "client_id", "empty_client_id", "takeover", "takeover_other",
    "connect_rate", "client_connect_rate", "keep_alive", "session_expiry", "will", "will_qos", "will_retain",
    "packet_size",
    "subscribe", "subscribe_qos", "shared", "subscription_identifier", "filters", "subscriptions", "subscribe_rate",
    "publish", "qos", "retain", "publish_rate",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of rule.

    `about`: what it is about, for people. `at`: the moment at which it is judged. `actions`: what may happen. `unit`
    and `least`: of its limit; no unit, no limit. `connack`: the CONNACK codes that say no, (3.1.1, 5). `answer`: the
    code in SUBACK or PUBACK of MQTT 5; `end`: the one in its DISCONNECT.
    """

    about: str
    at: Moment
    actions: tuple[Action, ...]
    unit: str = ""
    least: int = 0
    connack: tuple[int, int] = (5, 0x87)
    answer: int = 0x87
    end: int = 0x87


_CONNECT: Final[tuple[Action, ...]] = ("allow", "refuse", "disconnect", "close")
_SUBSCRIBE: Final[tuple[Action, ...]] = ("allow", "refuse", "drop", "ignore", "disconnect")
_PUBLISH: Final[tuple[Action, ...]] = ("allow", "refuse", "drop", "ignore", "refuse-disconnect", "disconnect")
_LOWER: Final[tuple[Action, ...]] = ("lower",)

KINDS: Final[Mapping[What, Kind]] = {
    # at the handshake and at CONNECT, in this order
    "sni": Kind("no server name in the ClientHello", "tls", ("allow", "close")),
    "connect_rate": Kind("CONNECTs of all clients together", "connect", _CONNECT, "CONNECTs", 1, (3, 0x9F), end=0x97),
    "client_connect_rate": Kind("CONNECTs of one client id", "connect", _CONNECT, "CONNECTs", 1, (3, 0x9F), end=0x97),
    "authentication_name": Kind("no authentication name that counts", "connect", _CONNECT),
    "client": Kind("a client that is not registered", "connect", _CONNECT),
    "empty_client_id": Kind("no client id", "connect", _CONNECT, connack=(2, 0x85)),
    "client_id": Kind("a client id that does not go with the name", "connect", _CONNECT, connack=(2, 0x85)),
    "takeover_other": Kind("the id of another client's session", "connect", _CONNECT),
    "takeover": Kind("the id of its own live session", "connect", _CONNECT),
    "keep_alive": Kind("too long a keep-alive, or none", "connect", (*_LOWER, *_CONNECT), "s", 1, (2, 0x83), end=0x83),
    "session_expiry": Kind(
        "too long a stored session", "connect", ("allow", "lower", "refuse"), "s", 0, (5, 0x97), end=0x97
    ),
    "will_qos": Kind(
        "a will of too high a QoS", "connect", (*_LOWER, "drop", *_CONNECT), "QoS", 0, (5, 0x9B), end=0x9B
    ),
    "will_retain": Kind("a retained will", "connect", (*_LOWER, "drop", *_CONNECT), connack=(5, 0x9A), end=0x9A),
    "will": Kind("a will on a topic that is not allowed", "connect", ("drop", *_CONNECT)),
    # at any packet
    "packet_size": Kind("too large a packet", "packet", ("allow", "disconnect"), "bytes", 2, end=0x95),
    # at SUBSCRIBE; the first three judge the packet, the others each filter
    "subscribe_rate": Kind(
        "SUBSCRIBEs and UNSUBSCRIBEs of a session", "subscribe", _SUBSCRIBE, "packets", 1, answer=0x97, end=0x97
    ),
    "filters": Kind("too many filters in a SUBSCRIBE", "subscribe", _SUBSCRIBE, "filters", 1, answer=0x97, end=0x97),
    "subscription_identifier": Kind("a subscription identifier", "subscribe", _SUBSCRIBE, answer=0xA1, end=0xA1),
    "shared": Kind("a shared subscription", "subscribe", _SUBSCRIBE, answer=0x9E, end=0x9E),
    "subscribe": Kind("a filter that is not allowed", "subscribe", _SUBSCRIBE),
    "subscriptions": Kind(
        "too many subscriptions in a session", "subscribe", _SUBSCRIBE, "subscriptions", 1, answer=0x97, end=0x97
    ),
    "subscribe_qos": Kind(
        "a subscription of too high a QoS", "subscribe", (*_LOWER, *_SUBSCRIBE), "QoS", 0, answer=0x83, end=0x9B
    ),
    # at PUBLISH, in this order
    "publish_rate": Kind("PUBLISHes of a connection", "publish", _PUBLISH, "PUBLISHes", 1, answer=0x97, end=0x96),
    "qos": Kind("a message of too high a QoS", "publish", _PUBLISH, "QoS", 0, answer=0x83, end=0x9B),
    "retain": Kind("a retained message", "publish", (*_LOWER, *_PUBLISH), answer=0x83, end=0x9A),
    "publish": Kind("a topic that is not allowed", "publish", _PUBLISH),
}
