"""How clients of the monitor reach the broker, and what one that subscribes anew is given: what the broker retains."""

from __future__ import annotations

import ssl
import threading
import time
import uuid
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

PATIENCE = 15.0
"""Seconds for the broker to answer one request."""
_GRACE = 0.05
"""Seconds of silence after which a broker is taken to have told all that it retains."""


class MonitorError(Exception):
    """The monitor cannot reach its broker, or the broker does not do what was asked."""


@dataclass(slots=True)
class Access:
    """Where the broker is and as whom it is asked. `tls`: None for plain TCP. `mqtt5`: the version that is spoken."""

    host: str
    port: int
    username: str | None
    password: str | None
    tls: ssl.SSLContext | None
    mqtt5: bool

    def client(self, name: str) -> paho.Client:
        """A new client, not connected yet; its id begins with `name`."""
        client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{name}-{uuid.uuid4().hex[:8]}",
            protocol=paho.MQTTv5 if self.mqtt5 else paho.MQTTv311,
            clean_session=None if self.mqtt5 else True,
        )
        if self.username is not None:
            client.username_pw_set(self.username, self.password)
        if self.tls is not None:
            client.tls_set_context(self.tls)
        return client

    def open(self, client: paho.Client) -> None:
        """Connect one of its clients. Raises OSError, and ValueError for a host that none can be."""
        if self.mqtt5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 0
            client.connect(self.host, self.port, keepalive=30, clean_start=True, properties=properties)
        else:
            client.connect(self.host, self.port, keepalive=30)


def retained(access: Access, topic_filter: str) -> dict[str, bytes]:
    """What the broker gives to a new subscriber: by a client that subscribes, collects, and leaves.

    Payloads by topic. Raises MonitorError.
    """
    found: dict[str, bytes] = {}
    seen = threading.Event()
    newest = time.monotonic()
    client = access.client("hil-retained")
    first: list[int | None] = []

    def on_connect(asker: paho.Client, *_: Any) -> None:
        first.append(asker.subscribe(topic_filter, 0)[1])

    def on_subscribe(asker: paho.Client, _: Any, mid: int, *__: Any) -> None:
        # A second subscription: brokers send what they retain after the SUBACK, and serve a client in order.
        if mid in first:
            asker.subscribe(f"hil/{uuid.uuid4().hex}", 0)
        else:
            seen.set()

    def on_message(_: paho.Client, __: Any, told: paho.MQTTMessage) -> None:
        nonlocal newest
        newest = time.monotonic()
        if told.retain:
            found[told.topic] = bytes(told.payload)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    try:
        access.open(client)
    except OSError as error:
        raise MonitorError(f"the broker at {access.host}:{access.port} cannot be asked: {error}") from None
    client.loop_start()
    try:
        if not seen.wait(PATIENCE):
            raise MonitorError(f"the broker does not say what it retains on {topic_filter}")
        # No rule binds a broker to the order relied on above. This is grace for those, not the mechanism.
        newest = time.monotonic()
        while (left := newest + _GRACE - time.monotonic()) > 0:
            time.sleep(left)
    finally:
        client.disconnect()
        client.loop_stop()
    return found
