"""The monitor: a client on '#' that sees what every other subscriber would, and nothing else.

mark = timeline.mark()
board.power.off()
monitor.expect("devices/esp32-a/status", "offline", timeout=30, after=mark)
"""

from __future__ import annotations

import re
import ssl
import threading
from collections.abc import Callable
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from hil.broker.asking import PATIENCE, Access, MonitorError, retained
from hil.timeline import Event, Match, Timeline
from hil.wire.mqtt import topic_matches

Payload = bytes | str | re.Pattern[str] | Callable[[bytes], bool] | None
"""What a payload is asked for: exactly this (text as UTF-8), a pattern found in its text, a test, or None: anything."""

_FIRST_PATIENCE = 5.0
"""Seconds for an answer to an MQTT 5 CONNECT before 3.1.1 is tried: brokers that do not know it may keep silent."""
_UNSUPPORTED_VERSION: Final = 0x84
"""Reason code of MQTT 5, section 3.2.2.2; paho gives it for CONNACK 1 of 3.1.1 as well."""
_SYS: Final = "$SYS/"


class Monitor:
    """A paho client with a thread of its own.

    `tls`: a context for a broker that wants TLS, None for plain TCP. `record_sys`: whether `$SYS` topics get onto the
    timeline; they come every few seconds, so by default they do not. `mqtt5`: whether the broker speaks MQTT 5; None
    finds out, which takes some seconds where it does not.

    It speaks MQTT 5 where the broker does, because only then does the broker say of a live message whether it was
    published with the retain flag. What the broker keeps from before is then no `message` event, but `retained` knows
    it as soon as `start` returns. On a broker of 3.1.1 alone `retain` in an event means 'was stored before the
    monitor subscribed', and `retained` asks the broker afresh.
    """

    def __init__(
        self,
        timeline: Timeline,
        host: str,
        port: int,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        *,
        record_sys: bool = False,
        mqtt5: bool | None = None,
    ) -> None:
        self._timeline = timeline
        self._access = Access(host, port, username, password, tls, mqtt5=mqtt5 is not False)
        self._record_sys = record_sys
        self._client: paho.Client | None = None
        self._changed = threading.Condition()
        self._retained: dict[str, bytes] = {}
        self._touched: set[str] = set()  # topics whose retained message has changed since the monitor came
        self._sys: dict[str, bytes] = {}
        self._subscribed = False
        self._first = True  # no connection has been made yet
        self._failure: str | None = None
        self._refused = False  # for a reason that has nothing to do with the version
        self._waiting_for: int | None = None  # the SUBSCRIBE whose SUBACK completes a connect
        self._wants_mqtt5 = mqtt5

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect and subscribe; returns when the broker has granted it. Raises MonitorError."""
        self._access.mqtt5 = self._wants_mqtt5 is not False
        guessing = self._wants_mqtt5 is None
        if self._connect(_FIRST_PATIENCE if guessing else PATIENCE):
            self._take_stock()
            return
        if guessing and not self._refused:
            self._access.mqtt5 = False
            if self._connect(PATIENCE):
                return
        raise MonitorError(
            f"the monitor cannot subscribe on the broker at {self._access.host}:{self._access.port}: "
            f"{self._failure or 'it does not answer'}"
        )

    def close(self) -> None:
        """Disconnect. Closing twice does nothing."""
        client, self._client = self._client, None
        self._subscribed = False  # so that the end is not told as a loss
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def __enter__(self) -> Monitor:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    @property
    def connected(self) -> bool:
        """Whether it is connected and subscribed now."""
        return self._subscribed

    # -- seeing ----------------------------------------------------------------------------------------------------

    def expect(self, topic: str, payload: Payload = None, *, timeout: float, after: int | None = None) -> Event:
        """The first message on `topic` (a filter may be given) with this payload; waits up to `timeout` seconds.

        `after` is a position on the timeline, from `timeline.mark()` or from `publish`. None means from now on, so
        that no message of an earlier test can pass for the expected one: take the mark before what causes the message.
        Raises NoSuchEvent.
        """
        position = self._timeline.mark() if after is None else after
        return self._timeline.wait(message(topic, payload), timeout=timeout, after=position)

    def expect_silence(self, topic_filter: str, seconds: float, *, after: int | None = None) -> None:
        """Pass if no message on `topic_filter` comes from `after` (None: from now) until `seconds` from now have gone.

        Raises UnwantedEvent as soon as one does.
        """
        position = self._timeline.mark() if after is None else after
        self._timeline.never(message(topic_filter), seconds=seconds, after=position)

    def retained(self, topic: str) -> bytes | None:
        """What the broker keeps for `topic` and would give to a new subscriber; None if nothing."""
        if not self._access.mqtt5:
            return retained(self._access, topic).get(topic)
        with self._changed:
            return self._retained.get(topic)

    def sys(self, topic: str) -> bytes | None:
        """The newest value of a `$SYS` topic, or None."""
        with self._changed:
            return self._sys.get(topic)

    # -- doing -----------------------------------------------------------------------------------------------------

    def publish(self, topic: str, payload: bytes | str, qos: int = 0, retain: bool = False) -> int:
        """Publish, and return the timeline's position of just before, for `expect(..., after=...)`.

        Returns when the broker has acknowledged it (QoS 1, 2) or when it is on its way (QoS 0). Raises MonitorError.
        """
        client = self._need_client()
        position = self._timeline.mark()
        info = client.publish(topic, payload, qos, retain)
        if info.rc not in (paho.MQTT_ERR_SUCCESS, paho.MQTT_ERR_NO_CONN) or (qos == 0 and info.rc):
            raise MonitorError(f"the monitor cannot publish on {topic}: {paho.error_string(info.rc)}")
        info.wait_for_publish(PATIENCE)
        if not info.is_published():
            raise MonitorError(f"the broker did not acknowledge the message on {topic} within {PATIENCE:g} s")
        return position

    def clear_retained(self, topic_filter: str = "#") -> list[str]:
        """Delete what the broker keeps on the topics that match; returns them when the broker has deleted them."""
        if self._access.mqtt5:
            with self._changed:
                topics = [t for t in self._retained if topic_matches(topic_filter, t)]
        else:
            topics = list(retained(self._access, topic_filter))
        for topic in topics:
            self.publish(topic, b"", qos=1, retain=True)
        with self._changed:
            for topic in topics:
                self._retained.pop(topic, None)
        return topics

    # -- inside ----------------------------------------------------------------------------------------------------

    def _connect(self, patience: float) -> bool:
        self._failure = None
        self._refused = False
        self._subscribed = False
        self._first = True
        self._retained.clear()
        self._touched.clear()
        self._waiting_for = None
        client = self._access.client("hil-monitor")
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        client.reconnect_delay_set(min_delay=1, max_delay=2)
        try:
            self._access.open(client)
        except (OSError, ValueError) as error:
            self._failure, self._refused = str(error), True
            return False
        self._client = client
        client.loop_start()
        with self._changed:
            self._changed.wait_for(lambda: self._subscribed or self._failure is not None, patience)
        if self._subscribed:
            return True
        self.close()
        return False

    def _need_client(self) -> paho.Client:
        if self._client is None:
            raise MonitorError("the monitor is not started; call start() first")
        return self._client

    def _watch(self, client: paho.Client) -> int | None:
        """Subscribe to everything."""
        if not self._access.mqtt5:
            return client.subscribe([("#", 1), ("$SYS/#", 1)])[1]
        # Retain as published: the broker keeps the flag on live messages (MQTT 5 section 3.8.3.1).
        handling = SubscribeOptions.RETAIN_DO_NOT_SEND if self._first else SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE
        everything = SubscribeOptions(qos=1, retainAsPublished=True, retainHandling=handling)
        return client.subscribe([("#", everything), ("$SYS/#", SubscribeOptions(qos=1))])[1]

    def _take_stock(self) -> None:
        """Learn what the broker keeps. At QoS 0 by another client: at QoS 1 it would come in windows of 20, with
        nothing to tell when it has all come."""
        if not self._access.mqtt5:
            return
        stock = retained(self._access, "#")
        with self._changed:
            for topic, payload in stock.items():
                if topic not in self._touched:
                    self._retained[topic] = payload

    # -- in paho's thread ------------------------------------------------------------------------------------------

    def _on_connect(
        self, client: paho.Client, _: Any, flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        if code.is_failure:
            self._refused = code.value != _UNSUPPORTED_VERSION
            self._fail(str(code))
            return
        with self._changed:
            if not self._first:
                self._retained.clear()  # the broker tells it all again
            self._waiting_for = self._watch(client)
            self._first = False

    def _on_subscribe(
        self, client: paho.Client, _: Any, mid: int, codes: list[ReasonCode], properties: Properties | None
    ) -> None:
        if mid != self._waiting_for:
            return
        if codes and codes[0].is_failure:
            self._fail(f"it does not grant '#': {codes[0]}")
            return
        self._timeline.record("monitor", "connected", version="5" if self._access.mqtt5 else "3.1.1")
        with self._changed:
            self._subscribed = True
            self._changed.notify_all()

    def _on_message(self, client: paho.Client, _: Any, told: paho.MQTTMessage) -> None:
        payload = bytes(told.payload)
        with self._changed:
            if told.topic.startswith(_SYS):
                self._sys[told.topic] = payload
                if not self._record_sys:
                    return
            elif told.retain:
                self._touched.add(told.topic)
                if payload:
                    self._retained[told.topic] = payload
                else:
                    self._retained.pop(told.topic, None)
        self._timeline.record(
            "monitor", "message", topic=told.topic, payload=payload, qos=told.qos, retain=bool(told.retain)
        )

    def _on_disconnect(
        self, client: paho.Client, _: Any, flags: Any, code: ReasonCode, properties: Properties | None
    ) -> None:
        was = self._subscribed
        if was:
            self._timeline.record("monitor", "lost", reason=str(code))
        self._subscribed = False
        if not was:
            self._fail(f"the broker closed the connection ({code})")

    def _fail(self, reason: str) -> None:
        with self._changed:
            self._failure = self._failure or reason  # the first one; what follows from it says less
            self._changed.notify_all()


def message(topic: str, payload: Payload = None) -> Match:
    """Matches the monitor's messages on `topic`, a name or a filter, with this payload."""
    wanted = payload.encode("utf-8") if isinstance(payload, str) else payload

    def test(event: Event) -> bool:
        if event.source != "monitor" or event.kind != "message" or not topic_matches(topic, event["topic"]):
            return False
        found: bytes = event["payload"]
        if wanted is None:
            return True
        if isinstance(wanted, bytes):
            return found == wanted
        if isinstance(wanted, re.Pattern):
            return wanted.search(found.decode("utf-8", "backslashreplace")) is not None
        return bool(wanted(found))

    words = f"message on {topic}"
    if isinstance(payload, re.Pattern):
        words += f" with a payload like /{payload.pattern}/"
    elif isinstance(payload, bytes | str):
        words += f" with payload {payload!r}"
    elif payload is not None:
        words += f" with a payload that fits {getattr(payload, '__name__', 'the test')}"
    return Match(test, words)
