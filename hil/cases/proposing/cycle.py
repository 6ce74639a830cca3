"""Connected, and the end of it, again and again: what a device's log knows of a broker that throws it out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from hil.cases.proposing.sighting import Sighting
from hil.diagnose.words import listed, times

_TO_A_BROKER: Final = r".{0,30}\b(mqtts?\b|broker|aws iot|azure|event ?grid|iot ?hub)"
_CONNECTED: Final = re.compile(
    r"(?i)MQTT_EVENT_CONNECTED|mqtt.{0,24}\bconnected\b|connected, session_present|state ?[=:] ?0\b"
    rf"|\bconnected to\b{_TO_A_BROKER}"
)
_ENDED: Final = re.compile(
    r"(?i)MQTT_EVENT_DISCONNECTED|mqtt.{0,24}(disconnected|connection (lost|closed))|connection lost"
    rf"|transport_read\(\) error|\bdisconnected from\b{_TO_A_BROKER}"
)
_ASKED: Final = re.compile(r"(?i)subscribe request sent|subscribing to|msg_id=\d+.{0,20}subscri")
_ANSWERED: Final = re.compile(r"(?i)MQTT_EVENT_SUBSCRIBED|\bsubscribed to\b|\bsuback\b")
_TOPIC: Final = re.compile(r"(?i)(?:topic[ :=]+|subscrib(?:ed|ing) to[ :]+(?:topic[ :]+)?)[\"']?([^\s,\"']+)")
_SAMPLE: Final = re.compile(r"(?i)^/?(topic|test|ssl|hello|example|sample|demo|in_?topic|out_?topic|mytopic)(/|$)")
"""First levels of topics in samples: esp-mqtt's have /topic/qos0, PubSubClient's inTopic; few brokers have them."""
_LOOP: Final = 2


class Cycle:
    """Reads a log's lines. `name`: the log's. `connected_at`: the line in which it last connected; 0: in none."""

    def __init__(self, name: str) -> None:
        self.connected_at = 0
        self._name = name
        self._connected = False
        self._ends: list[int] = []
        self._behind_subscribe: list[int] = []
        self._waiting = False  # for an answer to a SUBSCRIBE
        self._asked: dict[str, list[int]] = {}  # topics, with the lines that asked for them
        self._answered: dict[str, int] = {}

    def read(self, line: str, number: int) -> None:
        """Take a line."""
        topic = _TOPIC.search(line)
        if _ENDED.search(line) is not None:
            if self._connected:
                self._ends.append(number)
                if self._waiting:
                    self._behind_subscribe.append(number)
            self._connected = self._waiting = False
        elif _CONNECTED.search(line) is not None:
            self._connected, self.connected_at = True, number
        elif _ANSWERED.search(line) is not None:
            self._waiting = False
            if topic is not None:
                self._answered[topic[1]] = number
        elif _ASKED.search(line) is not None:
            self._waiting = True
            if topic is not None:
                self._asked.setdefault(topic[1], []).append(number)

    def sightings(self) -> Iterator[Sighting]:
        """What the lines show, once all are read."""
        if len(self._ends) < _LOOP:
            yield from self._unanswered()
            return
        words = f"it connected and lost the connection, {times(len(self._ends))}"
        details: dict[str, Any] = {}
        never = [topic for topic in self._asked if topic not in self._answered]
        if self._answered and never and self._behind_subscribe:
            told = f"the broker never answered for {listed(never)}, and did for {listed(list(self._answered))}"
            yield self._denied(0.75, told, [self._asked[topic][-1] for topic in never])
        elif samples := [topic for topic in never if _SAMPLE.search(topic)]:
            told = f"its connection ended behind the subscription to {listed(samples)}, a topic of samples"
            yield self._denied(0.65, told, self._behind_subscribe)
        elif self._behind_subscribe and len({topic.strip("/").split("/")[0] for topic in never}) > 1:
            told = f"it subscribes below different roots, and none was answered: {listed(never)}"
            yield self._denied(0.62, told, self._behind_subscribe)
        elif self._behind_subscribe:
            words += f", behind a subscription that had no answer: {listed(never)}" if never else ""
        elif self._answered:
            words += f"; {listed(list(self._answered))} had been subscribed to"
            details["subscribed"] = True
        yield Sighting(what="cut-off", sure=0.6, words=words, where=self._places(self._ends), details=details)

    def _unanswered(self) -> Iterator[Sighting]:
        """What a log shows that has no line for the end of a connection: requests, and never an answer."""
        if self._answered:
            return
        for topic, numbers in self._asked.items():
            if _SAMPLE.search(topic) is not None:
                told = f"it subscribes to {topic}, a topic of samples, and no answer is in the log"
                yield self._denied(0.5, told, numbers)
            elif len(numbers) >= _LOOP:
                told = f"it subscribes to {topic} {times(len(numbers))}, and no answer is in the log"
                yield self._denied(0.4, told, numbers)

    def _denied(self, sure: float, words: str, numbers: list[int]) -> Sighting:
        return Sighting(what="subscribe-denied", sure=sure, words=words, where=self._places(numbers))

    def _places(self, numbers: list[int]) -> tuple[str, ...]:
        return tuple(f"{self._name}:{number}" for number in numbers)
