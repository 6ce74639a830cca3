"""The MQTT client that stands for a board without a network, for one life of the board.

It connects as the board's own contract says, with the board's own certificate, and tries again as `[retry]` says until
it is ended. What it hears it tells its owner, in its own thread; who is told must be quick.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from hil.contract import Mqtt, Retry
from hil.credentials import Credentials, CredentialsError, through_a_file
from hil.link.gaps import gap

#: Seconds for TCP and for the TLS handshake, where the contract does not say how long it waits.
CONNECT_WITHIN = 5.0
#: Seconds that the broker has, at a goodbye, to acknowledge what was said before it.
ANSWERS_WITHIN = 5.0
#: Seconds that the broker has to close its side after a goodbye.
CLOSES_WITHIN = 2.0
#: Seconds that the client may take to end.
ENDS_WITHIN = 10.0
#: Seconds between two looks whether they are acknowledged.
LOOK_EVERY = 0.02
REFUSED = 0x80
"""SUBACK codes from here on say no (MQTT 3.1.1 section 3.9.3)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to connect, and the name that the server's certificate must have."""

    host: str
    port: int
    server_name: str


@dataclass(frozen=True, slots=True)
class Received:
    """A message for the board. `number` and `qos` are for `Client.acknowledge`."""

    topic: str
    payload: bytes
    retain: bool
    dup: bool
    qos: int
    number: int


class Owner(Protocol):
    """Who is told what a client hears; the client itself comes first."""

    def connected(self, client: Client) -> None:
        """The broker has let it in."""

    def lost(self, client: Client, reason: str, again: float | None) -> None:
        """The connection is over, or did not come about; the next try is in so many seconds, or there is none."""

    def granted(self, client: Client, number: int, granted: bool) -> None:
        """The SUBSCRIBE of that number was answered."""

    def arrived(self, client: Client, message: Received) -> None:
        """A message came. It is acknowledged by `acknowledge` alone."""


class _NamedContext(ssl.SSLContext):
    """A context that asks for a server by a name of its own: paho would ask for the address that it connects to."""

    server_name: str

    def wrap_socket(self, *arguments: Any, **options: Any) -> ssl.SSLSocket:
        return super().wrap_socket(*arguments, **{**options, "server_hostname": self.server_name})


def tls_context(credentials: Credentials, server_name: str) -> ssl.SSLContext:
    """TLS as the board would speak it: its trust anchors, its chain, its key. Raises CredentialsError."""
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name
    try:
        context.load_verify_locations(cadata=credentials.trust_anchors_pem.decode("ascii"))
        through_a_file(credentials.key_pem.rstrip() + b"\n" + credentials.chain_pem, context.load_cert_chain)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise CredentialsError(
            f"the serial link cannot use the certificate of {credentials.subject}: {error}; give it a PEM chain, leaf "
            "first, its key, and trust anchors"
        ) from None
    return context


