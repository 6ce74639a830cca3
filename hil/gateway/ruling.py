"""What becomes of a packet."""

from __future__ import annotations

from dataclasses import dataclass

from hil.gateway.policy import Denial, Lowering
from hil.wire.mqtt import Connect, Packet


@dataclass(frozen=True, slots=True)
class Ruling:
    """`forward`: the bytes for the broker, None if it gets none. `answers`: what the gateway itself answers.

    `cut`: the connection ends; `after_connack`: it ends `delay` seconds after CONNACK 0 has been sent. `code`: of the
    DISCONNECT that an MQTT 5 client is sent first, None: it is not sent any. `keep_alive`: seconds that count in place
    of what the CONNECT said. `fresh`: the broker must forget what it holds of this session before it gets the CONNECT.
    """

    forward: bytes | None
    answers: tuple[Packet, ...] = ()
    denials: tuple[Denial, ...] = ()
    lowerings: tuple[Lowering, ...] = ()
    cut: bool = False
    after_connack: bool = False
    delay: float = 0.0
    code: int | None = None
    keep_alive: int | None = None
    fresh: Connect | None = None
