"""What a broker allows, as data: rules, each with what happens to a client that does not keep it.

A broker in the field may refuse, or cut off, a client for a topic outside of its namespace; mosquitto never does (for a
denied will it answers CONNACK 0 and forgets the will). So the gateway plays the broker's policy in front of it. The
files in hil/gateway/policies describe known brokers; docs/policies.md says how to describe another.

    policies.load("eventgrid", topics=Namespace(("devices/{client_id}/#",)))
    namespace_policy("mine", Namespace(("devices/{client_id}/#",)), publish="refuse")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from hil.gateway.client import Authentication, Client
from hil.gateway.namespace import Namespace, Permission, Topics
from hil.gateway.rules import KINDS, Action, What
from hil.wire.mqtt import Version

Certainty = Literal["tried", "source", "documentation", "field", "unconfirmed"]
"""How sure a rule is: tried with the broker itself; read in its source; in its vendor's documentation; seen by users in
the field; or none of these, a guess to be confirmed."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one rule of a policy is in one MQTT version.

    - `action`: see hil/gateway/rules.py. `allow`: there is no such rule.
    - `limit`: the most that is let pass, in the unit of the rule's kind; of a rate, so many in `per` seconds.
    - `allowed`: of `client_id`, the templates of which a client id must be one.
    - `code`: the code said in place of the standard's own: in CONNACK, SUBACK or PUBACK where the action refuses, in
      DISCONNECT where it disconnects.
    - `after`: seconds between CONNACK and the end, of rules on the CONNECT. `tell`: whether an MQTT 5 client is sent
      DISCONNECT before the end. `announce`: whether CONNACK tells an MQTT 5 client of the limit.
    - `certainty`, `sources`, `note`: how sure it is, and from where it is known.
    """

    action: Action = "allow"
    limit: int | None = None
    per: float = 1.0
    allowed: tuple[str, ...] = ()
    code: int | None = None
    after: float = 0.0
    tell: bool = True
    announce: bool = True
    certainty: Certainty = "unconfirmed"
    sources: tuple[str, ...] = ()
    note: str = ""


ALLOW = Rule()
Rules = Mapping[What, Mapping[Version, Rule]]


@dataclass(frozen=True, slots=True)
class Policy:
    """What a broker does. A rule that is not in `rules` allows. No `topics` allows all of them to everybody.

    Raises ValueError for a rule whose action its kind does not have, or that lacks its limit.
    """

    name: str = "permissive"
    topics: Topics | None = None
    rules: Rules = field(default_factory=dict)
    authentication: Authentication = field(default_factory=Authentication)
    title: str = ""
    sources: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, versions in self.rules.items():
            for rule in versions.values():
                if (fault := fault_of(what, rule)) is not None:
                    raise ValueError(f"policy {self.name}: {what}: {fault}")

    def rule(self, what: What, version: Version) -> Rule:
        """The rule of this kind for clients that speak `version`."""
        return self.rules.get(what, {}).get(version, ALLOW)

    def idle(self, version: Version) -> bool:
        """Whether there is nothing to judge: each packet passes by."""
        return all(v.get(version, ALLOW).action == "allow" for v in self.rules.values())

    def with_topics(self, topics: Topics | None) -> Policy:
        """The same broker with another namespace."""
        return Policy(self.name, topics, self.rules, self.authentication, self.title, self.sources)

    def judge_topic(self, what: What, topic: str, client: Client, version: Version) -> Denial | None:
        """None if the topic of a will, a subscription (its filter) or a publication may pass."""
        rule = self.rule(what, version)
        permission: Permission = "subscriber" if what == "subscribe" else "publisher"
        if self.topics is None or rule.action == "allow" or self.topics.permits(permission, topic, client):
            return None
        return self.denial(what, rule, self.topics.words(permission, client), topic)

    def denial(self, what: What, rule: Rule, words: str, topic: str | None = None) -> Denial:
        """What the timeline is to say of a client that did not keep `rule`."""
        return Denial(what, topic, f"{self.name}: {words}", rule.action, self.name)


@dataclass(frozen=True, slots=True)
class Denial:
    """Something that a policy does not let pass: the data of the `denied` event."""

    what: What
    topic: str | None
    rule: str
    action: Action
    policy: str


@dataclass(frozen=True, slots=True)
class Lowering:
    """Something that a policy lets pass with less than was asked for: the data of the `lowered` event."""

    what: What
    topic: str | None
    asked: int
    granted: int
    rule: str
    policy: str


PERMISSIVE = Policy()


def namespace_policy(
    name: str,
    namespace: Namespace,
    *,
    will: Action = "disconnect",
    subscribe: Action = "disconnect",
    publish: Action = "disconnect",
    disconnect_after: float = 0.0,
    reason_in_disconnect: bool = True,
) -> Policy:
    """The short form: a namespace, and what becomes of those who leave it, in either MQTT version.

    `disconnect_after`: seconds between CONNACK and the end for a denied will. `reason_in_disconnect`: whether an MQTT 5
    client is sent DISCONNECT 0x87 before a connection ends. Raises ValueError for an action that there is not.
    """
    actions: dict[What, Action] = {"will": will, "subscribe": subscribe, "publish": publish}
    rules: dict[What, Mapping[Version, Rule]] = {}
    for what, action in actions.items():
        after = disconnect_after if what == "will" and action == "disconnect" else 0.0
        rules[what] = dict.fromkeys(Version, Rule(action, after=after, tell=reason_in_disconnect))
    return Policy(name, namespace, rules)


def fault_of(what: What, rule: Rule) -> str | None:
    """What is wrong with a rule of this kind, in words; None for a sound one."""
    kind = KINDS[what]
    if rule.action not in kind.actions:
        known = "" if rule.action in get_args(Action) else "an unknown action, "
        return f"action: found {rule.action!r}, {known}expected one of {', '.join(kind.actions)}"
    if rule.action == "allow":
        return None
    if kind.unit and rule.limit is None:
        return f"limit: found nothing, expected the most that is let pass, in {kind.unit}"
    if not kind.unit and rule.limit is not None:
        return f"limit: found {rule.limit}, expected none: this rule has no measure"
    if rule.limit is not None and rule.limit < kind.least:
        return f"limit: found {rule.limit}, expected {kind.least} or more"
    if rule.per <= 0:
        return f"per: found {rule.per:g}, expected more than 0 seconds"
    if (what == "client_id") is not bool(rule.allowed):
        return f"allowed: found {list(rule.allowed)}, expected the client ids that are taken, for client_id alone"
    if rule.after < 0 or (rule.after and not (rule.action == "disconnect" and kind.at == "connect")):
        return (
            f"after: found {rule.after:g}, expected seconds from CONNACK to the end, for a disconnect on CONNECT alone"
        )
    return None