class Client:
    """One life of a board on the broker's side. `start` it once, `end` it once."""

    def __init__(self, mqtt: Mqtt, retry: Retry, endpoint: Endpoint, tls: ssl.SSLContext, owner: Owner) -> None:
        self._endpoint = endpoint
        self._keep_alive = mqtt.keep_alive
        self._retry = retry
        self._owner = owner
        self._ended = threading.Event()
        self._failures = 0
        self._let_in = 0.0  # when the broker let it in this time; 0: not yet
        self._refusal = self._loss = ""
        self._over = threading.Event()  # the connection is
        self._parting = threading.Event()  # it is, or a goodbye is to be said
        self._said: deque[paho.MQTTMessageInfo] = deque()  # the oldest of them is not with the broker yet
        self._thread: threading.Thread | None = None
        self._paho = client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=mqtt.client_id,
            clean_session=mqtt.clean_session,
            protocol=paho.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = mqtt.connect_timeout or CONNECT_WITHIN
        client.tls_set_context(tls)
        if mqtt.will is not None:
            client.will_set(mqtt.will.topic, mqtt.will.payload, mqtt.will.qos, mqtt.will.retain)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe

    def start(self, name: str, after: Client | None) -> None:
        """Begin to connect, as soon as the client of the life before has gone: both have one client id."""
        previous = after._thread if after is not None else None
        self._thread = threading.Thread(target=self._run, args=(previous,), name=name, daemon=True)
        self._thread.start()

    def end(self, *, goodbye: bool) -> None:
        """End it. Without a goodbye the connection just breaks, and the broker publishes the will.

        A goodbye comes after what was said before it, and takes its time: `wait_ended`.
        """
        if self._ended.is_set():
            return
        self._ended.set()
        if goodbye and self._let_in:
            self._parting.set()
        else:
            self._break()

    def wait_ended(self) -> None:
        """Wait until its thread is gone; after `end`."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(ENDS_WITHIN)

    # -- what the board says -----------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes, qos: int, retain: bool) -> None:
        """Send it now; at QoS 1 and 2 again after each loss of the connection, until the broker has it."""
        self._said.append(self._paho.publish(topic, payload, qos, retain))
        while self._said and _is_told(self._said[0]):
            self._said.popleft()

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        """Ask for a subscription; the number that `granted` will name, None where there is no connection."""
        return self._paho.subscribe(topic_filter, qos)[1]

    def unsubscribe(self, topic_filter: str) -> None:
        """Ask for no more of it."""
        self._paho.unsubscribe(topic_filter)

    def acknowledge(self, message: Received) -> None:
        """Tell the broker that the board has it."""
        self._paho.ack(message.number, message.qos)

    # -- its own thread ----------------------------------------------------------------------------------------------

    def _run(self, previous: threading.Thread | None) -> None:
        if previous is not None:
            previous.join()
        while not self._ended.is_set():
            reason = self._connection()
            if self._ended.is_set():
                return
            if self._let_in and time.monotonic() - self._let_in > self._retry.most:
                self._failures = 0
            self._let_in = 0.0
            self._failures += 1
            again = gap(self._retry, self._failures)
            self._owner.lost(self, reason, again)
            if again is None:
                return
            self._ended.wait(again)

    def _connection(self) -> str:
        """One connection from its begin to its end; returns why it ended."""
        self._refusal = self._loss = ""
        self._over.clear()
        self._parting.clear()
        try:
            self._paho.connect(self._endpoint.host, self._endpoint.port, keepalive=self._keep_alive)
        except (OSError, ValueError) as error:  # ssl's errors are OSErrors; ValueError: a certificate of another name
            return " ".join(str(error).split()) or type(error).__name__
        if self._ended.is_set():
            self._break()
        self._paho.loop_start()
        self._parting.wait()
        if self._over.is_set():
            self._paho.loop_stop()
        else:
            self._say_goodbye()
        return self._refusal or self._loss

    def _say_goodbye(self) -> None:
        """DISCONNECT, once the broker has acknowledged all that was said before.

        Bytes that are unread at a close make the kernel send RST, which has the other side forget what it has not read
        yet (RFC 1122 section 4.2.2.13): a DISCONNECT, for one, so that the will would be published. So our own side is
        closed alone, and whatever still comes is read until the broker has closed its own.
        """
        deadline = time.monotonic() + ANSWERS_WITHIN
        while not all(map(_is_told, self._said)) and time.monotonic() < deadline and not self._over.wait(LOOK_EVERY):
            pass
        line = self._second_hold()
        self._paho.disconnect()
        self._over.wait(ENDS_WITHIN - ANSWERS_WITHIN - CLOSES_WITHIN)
        self._paho.loop_stop()
        deadline = time.monotonic() + CLOSES_WITHIN
        if line is not None:
            with line, contextlib.suppress(OSError):
                line.settimeout(CLOSES_WITHIN)
                line.shutdown(socket.SHUT_WR)
                while line.recv(65536) and time.monotonic() < deadline:
                    pass

    def _break(self) -> None:
        """Close the connection below TLS and MQTT: no DISCONNECT, no close_notify."""
        line = self._second_hold()
        if line is not None:
            with line, contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def _second_hold(self) -> socket.socket | None:
        """The connection's socket by a descriptor of our own, since another thread may be at work on it; None: gone."""
        with contextlib.suppress(OSError, ValueError):
            there = self._paho.socket()
            if there is not None:
                return socket.socket(fileno=os.dup(there.fileno()))
        return None

    def _on_connect(self, client: paho.Client, _: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        if code.is_failure:
            self._refusal = f"CONNACK refuses it: {code}"
            return
        self._let_in = time.monotonic()
        if self._ended.is_set():
            self._break()
        else:
            self._owner.connected(self)

    def _on_disconnect(self, client: paho.Client, _: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        self._loss = str(code)
        self._over.set()
        self._parting.set()

    def _on_message(self, client: paho.Client, _: Any, told: paho.MQTTMessage) -> None:
        self._owner.arrived(
            self, Received(told.topic, bytes(told.payload), bool(told.retain), bool(told.dup), told.qos, told.mid)
        )

    def _on_subscribe(self, client: paho.Client, _: Any, number: int, codes: list[ReasonCode], properties: Any) -> None:
        self._owner.granted(self, number, not any(code.value >= REFUSED for code in codes))


def _is_told(message: paho.MQTTMessageInfo) -> bool:
    """Whether the broker has it (QoS 0: whether it is on its way), or it never will."""
    try:
        return message.is_published()
    except (ValueError, RuntimeError):
        return True
