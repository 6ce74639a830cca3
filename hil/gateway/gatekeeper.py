"""A policy at work on one connection. Packets in, rulings out; no sockets here.

The gatekeeper remembers what it has to: which filters of a SUBSCRIBE it kept from the broker, so that the SUBACK still
has a code for each, and which QoS 2 messages it swallowed, so that their PUBREL is answered here. What has to outlive
the connection is in the gateway's register.
"""

from __future__ import annotations

from dataclasses import replace

from hil.gateway.admission import Admission, announced, end_code
from hil.gateway.client import Client
from hil.gateway.policy import Denial, Lowering, Policy, Rule
from hil.gateway.register import Register, Session
from hil.gateway.rules import KINDS, What
from hil.gateway.ruling import Ruling
from hil.gateway.subscribing import Subscribing
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Unsubscribe,
    Version,
    encode,
)
from hil.wire.mqtt.packets import Properties

SUBACK_FAILURE_311 = 0x80
"""MQTT 3.1.1 section 3.9.3."""


class Gatekeeper:
    """`number`: of the connection, for the register. `idle`: nothing is judged after the CONNECT, packets pass by."""

    def __init__(self, policy: Policy, version: Version, client: Client, register: Register, number: int) -> None:
        self.policy = policy
        self.idle = policy.idle(version)
        self._version = version
        self._client = client
        self._register = register
        self._number = number
        self._session = Session(client.authentication_name, number)
        self._properties = announced(policy, version)
        self._subacks: dict[int, list[int | None]] = {}
        self._swallowed: set[int] = set()
        self._subscribing = Subscribing(policy, version, client)

    def connect(self, packet: Connect, raw: bytes) -> Ruling:
        """Judge a CONNECT, and note in the register whose session it is."""
        if (refusal := self._too_large(raw)) is not None:
            return refusal
        admission = Admission(self.policy, self._client, self._register, packet)
        ruling = admission.ruling(raw)
        self._properties |= admission.properties
        if ruling.forward is not None and self._client.client_id:
            self._session = self._register.arrived(
                self._client.client_id,
                self._client.authentication_name,
                self._number,
                admission.expiry,
                fresh=packet.clean or ruling.fresh is not None,
            )
        return ruling

    def ended(self) -> None:
        """The connection is over."""
        self._register.left(self._client.client_id, self._number)

    def up(self, packet: Packet, raw: bytes) -> Ruling:
        """Judge a packet from the device, other than CONNECT. `packet` has its topic alias resolved."""
        if (refusal := self._too_large(raw)) is not None:
            return refusal
        if isinstance(packet, Publish):
            return self._publish(packet, raw)
        if isinstance(packet, Subscribe):
            return self._subscribe(packet, raw)
        if isinstance(packet, Unsubscribe):
            return self._unsubscribe(packet, raw)
        if isinstance(packet, Pubrel) and packet.packet_id in self._swallowed:
            self._swallowed.discard(packet.packet_id)
            return Ruling(None, (Pubcomp(packet.packet_id),))
        if isinstance(packet, Disconnect) and "session_expiry_interval" in packet.properties:
            return self._last_wish(packet, raw)
        return Ruling(raw)

    def down(self, packet: Packet, raw: bytes) -> tuple[Packet, bytes]:
        """Complete a SUBACK with the codes of the filters that the broker never saw, and a CONNACK with the policy's
        limits; all else stays as it is."""
        if isinstance(packet, Suback) and packet.packet_id in self._subacks:
            granted = iter(packet.codes)
            codes = tuple(
                next(granted, SUBACK_FAILURE_311) if code is None else code
                for code in self._subacks.pop(packet.packet_id)
            )
            packet = replace(packet, codes=codes)
        elif isinstance(packet, Connack) and packet.code == 0 and self._version is Version.V5 and self._properties:
            packet = replace(packet, properties=_tightened(packet.properties, self._properties))
        else:
            return packet, raw
        return packet, encode(packet, self._version)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _too_large(self, raw: bytes) -> Ruling | None:
        rule = self.policy.rule("packet_size", self._version)
        if rule.limit is None or rule.action == "allow" or len(raw) <= rule.limit:
            return None
        words = f"a packet of {len(raw)} bytes, at most {rule.limit}"
        return self._cut("packet_size", rule, (self.policy.denial("packet_size", rule, words),))

    def _publish(self, packet: Publish, raw: bytes) -> Ruling:
        judged = self._judge_publish(packet)
        if judged is None:
            # The topic goes with its alias each time: the message that set the alias may not have been let pass.
            return Ruling(encode(packet, self._version) if "topic_alias" in packet.properties else raw)
        what, rule, denial = judged
        if rule.action == "lower":
            lowering = Lowering(what, packet.topic, 1, 0, denial.rule, denial.policy)
            return Ruling(encode(replace(packet, retain=False), self._version), lowerings=(lowering,))
        if rule.action == "disconnect":
            return self._cut(what, rule, (denial,))
        answer = self._answer(packet, what, rule)
        if rule.action == "refuse-disconnect":
            return replace(self._cut(what, rule, (denial,)), answers=answer)
        return Ruling(None, answer, (denial,))

    def _judge_publish(self, packet: Publish) -> tuple[What, Rule, Denial] | None:
        """The first rule that the message does not keep."""
        found: list[tuple[What, Rule, str]] = []
        rule = self.policy.rule("publish_rate", self._version)
        rated = rule.action != "allow" and rule.limit is not None
        if rated and not self._register.within(rule.limit or 0, rule.per, "publish_rate", str(self._number)):
            found.append(("publish_rate", rule, f"more than {rule.limit} PUBLISHes in {rule.per:g} s"))
        rule = self.policy.rule("qos", self._version)
        if rule.action != "allow" and rule.limit is not None and packet.qos > rule.limit:
            found.append(("qos", rule, f"a message of QoS {packet.qos}, at most {rule.limit}"))
        rule = self.policy.rule("retain", self._version)
        if rule.action != "allow" and packet.retain:
            found.append(("retain", rule, "a retained message"))
        ending = next((f for f in found if f[1].action != "lower"), None)
        if ending is not None:
            what, rule, words = ending
            return what, rule, self.policy.denial(what, rule, words, packet.topic)
        denial = self.policy.judge_topic("publish", packet.topic, self._client, self._version)
        if denial is not None:
            return "publish", self.policy.rule("publish", self._version), denial
        if found:
            what, rule, words = found[0]
            return what, rule, self.policy.denial(what, rule, words, packet.topic)
        return None

    def _answer(self, packet: Publish, what: What, rule: Rule) -> tuple[Packet, ...]:
        """What a PUBLISH gets that goes nowhere."""
        if packet.packet_id is None or rule.action == "ignore":
            return ()
        told = rule.action != "drop" and self._version is Version.V5
        if rule.action == "refuse-disconnect" and not told:
            return ()
        own = rule.code if rule.action == "refuse" else None
        code = (KINDS[what].answer if own is None else own) if told else 0
        if packet.qos == 1:
            return (Puback(packet.packet_id, code),)
        if not told:
            self._swallowed.add(packet.packet_id)
        return (Pubrec(packet.packet_id, code),)

    def _subscribe(self, packet: Subscribe, raw: bytes) -> Ruling:
        verdict = self._subscribing.judge(packet, self._session.filters, self._is_quick())
        if verdict.end is not None:
            return self._cut(*verdict.end, verdict.denials)
        if verdict.unchanged:
            return Ruling(raw)
        facts = (verdict.denials, verdict.lowerings)
        if verdict.ignored:
            return Ruling(None, (), *facts)
        if not verdict.kept:
            return Ruling(None, (Suback(packet.packet_id, tuple(c for c in verdict.codes if c is not None)),), *facts)
        self._subacks[packet.packet_id] = verdict.codes
        return Ruling(encode(replace(packet, filters=verdict.kept), self._version), (), *facts)

    def _unsubscribe(self, packet: Unsubscribe, raw: bytes) -> Ruling:
        rule = self.policy.rule("subscribe_rate", self._version)
        if not self._is_quick() or rule.action != "disconnect":
            self._session.filters.difference_update(packet.filters)
            return Ruling(raw)
        words = f"more than {rule.limit} SUBSCRIBEs and UNSUBSCRIBEs in {rule.per:g} s"
        return self._cut("subscribe_rate", rule, (self.policy.denial("subscribe_rate", rule, words),))

    def _is_quick(self) -> bool:
        """Count a SUBSCRIBE or UNSUBSCRIBE; whether it comes too soon."""
        rule = self.policy.rule("subscribe_rate", self._version)
        if rule.action == "allow" or rule.limit is None:
            return False
        return not self._register.within(rule.limit, rule.per, "subscribe_rate", self._client.client_id)

    def _last_wish(self, packet: Disconnect, raw: bytes) -> Ruling:
        """A DISCONNECT may ask for a longer session than the CONNECT did (MQTT 5 section 3.14.2.2.2)."""
        rule = self.policy.rule("session_expiry", self._version)
        asked = int(packet.properties["session_expiry_interval"])
        limit = asked if rule.action == "allow" or rule.limit is None else min(asked, rule.limit)
        self._session.expiry = limit
        if limit == asked:
            return Ruling(raw)
        name = self.policy.name
        words = f"{name}: a session kept for {asked} s, at most {limit} s"
        properties = {**packet.properties, "session_expiry_interval": limit}
        lowered = (Lowering("session_expiry", None, asked, limit, words, name),)
        return Ruling(encode(replace(packet, properties=properties), self._version), lowerings=lowered)

    def _cut(self, what: What, rule: Rule, denials: tuple[Denial, ...]) -> Ruling:
        return Ruling(None, (), denials, cut=True, code=end_code(what, rule))


def _tightened(theirs: Properties, ours: dict[str, int]) -> Properties:
    """The broker's properties with the policy's limits, each where it is the tighter one."""
    both = dict(theirs)
    for name, limit in ours.items():
        found = both.get(name)
        both[name] = min(found, limit) if isinstance(found, int) else limit
    return both
