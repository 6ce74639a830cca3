"""Topic names and topic filters: what they may look like, and which filter matches which name.

The rules (MQTT 3.1.1 and 5, section 4.7; MQTT 5, section 4.8.2):

- A name or filter is at least one character long; '/' parts it into levels, which may be empty. 'a', '/a' and 'a/'
  are three names.
- A name holds no wildcard. In a filter '+' stands for exactly one level, '#' for the level before it and all below;
  '+' fills its level alone, '#' also, and is the last.
- A filter that begins with a wildcard does not match a name that begins with '$' [MQTT-4.7.2-1].
- '$share/NAME/FILTER' (MQTT 5) is a shared subscription; it matches what FILTER matches.
"""

from __future__ import annotations

from hil.wire.mqtt.packets import Version
from hil.wire.mqtt.rules import violation

_SHARE = "$share/"


def topic_matches(topic_filter: str, topic: str) -> bool:
    """Whether a subscription to `topic_filter` receives messages on `topic`.

    Neither is checked: an ill-formed filter matches as far as it can be understood. A shared subscription's filter
    matches what its last part matches, in either version.
    """
    if topic_filter.startswith(_SHARE):
        topic_filter = shared_filter(topic_filter)
    if topic_filter == topic:
        return True
    wanted = topic_filter.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    found = topic.split("/")
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(found):
            return False
        if level not in ("+", found[position]):
            return False
    return len(wanted) == len(found)


def shared_filter(topic_filter: str) -> str:
    """The last part of '$share/NAME/FILTER'; any other filter as it is."""
    if not topic_filter.startswith(_SHARE):
        return topic_filter
    return topic_filter[len(_SHARE) :].partition("/")[2]


def check_name(topic: str, version: Version, what: str) -> None:
    """Raises ProtocolError, which begins with `what`, for a topic that no message can have."""
    if not topic:
        raise violation("empty name", version, f"{what} is empty")
    if "+" in topic or "#" in topic:
        raise violation("name wildcard", version, f"{what} {topic!r}")


def check_filter(topic_filter: str, version: Version, what: str) -> None:
    """Raises ProtocolError, which begins with `what`, for a filter to which nobody can subscribe."""
    found = f"{what} with topic filter {topic_filter!r}"
    if version is Version.V5 and topic_filter.startswith(_SHARE):
        name, slash, rest = topic_filter[len(_SHARE) :].partition("/")
        if not name:
            raise violation("share name", version, found)
        if "+" in name or "#" in name:
            raise violation("share wildcard", version, found)
        if not slash or not rest:
            raise violation("share filter", version, found)
        topic_filter = rest
    if not topic_filter:
        raise violation("empty filter", version, found)
    if "#" in topic_filter and ("#" in topic_filter[:-1] or topic_filter[-2:-1] not in ("", "/")):
        raise violation("#", version, found)
    if "+" in topic_filter and any("+" in level and level != "+" for level in topic_filter.split("/")):
        raise violation("+", version, found)
