"""A policy's rules on the CONNECT: who is let in, and with what taken off. Packet in, ruling out; no sockets."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from hil.gateway.client import Client
from hil.gateway.namespace import fill
from hil.gateway.policy import Denial, Lowering, Policy, Rule
from hil.gateway.register import FOREVER, Register
from hil.gateway.rules import KINDS, What
from hil.gateway.ruling import Ruling
from hil.wire.mqtt import Connack, Connect, Version, Will, encode

_ANNOUNCED: Final[tuple[tuple[What, str, int | None], ...]] = (
    ("qos", "maximum_qos", None),
    ("retain", "retain_available", 0),
    ("packet_size", "maximum_packet_size", None),
    ("shared", "shared_subscription_available", 0),
    ("subscription_identifier", "subscription_identifier_available", 0),
)
"""The rules that CONNACK tells of, with the property that does; None: its value is the rule's limit."""


class Admission:
    """Judges one CONNECT.

    `properties`: what CONNACK has to tell an MQTT 5 client of what was lowered. `expiry`: seconds its session is kept.
    """

    def __init__(self, policy: Policy, client: Client, register: Register, packet: Connect) -> None:
        self.properties: dict[str, int] = {}
        self.expiry = _asked_expiry(packet)
        self._policy = policy
        self._client = client
        self._register = register
        self._packet = packet
        self._keep_alive: int | None = None
        self._denials: list[Denial] = []
        self._lowerings: list[Lowering] = []
        self._end: tuple[What, Rule] | None = None  # the first rule that ends the connection

    def ruling(self, raw: bytes) -> Ruling:
        """Go through all rules in their order. The first that refuses or closes is the last that is looked at."""
        asked = self._packet
        for look in (self._rates, self._names, self._takeover, self._lengths, self._will_form, self._will_topic):
            look()
            if self._end is not None and self._end[1].action in ("refuse", "close"):
                return self._refusal(*self._end)
        ruling = Ruling(
            raw if self._packet is asked else encode(self._packet, asked.version),
            denials=tuple(self._denials),
            lowerings=tuple(self._lowerings),
            keep_alive=self._keep_alive,
            fresh=asked if self._is_over() else None,
        )
        if self._end is None:
            return ruling
        what, rule = self._end
        return replace(ruling, after_connack=True, delay=rule.after, code=end_code(what, rule))

    # -- the rules -------------------------------------------------------------------------------------------------

    def _rates(self) -> None:
        keys: tuple[tuple[What, str], ...] = (("connect_rate", ""), ("client_connect_rate", self._client.client_id))
        for what, key in keys:
            rule = self._rule(what)
            if rule.action != "allow" and rule.limit and not self._register.within(rule.limit, rule.per, what, key):
                self._deny(what, rule, f"more than {rule.limit} CONNECTs in {rule.per:g} s")

    def _names(self) -> None:
        client, topics = self._client, self._policy.topics
        if not client.authentication_name:
            sources = ", ".join(self._policy.authentication.names)
            self._deny("authentication_name", None, f"no authentication name that counts (looked at: {sources})")
        if topics is not None and not topics.knows(client):
            self._deny("client", None, f"no client {client.authentication_name!r} is registered")
        if not client.client_id:
            self._deny("empty_client_id", None, "the client id is empty")
        rule = self._rule("client_id")
        if rule.action != "allow" and client.client_id not in (fill(t, client, {}) for t in rule.allowed):
            self._deny("client_id", rule, f"client id {client.client_id!r} is not {' or '.join(rule.allowed)}")

    def _takeover(self) -> None:
        session = self._register.session(self._client.client_id)
        if session is None or not session.there(self._register.clock()):
            return
        if session.name != self._client.authentication_name:
            who = self._client.authentication_name
            words = f"the session {self._client.client_id!r} is {session.name!r}'s, not {who!r}'s"
            self._deny("takeover_other", None, words)
        elif session.connection is not None:
            self._deny("takeover", None, f"{self._client.client_id!r} is connected already")

    def _lengths(self) -> None:
        asked, rule = self._packet.keep_alive, self._rule("keep_alive")
        if rule.limit is not None and rule.action != "allow" and not 0 < asked <= rule.limit:
            words = f"keep-alive {asked or 'off'}, at most {rule.limit} s"
            if rule.action == "lower":
                self._keep_alive = self.properties["server_keep_alive"] = rule.limit
                self._lower("keep_alive", asked, rule.limit, words)
            else:
                self._deny("keep_alive", rule, words)
        rule = self._rule("session_expiry")
        if rule.limit is None or rule.action == "allow" or self.expiry <= rule.limit:
            return
        words = f"a session kept for {'ever' if self.expiry == FOREVER else f'{self.expiry} s'}, at most {rule.limit} s"
        if rule.action == "refuse":
            self._deny("session_expiry", rule, words)
            return
        if self._packet.version is Version.V5:
            self._lower("session_expiry", self.expiry, rule.limit, words)
            self.properties["session_expiry_interval"] = rule.limit
            properties = {**self._packet.properties, "session_expiry_interval": rule.limit}
            self._packet = replace(self._packet, properties=properties)
        self.expiry = rule.limit

    def _will_form(self) -> None:
        will, rule = self._packet.will, self._rule("will_qos")
        if will is not None and rule.limit is not None and rule.action != "allow" and will.qos > rule.limit:
            words = f"a will of QoS {will.qos}, at most {rule.limit}"
            if rule.action == "lower":
                self._lower("will_qos", will.qos, rule.limit, words, will.topic)
            self._will_is("will_qos", rule, words, replace(will, qos=rule.limit))
        will, rule = self._packet.will, self._rule("will_retain")
        if will is not None and will.retain and rule.action != "allow":
            words = "a retained will"
            if rule.action == "lower":
                self._lower("will_retain", 1, 0, words, will.topic)
            self._will_is("will_retain", rule, words, replace(will, retain=False))

    def _will_topic(self) -> None:
        will = self._packet.will
        if will is None:
            return
        denial = self._policy.judge_topic("will", will.topic, self._client, self._packet.version)
        if denial is not None:
            # The broker must not see this will: the connection's end would publish it where it may not be.
            self._packet = replace(self._packet, will=None)
            self._note("will", self._rule("will"), denial)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _rule(self, what: What) -> Rule:
        return self._policy.rule(what, self._packet.version)

    def _will_is(self, what: What, rule: Rule, words: str, lowered: Will) -> None:
        topic = lowered.topic
        self._packet = replace(self._packet, will=lowered if rule.action == "lower" else None)
        if rule.action != "lower":
            self._deny(what, rule, words, topic)

    def _deny(self, what: What, rule: Rule | None, words: str, topic: str | None = None) -> None:
        rule = rule or self._rule(what)
        if rule.action != "allow":
            self._note(what, rule, self._policy.denial(what, rule, words, topic))

    def _note(self, what: What, rule: Rule, denial: Denial) -> None:
        self._denials.append(denial)
        if self._end is None and rule.action in ("refuse", "close", "disconnect"):
            self._end = (what, rule)

    def _lower(self, what: What, asked: int, granted: int, words: str, topic: str | None = None) -> None:
        name = self._policy.name
        self._lowerings.append(Lowering(what, topic, asked, granted, f"{name}: {words}", name))

    def _refusal(self, what: What, rule: Rule) -> Ruling:
        answers: tuple[Connack, ...] = ()
        if rule.action == "refuse":
            code = KINDS[what].connack[self._packet.version is Version.V5] if rule.code is None else rule.code
            answers = (Connack(False, code),)
        return Ruling(None, answers, tuple(self._denials), tuple(self._lowerings), cut=True)

    def _is_over(self) -> bool:
        """Whether a session that the broker still holds is over by the policy. In MQTT 5 the broker ends it itself."""
        session = self._register.session(self._client.client_id)
        resumes = self._packet.version is Version.V311 and not self._packet.clean
        return resumes and session is not None and session.over(self._register.clock()) and session.expiry > 0


