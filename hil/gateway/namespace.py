"""Which topics exist for which client: the namespace of a broker, as pure data.

Two forms. `Namespace` is a list of filters that everybody may publish and subscribe to. `TopicSpaces` is what Azure
Event Grid has: topic spaces of up to ten templates, and permission bindings that let a client group publish or
subscribe to one. https://learn.microsoft.com/azure/event-grid/mqtt-topic-spaces

A template is an MQTT topic filter with placeholders: `{client_id}`, `{username}`, `{board}`, `{authentication_name}`,
and Event Grid's own `${client.authenticationName}` and `${client.attributes.NAME}`, each with an ending of its own
after a bar: `${client.authenticationName|.factory1}`. A name that is empty or holds '+', '#' or '/' fills no
placeholder, or a client could widen its own permissions by its name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from hil.gateway.client import Client
from hil.gateway.clientgroups import Attributes, ClientGroup

Permission = Literal["publisher", "subscriber"]
TEMPLATES_IN_A_SPACE: Final = 10
"""Event Grid's own limit."""

KNOWN: Final = (
    "{client_id}", "{username}", "{board}", "{authentication_name}",
    "${client.authenticationName}", "${client.attributes.NAME}",
)  # fmt: skip
"""The placeholders."""

_HOLE: Final = re.compile(
    r"\$\{client\.(?P<variable>authenticationName|attributes\.(?P<attribute>[\w-]+))(?:\|(?P<ending>[^{}+#/|]*))?\}"
    r"|\{(?P<name>client_id|username|board|authentication_name)\}"
)


@dataclass(frozen=True, slots=True)
class Namespace:
    """The topics that exist, as templates; every client may use each of them both ways."""

    allowed: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.allowed, str):
            raise ValueError(f"Namespace wants a list of topic filters, got the text {self.allowed!r}")
        object.__setattr__(self, "allowed", tuple(self.allowed))
        for template in self.allowed:
            check_template(template)

    def knows(self, client: Client) -> bool:
        """Whether the client is one that may connect."""
        return True

    def permits(self, permission: Permission, topic: str, client: Client) -> bool:
        """Whether `client` may use `topic`, a filter for a subscriber and a name for a publisher."""
        return any(covers(t, topic) for t in _filled(self.allowed, client, {}))

    def words(self, permission: Permission, client: Client) -> str:
        """What is allowed, for people."""
        return f"the namespace is {', '.join(self.allowed) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Binding:
    """A permission binding: the clients of `group` are publishers or subscribers of the topic space `space`."""

    group: str
    space: str
    permission: Permission


@dataclass(frozen=True, slots=True)
class TopicSpaces:
    """Topic spaces, client groups and the bindings between them.

    `clients`: attributes by authentication name; empty lets everybody connect, else only who is in it. The group '$all'
    is always there. Raises ValueError for a binding that names what is not there.
    """

    spaces: Mapping[str, tuple[str, ...]]
    bindings: tuple[Binding, ...]
    groups: Mapping[str, ClientGroup] = field(default_factory=dict)
    clients: Mapping[str, Attributes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", {**self.groups, "$all": ClientGroup("$all")})
        for name, templates in self.spaces.items():
            if not 1 <= len(templates) <= TEMPLATES_IN_A_SPACE:
                raise ValueError(
                    f"topic space {name!r} has {len(templates)} templates, expected 1 to {TEMPLATES_IN_A_SPACE}"
                )
            for template in templates:
                check_template(template)
        for binding in self.bindings:
            _there("topic space", binding.space, self.spaces)
            _there("client group", binding.group, self.groups)

    def knows(self, client: Client) -> bool:
        """Whether the client is registered, where clients are."""
        return not self.clients or client.authentication_name in self.clients

    def permits(self, permission: Permission, topic: str, client: Client) -> bool:
        """Whether a binding lets `client` use `topic`."""
        return any(covers(template, topic) for template in self._open_to(permission, client))

    def words(self, permission: Permission, client: Client) -> str:
        """What is allowed, for people."""
        verb = "publish" if permission == "publisher" else "subscribe"
        who = client.authentication_name or "a client without authentication name"
        return (
            f"no topic space allows it; {who} may {verb} to {', '.join(self._open_to(permission, client)) or 'nothing'}"
        )

    def _open_to(self, permission: Permission, client: Client) -> list[str]:
        attributes = self.clients.get(client.authentication_name, {})
        templates: list[str] = []
        for binding in self.bindings:
            if binding.permission == permission and self.groups[binding.group].has(
                client.authentication_name, attributes
            ):
                templates += _filled(self.spaces[binding.space], client, attributes)
        return templates


Topics = Namespace | TopicSpaces


def fill(template: str, client: Client, attributes: Attributes) -> str | None:
    """`template` with its placeholders filled, in one pass; None if one of them has no value that may stand there."""
    missing = False

    def value(hole: re.Match[str]) -> str:
        nonlocal missing
        if hole["name"]:
            found: object = getattr(client, hole["name"])
        elif hole["attribute"]:
            found = attributes.get(hole["attribute"])
        else:
            found = client.authentication_name
        text = str(found) if isinstance(found, str | int) else ""
        if not text or any(c in text for c in "+#/"):
            missing = True
        return text + (hole["ending"] or "")

    filled = _HOLE.sub(value, template)
    return None if missing else filled


def check_template(template: str) -> None:
    """Raises ValueError for a template that no topic filter can come from, or that has an unknown placeholder."""
    plain = _HOLE.sub("x", template)
    if "{" in plain or "}" in plain:
        found = re.search(r"\$?\{[^}]*\}?|\}", plain)
        hole = found.group() if found else plain
        near = difflib.get_close_matches(hole, KNOWN, n=1)
        meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(KNOWN)}"
        raise ValueError(f"found unknown placeholder {hole!r} in {template!r}; {meant}")
    levels = plain.split("/")
    wrong = not plain or any(
        ("#" in level and (level != "#" or index != len(levels) - 1)) or ("+" in level and level != "+")
        for index, level in enumerate(levels)
    )
    if wrong:
        raise ValueError(f"{template!r} is no MQTT topic filter: '#' stands last and alone, '+' alone in its level")


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


def _filled(templates: tuple[str, ...], client: Client, attributes: Attributes) -> list[str]:
    return [filled for t in templates if (filled := fill(t, client, attributes)) is not None]


def _there(what: str, name: str, known: Mapping[str, object]) -> None:
    if name not in known:
        raise ValueError(f"a binding names {what} {name!r}; there are {', '.join(known) or 'none'}")
