"""Which topic on the broker a name on the line stands for, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hil.contract import LinkTopic
from hil.link.protocol import BadLine, Publish, Subscribe
from hil.wire.mqtt import ProtocolError, Version, check_filter, check_name

#: Bytes of the longest topic (MQTT 3.1.1 section 1.5.3).
LONGEST_TOPIC = 65535


class Names:
    """The table of a contract's `link.topics`. A name that is not in it is the topic itself.

    So a board may ask for whatever a networked one may; the gateway and its broker rule, and not this side.
    """

    def __init__(self, topics: Mapping[str, LinkTopic]) -> None:
        self._topics = topics
        self._names = {entry.topic: name for name, entry in topics.items()}

    def outward(self, said: Publish) -> Publish:
        """The same message for the broker: topic, QoS and retain flag filled in. Raises BadLine."""
        entry = self._topics.get(said.topic)
        topic, qos, retain = (said.topic, 0, False) if entry is None else (entry.topic, entry.qos, entry.retain)
        _check(topic, check_name)
        return Publish(
            topic, said.payload, qos if said.qos is None else said.qos, retain if said.retain is None else said.retain
        )

    def wanted(self, topic_filter: str, qos: int | None = None) -> Subscribe:
        """The same subscription for the broker. Raises BadLine."""
        entry = self._topics.get(topic_filter)
        found = topic_filter if entry is None else entry.topic
        _check(found, check_filter)
        return Subscribe(found, (1 if entry is None else entry.qos) if qos is None else qos)

    def inward(self, topic: str) -> str:
        """What the board calls `topic`."""
        return self._names.get(topic, topic)


def _check(topic: str, rule: Callable[[str, Version, str], None]) -> None:
    try:
        size = len(topic.encode("utf-8"))
        rule(topic, Version.V311, "it")
    except UnicodeEncodeError:
        raise BadLine("its topic holds half a character (a lone surrogate)") from None
    except ProtocolError as error:
        raise BadLine(str(error)) from None
    if "\0" in topic or size > LONGEST_TOPIC:
        raise BadLine(f"its topic holds a NUL, or more than {LONGEST_TOPIC} bytes")