def judge_server_name(policy: Policy, sni: str | None) -> Denial | None:
    """None if the handshake named a server, or need not. Judged before any MQTT version is known."""
    rule = policy.rule("sni", Version.V311)
    if sni is not None or rule.action == "allow":
        return None
    return policy.denial("sni", rule, "no server name (SNI) in the ClientHello")


def announced(policy: Policy, version: Version) -> dict[str, int]:
    """What CONNACK tells an MQTT 5 client of the policy's limits (MQTT 5 section 3.2.2.3)."""
    found: dict[str, int] = {}
    for what, property_name, value in _ANNOUNCED:
        rule = policy.rule(what, version)
        limit = rule.limit if value is None else value
        if version is Version.V5 and rule.action != "allow" and rule.announce and limit is not None:
            found[property_name] = limit
    if found.get("maximum_qos", 2) >= 2:
        found.pop("maximum_qos", None)  # absent means 2
    return found


def end_code(what: What, rule: Rule) -> int | None:
    """The code of the DISCONNECT that an MQTT 5 client is sent when `rule` ends its connection; None: it gets none."""
    return (KINDS[what].end if rule.code is None else rule.code) if rule.tell else None


def _asked_expiry(packet: Connect) -> int:
    """Seconds that a session is to be kept: of MQTT 5 what the CONNECT says, of 3.1.1 for ever unless it is clean."""
    if packet.version is Version.V5:
        return int(packet.properties.get("session_expiry_interval", 0))
    return 0 if packet.clean else FOREVER
