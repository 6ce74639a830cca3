"""What a policy file holds, and how it becomes a Policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, create_model

from hil.gateway.client import Authentication, NameSource
from hil.gateway.clientgroups import ClientGroup
from hil.gateway.namespace import Binding, Namespace, Topics, TopicSpaces
from hil.gateway.policy import Certainty, Policy, Rule, fault_of
from hil.gateway.rules import KINDS, Action, What
from hil.toml import Strict
from hil.wire.mqtt import Connack, Disconnect, Packet, Puback, Suback, Version
from hil.wire.mqtt.codes import ALLOWED_5

Made = TypeVar("Made")
Code = Annotated[int, Field(ge=1, le=255)]


class VersionTable(Strict):
    """What differs in one MQTT version."""

    action: Action | None = None
    limit: int | None = None
    per: float | None = None
    allowed: list[str] | None = None
    code: Code | None = None
    after: float | None = None
    tell: bool | None = None
    announce: bool | None = None
    certainty: Certainty | None = None
    sources: list[str] | None = None
    note: str | None = None


class RuleTable(VersionTable):
    """One rule: what holds in both versions, and under `v311` and `v5` what differs."""

    v311: VersionTable | None = None
    v5: VersionTable | None = None


class BindingTable(Strict):
    """One permission binding."""

    group: str
    space: str
    permission: Literal["publisher", "subscriber"]


class TopicsTable(Strict):
    """Which topics exist for whom: either `allowed`, for everybody, or topic spaces with their bindings.

    `client_groups`: queries by name. `clients`: attributes by authentication name; without it everybody may connect.
    """

    allowed: list[str] | None = None
    topic_spaces: dict[str, list[str]] | None = None
    client_groups: dict[str, str] = Field(default_factory=dict)
    permission_bindings: list[BindingTable] = Field(default_factory=list)
    clients: dict[str, dict[str, str | int | list[str]]] = Field(default_factory=dict)

    def topics(self) -> Topics:
        """The topics themselves. Raises ValueError, in one line that begins with the key, for what cannot be."""
        if (self.allowed is None) == (self.topic_spaces is None):
            raise ValueError("allowed: found it beside topic_spaces, or neither, expected one of the two")
        if self.allowed is not None:
            allowed = tuple(self.allowed)
            if self.client_groups or self.permission_bindings or self.clients:
                raise ValueError("allowed: found client_groups, permission_bindings or clients, which topic_spaces use")
            return _named("allowed", lambda: Namespace(allowed))
        groups = {
            name: _named(f"client_groups.{name}", partial(ClientGroup, query))
            for name, query in self.client_groups.items()
        }
        clients = {
            name: {k: tuple(v) if isinstance(v, list) else v for k, v in attributes.items()}
            for name, attributes in self.clients.items()
        }
        spaces = {name: tuple(templates) for name, templates in (self.topic_spaces or {}).items()}
        bindings = tuple(Binding(b.group, b.space, b.permission) for b in self.permission_bindings)
        return _named("topic_spaces", lambda: TopicSpaces(spaces, bindings, groups, clients))


class AuthenticationTable(Strict):
    """Where the authentication name comes from."""

    names: list[NameSource] = Field(default_factory=lambda: list(Authentication().names), min_length=1)
    in_certificate: bool = False


_RULES: dict[str, Any] = {what: (RuleTable | None, None) for what in KINDS}
RulesTable = create_model("RulesTable", __base__=Strict, **_RULES)


class PolicyFile(Strict):
    """The file as it stands."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")]
    title: str = ""
    sources: dict[str, str] = Field(default_factory=dict)
    authentication: AuthenticationTable = AuthenticationTable()
    topics: TopicsTable | None = None
    rules: RulesTable = RulesTable()  # type: ignore[valid-type]


def to_policy(file: PolicyFile) -> tuple[Policy | None, list[str]]:
    """The policy that a file describes, or None and what is wrong with it, a line each."""
    faults: list[str] = []
    rules: dict[What, Mapping[Version, Rule]] = {}
    for what in KINDS:
        table: RuleTable | None = getattr(file.rules, what)
        if table is not None:
            rules[what] = {version: _rule(what, table, version, file, faults) for version in Version}
    topics = None
    try:
        topics = file.topics.topics() if file.topics is not None else None
    except ValueError as error:
        faults.append(f"topics.{error}")
    if faults:
        return None, list(dict.fromkeys(faults))
    authentication = Authentication(tuple(file.authentication.names), file.authentication.in_certificate)
    return Policy(file.name, topics, rules, authentication, file.title, file.sources), []


def _rule(what: What, table: RuleTable, version: Version, file: PolicyFile, faults: list[str]) -> Rule:
    """The rule in one version. What is wrong with it is added to `faults`."""
    part = table.v5 if version is Version.V5 else table.v311
    own = part.model_dump(exclude_none=True) if part is not None else {}
    said = table.model_dump(exclude_none=True, exclude={"v311", "v5"}) | own
    said = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    rule = replace(Rule(), **said)
    key = f"rules.{what}"
    if own:
        key += ".v5" if version is Version.V5 else ".v311"
    found = [fault_of(what, rule), _wrong_code(what, rule, version)]
    if "action" not in said:
        found.append("action: found nothing, expected what happens")
    if "certainty" not in said:
        found.append("certainty: found nothing, expected how sure the rule is")
    strange = [s for s in rule.sources if s not in file.sources]
    if strange:
        found.append(f"sources: found {', '.join(strange)}, expected names from the table [sources]")
    if what == "sni" and (table.v311 or table.v5):
        found.append("v5: found a version, expected none: no version is known at the handshake")
    faults += [f"{key}.{fault}" for fault in found if fault is not None]
    return rule


def _wrong_code(what: What, rule: Rule, version: Version) -> str | None:
    """A code that its packet may not carry. CONNACK codes of 3.1.1 are free: AWS has one of its own."""
    if rule.code is None:
        return None
    at = KINDS[what].at
    if rule.action == "refuse":
        packet: type[Packet] = Connack if at == "connect" else Suback if at == "subscribe" else Puback
        if version is Version.V311 and packet is Suback:
            return None if rule.code == 0x80 else f"code: found 0x{rule.code:02x}, expected 0x80 in a 3.1.1 SUBACK"
    else:
        packet = Disconnect
    if version is Version.V5 and rule.code not in ALLOWED_5[packet]:
        return f"code: found 0x{rule.code:02x}, which {packet.__name__.upper()} of MQTT 5 may not carry"
    return None


def _named(key: str, make: Callable[[], Made]) -> Made:
    try:
        return make()
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from None
