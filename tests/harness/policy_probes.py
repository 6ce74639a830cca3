"""What a raw device does to meet one rule of a policy, and what it gets for it, as words in their order.

    meet(bench, policy, "retain", Version.V5) == ["connack 0", "disconnect 0x9a", "closed"]

'pong': the connection lives; 'lowered': the gateway says that the device got less than it asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from certificates import client_context
from gateway_bench import DEVICE, Bench, Device

from hil.gateway import Namespace, Policy, TopicSpaces
from hil.gateway.client import Authentication
from hil.gateway.policy import Rule
from hil.gateway.rules import What
from hil.timeline import where
from hil.wire.mqtt import (
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Pubrec,
    Suback,
    Subscribe,
    Subscription,
    Version,
    Will,
)

OWN = Namespace(("own/#",))
SPEAKS_OF = ("server_keep_alive", "session_expiry_interval")
"""The CONNACK properties that are part of the words; what a policy announces has tests of its own."""

Probe = Callable[[Bench, Version, Policy], Device]


def only(policy: Policy, what: What, **changes: object) -> Policy:
    """`policy` with this rule alone, so that no other is met before it; `changes` to the rule itself."""
    rules = {version: replace(policy.rule(what, version), **changes) for version in Version}  # type: ignore[arg-type]
    return replace(policy, topics=OWN, rules={what: rules})


def with_rule(what: What, rule: Rule) -> Policy:
    """A policy of one rule."""
    return Policy("p", OWN, {what: dict.fromkeys(Version, rule)})


def meet(bench: Bench, policy: Policy, what: What, version: Version) -> list[str]:
    """Meet the rule, and tell what came of it."""
    bench.gateway.set_policy(PREPARE.get(what, lambda p: p)(policy))
    mark = bench.timeline.mark()
    device = PROBES[what](bench, version, policy)
    try:
        words = listen(device)
    finally:
        device.vanish()
    if bench.timeline.events(where("gateway", "lowered", what=what), after=mark):
        words.append("lowered")
    return words


def listen(device: Device) -> list[str]:
    """All that comes, up to the answer to a PINGREQ or the end."""
    words: list[str] = []
    try:
        device.send(Pingreq())
        while True:
            packet = device.receive()
            if isinstance(packet, Pingresp):
                return [*words, "pong"]
            words.append(_word(packet))
    except (EOFError, ConnectionResetError, BrokenPipeError):
        return [*words, "closed"]


def _word(packet: Packet) -> str:
    if isinstance(packet, Connack):
        told = [f"{k} {packet.properties[k]}" for k in SPEAKS_OF if k in packet.properties]
        return " ".join([f"connack {_code(packet.code)}", *told])
    if isinstance(packet, Suback):
        return "suback " + " ".join(_code(c) for c in dict.fromkeys(packet.codes))
    if isinstance(packet, Puback | Pubrec | Disconnect):
        # 0x10, no matching subscribers, is mosquitto's word for a message that went through
        return f"{type(packet).__name__.lower()} {_code(0 if packet.code == 0x10 else packet.code)}"
    return type(packet).__name__.lower()


def _code(code: int) -> str:
    return str(code) if code < 0x80 else f"0x{code:02x}"


def _connecting(client_id: str = "c", **options: object) -> Probe:
    def probe(bench: Bench, version: Version, policy: Policy) -> Device:
        device = bench.device(version=version)
        device.send(Connect(client_id, version, **options))  # type: ignore[arg-type]
        return device

    return probe


def _then(*packets: Packet, clean: bool = True) -> Probe:
    def probe(bench: Bench, version: Version, policy: Policy) -> Device:
        device = bench.device(version=version)
        device.send(Connect("c", version, clean=clean), *packets)
        return device

    return probe


def _after(first: Packet, second: Packet) -> Probe:
    """The second once the first has been answered; neither the CONNACK nor that answer is among the words."""

    def probe(bench: Bench, version: Version, policy: Policy) -> Device:
        device = bench.device(version=version)
        device.connect("c")
        device.send(first)
        device.receive()
        device.send(second)
        return device

    return probe


def _without_name(bench: Bench, version: Version, policy: Policy) -> Device:
    context = client_context(bench.directory, device=DEVICE)
    context.check_hostname = False
    device = bench.device(version=version, context=context, name=None)
    device.send(Connect("c", version))
    return device


def _too_large(bench: Bench, version: Version, policy: Policy) -> Device:
    limit = policy.rule("packet_size", version).limit or 0
    return _then(Publish("own/x", bytes(limit), 1, packet_id=1))(bench, version, policy)


def _subscribed(count: int, qos: int = 1, topic: str = "own/x", **properties: object) -> Subscribe:
    return Subscribe(1, tuple(Subscription(f"{topic}{n or ''}", qos) for n in range(count)), properties=properties)


def _over(count_of: What, bench: Bench, version: Version, policy: Policy) -> Device:
    return _then(_subscribed((policy.rule(count_of, version).limit or 0) + 1))(bench, version, policy)


def _identified(bench: Bench, version: Version, policy: Policy) -> Device:
    properties = {"subscription_identifier": 3} if version is Version.V5 else {}
    return _then(_subscribed(1, **properties))(bench, version, policy)


def _long_session(bench: Bench, version: Version, policy: Policy) -> Device:
    properties = {"session_expiry_interval": 10_000_000} if version is Version.V5 else {}
    return _connecting("kept", clean=False, properties=properties)(bench, version, policy)


def _twice(**second: object) -> Probe:
    """The same client id on two connections; the first answers so long as the second is judged."""

    def probe(bench: Bench, version: Version, policy: Policy) -> Device:
        twin = f"twin-{len(bench.devices)}"
        bench.device(version=version).connect(twin, username="first")
        return _connecting(twin, **({"username": "first"} | second))(bench, version, policy)

    return probe


def _too_fast(bench: Bench, version: Version, policy: Policy) -> Device:
    for _ in range(
        policy.rule("connect_rate", version).limit or policy.rule("client_connect_rate", version).limit or 0
    ):
        device = bench.device(version=version)
        assert device.connect("fast").code == 0
        device.send(Disconnect())
        device.vanish()
    return _connecting("fast")(bench, version, policy)


PROBES: dict[What, Probe] = {
    "sni": _without_name,
    "connect_rate": _too_fast,
    "client_connect_rate": _too_fast,
    "authentication_name": _connecting(username="stranger"),
    "client": _connecting(),
    "empty_client_id": _connecting(""),
    "client_id": _connecting("other"),
    "takeover_other": _twice(username="second"),
    "takeover": _twice(),
    "keep_alive": _connecting(keep_alive=64800),
    "session_expiry": _long_session,
    "will": _connecting(will=Will("foreign", b"x", 1)),
    "will_qos": _connecting(will=Will("own/x", b"x", 2)),
    "will_retain": _connecting(will=Will("own/x", b"x", 1, retain=True)),
    "packet_size": _too_large,
    "subscribe_rate": _after(_subscribed(1), Subscribe(3, (Subscription("own/y", 1),))),
    "filters": lambda *a: _over("filters", *a),
    "subscription_identifier": _identified,
    "shared": _then(Subscribe(1, (Subscription("$share/g/own/x", 1),))),
    "subscribe": _then(Subscribe(1, (Subscription("foreign", 1),))),
    "subscriptions": lambda *a: _over("subscriptions", *a),
    "subscribe_qos": _then(_subscribed(1, 2)),
    "publish_rate": _after(Publish("own/x", b"1", 1, packet_id=1), Publish("own/x", b"2", 1, packet_id=2)),
    "qos": _then(Publish("own/x", b"1", 2, packet_id=1)),
    "retain": _then(Publish("own/x", b"", 1, retain=True, packet_id=1)),
    "publish": _then(Publish("foreign", b"1", 1, packet_id=1)),
}

PREPARE: dict[What, Callable[[Policy], Policy]] = {
    # who counts as registered, and who is who, is part of what is judged
    "client": lambda policy: policy.with_topics(TopicSpaces({"s": ("own/#",)}, (), clients={"another": {}})),
    "authentication_name": lambda policy: replace(policy, authentication=Authentication(("username",), True)),
    "takeover_other": lambda policy: replace(policy, authentication=Authentication(("username",))),
    "takeover": lambda policy: replace(policy, authentication=Authentication(("username",))),
}
