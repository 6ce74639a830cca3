"""A policy at work on one connection. Packets in, rulings out; no sockets here.

The gatekeeper remembers what it has to: which filters of a SUBSCRIBE it kept from the broker, so that the SUBACK still
has a code for each, and which QoS 2 messages it swallowed, so that their PUBREL is answered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hil.gateway.policy import Action, Denial, Policy, judge
from hil.wire.mqtt import (
    Connack,
    Connect,
    Packet,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Version,
    encode,
)

NOT_AUTHORIZED_311 = 5
"""CONNACK return code of MQTT 3.1.1, table 3.1."""
SUBACK_FAILURE_311 = 0x80
"""MQTT 3.1.1 section 3.9.3."""
NOT_AUTHORIZED_5 = 0x87
"""Reason code of MQTT 5, section 2.4."""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a packet. `forward`: the bytes for the broker, None if it gets none. `answers`: what the
    gateway itself answers to the device. `cut`: the connection ends; `after_connack`: once CONNACK has been sent."""

    forward: bytes | None
    answers: tuple[Packet, ...] = ()
    denials: tuple[Denial, ...] = ()
    cut: bool = False
    after_connack: bool = False


class Gatekeeper:
    """`names` fills the placeholders of the policy's filters."""

    def __init__(self, policy: Policy, version: Version, names: Mapping[str, str]) -> None:
        self.policy = policy
        self.idle = policy.namespace is None  # nothing to judge: packets may pass by
        self._version = version
        self._names = names
        self._subacks: dict[int, list[int | None]] = {}
        self._swallowed: set[int] = set()

    def connect(self, packet: Connect, raw: bytes) -> Ruling:
        """Judge a CONNECT by its will."""
        denial = judge(self.policy, "will", packet.will.topic, self._names) if packet.will else None
        if denial is None:
            return Ruling(raw)
        if denial.action == "refuse":
            code = NOT_AUTHORIZED_5 if self._version is Version.V5 else NOT_AUTHORIZED_311
            return Ruling(None, (Connack(False, code),), (denial,), cut=True)
        # The broker must not see this will: the connection's end would publish it on a topic that does not exist.
        without = encode(replace(packet, will=None), self._version)
        return Ruling(without, (), (denial,), after_connack=denial.action == "disconnect")

    def up(self, packet: Packet, raw: bytes) -> Ruling:
        """Judge a packet from the device, other than CONNECT. `packet` has its topic alias resolved."""
        if isinstance(packet, Publish):
            return self._publish(packet, raw)
        if isinstance(packet, Subscribe):
            return self._subscribe(packet, raw)
        if isinstance(packet, Pubrel) and packet.packet_id in self._swallowed:
            self._swallowed.discard(packet.packet_id)
            return Ruling(None, (Pubcomp(packet.packet_id),))
        return Ruling(raw)

    def down(self, packet: Packet, raw: bytes) -> tuple[Packet, bytes]:
        """Complete a SUBACK with the codes of the filters that the broker never saw; all else stays as it is."""
        if isinstance(packet, Suback) and packet.packet_id in self._subacks:
            granted = iter(packet.codes)
            codes = tuple(
                next(granted, SUBACK_FAILURE_311) if code is None else code
                for code in self._subacks.pop(packet.packet_id)
            )
            packet = replace(packet, codes=codes)
            return packet, encode(packet, self._version)
        return packet, raw

    # -- inside ----------------------------------------------------------------------------------------------------

    def _publish(self, packet: Publish, raw: bytes) -> Ruling:
        denial = judge(self.policy, "publish", packet.topic, self._names)
        if denial is None:
            return Ruling(raw)
        if denial.action == "disconnect":
            return Ruling(None, (), (denial,), cut=True)
        told = denial.action == "refuse" and self._version is Version.V5
        code = NOT_AUTHORIZED_5 if told else 0
        if packet.packet_id is None:
            return Ruling(None, (), (denial,))
        if packet.qos == 1:
            return Ruling(None, (Puback(packet.packet_id, code),), (denial,))
        if not told:
            self._swallowed.add(packet.packet_id)
        return Ruling(None, (Pubrec(packet.packet_id, code),), (denial,))

    def _subscribe(self, packet: Subscribe, raw: bytes) -> Ruling:
        verdicts = [judge(self.policy, "subscribe", s.filter, self._names) for s in packet.filters]
        denials = tuple(d for d in verdicts if d is not None)
        if not denials:
            return Ruling(raw)
        if any(d.action == "disconnect" for d in denials):
            return Ruling(None, (), denials, cut=True)
        codes = [
            None if denial is None else self._subscribe_code(denial.action, subscription.qos)
            for denial, subscription in zip(verdicts, packet.filters, strict=True)
        ]
        kept = tuple(s for s, denial in zip(packet.filters, verdicts, strict=True) if denial is None)
        if not kept:
            return Ruling(None, (Suback(packet.packet_id, tuple(c for c in codes if c is not None)),), denials)
        self._subacks[packet.packet_id] = codes
        return Ruling(encode(replace(packet, filters=kept), self._version), (), denials)

    def _subscribe_code(self, action: Action, qos: int) -> int:
        if action == "drop":
            return qos
        return NOT_AUTHORIZED_5 if self._version is Version.V5 else SUBACK_FAILURE_311
