"""Making a broker forget the session that it keeps for a client.

A device that asks for a kept session (clean session off) finds on its next connect what an earlier test left in it:
subscriptions, and commands that were never delivered. Only the client itself may end it, so this connects once under
its id with clean start, as the standard has it (MQTT 3.1.1 section 3.1.2.4, MQTT 5 section 3.1.2.4), and leaves.
"""

from __future__ import annotations

import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from hil.broker.broker import BrokerError

_PATIENCE = 15.0
"""Seconds for the broker to take one connect."""


def forget(host: str, port: int, client_id: str) -> None:
    """End the kept session of `client_id` on a broker that takes clients without TLS and names.

    A connection that is open under this id ends, as in any takeover. Raises BrokerError if the broker does not answer.
    """
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
    taken, over = threading.Event(), threading.Event()

    def connected(*_: Any) -> None:
        taken.set()
        client.disconnect()

    def left(*_: Any) -> None:
        over.set()

    client.on_connect = connected
    client.on_disconnect = left
    try:
        client.connect(host, port)
    except OSError as error:
        raise BrokerError(f"the broker at {host}:{port} cannot be asked to forget a session: {error}") from None
    client.loop_start()
    try:
        if not (taken.wait(_PATIENCE) and over.wait(_PATIENCE)):
            raise BrokerError(f"the broker at {host}:{port} does not forget the session of {client_id!r}")
    finally:
        client.loop_stop()
