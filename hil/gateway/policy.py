"""What a broker allows, as data, and the pure functions that apply it.

A broker in the field may refuse, or cut off, a client for a topic outside of its namespace; mosquitto never does
(for a denied will it answers CONNACK 0 and forgets the will). So the gateway plays the broker's policy in front of it.

    Policy(name="eventgrid", namespace=Namespace(("devices/{client_id}/#",)), on_will="disconnect",
           on_subscribe="disconnect", on_publish="disconnect")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Action = Literal["allow", "refuse", "drop", "disconnect"]
What = Literal["will", "subscribe", "publish"]


@dataclass(frozen=True, slots=True)
class Namespace:
    """The topics that exist, as MQTT topic filters.

    A filter may hold `{client_id}`, `{username}` and `{board}`. A name that holds '+', '#' or '/' fills no
    placeholder, or a client could widen its own permissions by its name.
    """

    allowed: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.allowed, str):
            raise ValueError(f"Namespace wants a list of topic filters, got the text {self.allowed!r}")
        object.__setattr__(self, "allowed", tuple(self.allowed))
        for topic_filter in self.allowed:
            _check_filter(topic_filter)


@dataclass(frozen=True, slots=True)
class Policy:
    """What happens on a topic outside of the namespace. No namespace allows everything.

    - `allow`: nothing happens.
    - `refuse`: told by protocol. Will: CONNACK 5 (MQTT 5: 0x87) and the end. Subscribe: 0x80 (0x87) in the SUBACK.
      Publish: PUBACK or PUBREC 0x87 in MQTT 5; MQTT 3.1.1 has no way to say it, so there it is a `drop`.
    - `drop`: answered as if all were well, and forgotten.
    - `disconnect`: the connection ends. Will: CONNACK 0 comes first, as has been seen of Azure Event Grid in the
      field: 'connects, then is disconnected'.

    `disconnect_after`: seconds between that CONNACK and the end. `reason_in_disconnect`: whether an MQTT 5 client is
    sent DISCONNECT 0x87 before a connection ends.
    """

    name: str = "permissive"
    namespace: Namespace | None = None
    on_will: Action = "allow"
    on_subscribe: Action = "allow"
    on_publish: Action = "allow"
    disconnect_after: float = 0.0
    reason_in_disconnect: bool = True

    def __post_init__(self) -> None:
        for key in ("on_will", "on_subscribe", "on_publish"):
            value = getattr(self, key)
            if value not in get_args(Action):
                raise ValueError(
                    f"policy {self.name}: {key} is {value!r}, expected one of {', '.join(get_args(Action))}"
                )
        if self.disconnect_after < 0:
            raise ValueError(f"policy {self.name}: disconnect_after is {self.disconnect_after}, expected 0 s or more")

    def action(self, what: What) -> Action:
        """What this policy does about a denied `what`."""
        return {"will": self.on_will, "subscribe": self.on_subscribe, "publish": self.on_publish}[what]


@dataclass(frozen=True, slots=True)
class Denial:
    """One topic that a policy does not let pass: the data of the `denied` event."""

    what: What
    topic: str
    rule: str
    action: Action


PERMISSIVE = Policy()


def judge(policy: Policy, what: What, topic: str, names: Mapping[str, str]) -> Denial | None:
    """None if `topic` may pass: a filter for 'subscribe', a name otherwise. `names` fills the placeholders."""
    action = policy.action(what)
    if policy.namespace is None or action == "allow":
        return None
    allowed = [filled for f in policy.namespace.allowed if (filled := _fill(f, names)) is not None]
    if any(covers(f, topic) for f in allowed):
        return None
    listed = ", ".join(policy.namespace.allowed) or "nothing"
    return Denial(what, topic, f"{policy.name}: the namespace is {listed}", action)


def covers(wide: str, narrow: str) -> bool:
    """Whether each topic that the filter (or topic) `narrow` stands for is one that the filter `wide` stands for.

    Wildcards at the first level do not cover topics that begin with '$' (MQTT 3.1.1 section 4.7.2).
    """
    if narrow.startswith("$share/"):
        narrow = narrow.split("/", 2)[-1]  # a shared subscription is judged by its filter (MQTT 5 section 4.8.2)
    if narrow.startswith("$") and wide[:1] in ("+", "#"):
        return False
    wide_levels, narrow_levels = wide.split("/"), narrow.split("/")
    for index, level in enumerate(wide_levels):
        if level == "#":
            return True
        if index >= len(narrow_levels):
            return False
        if narrow_levels[index] == "#" or (level not in ("+", narrow_levels[index])):
            # 'a/#' covers 'a' as well, so a narrow '#' is wider than any further level of the wide filter
            return False
    return len(narrow_levels) == len(wide_levels)


def _fill(topic_filter: str, names: Mapping[str, str]) -> str | None:
    for name, value in names.items():
        hole = "{" + name + "}"
        if hole in topic_filter:
            if not value or any(c in value for c in "+#/"):
                return None
            topic_filter = topic_filter.replace(hole, value)
    return topic_filter


def _check_filter(topic_filter: str) -> None:
    levels = topic_filter.split("/")
    wrong = not topic_filter or any(
        ("#" in level and (level != "#" or index != len(levels) - 1)) or ("+" in level and level != "+")
        for index, level in enumerate(levels)
    )
    if wrong:
        raise ValueError(f"{topic_filter!r} is no MQTT topic filter: '#' stands last and alone, '+' alone in its level")
