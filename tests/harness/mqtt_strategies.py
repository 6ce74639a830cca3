"""Hypothesis strategies for MQTT packets that the standards allow: every type, both versions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from hil.wire.mqtt import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Version,
    Will,
)
from hil.wire.mqtt.codes import ALLOWED_5, CONNACK_311, SUBACK_311
from hil.wire.mqtt.properties import TABLE, repeats

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=20)
levels = st.text(st.characters(exclude_characters="\0+#/$", exclude_categories=["Cs"]), max_size=8)
ids = st.integers(1, 0xFFFF)
payloads = st.binary(max_size=200)


@st.composite
def filters(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.one_of(levels, st.just("+")), min_size=1, max_size=4))
    if draw(st.booleans()):
        parts.append("#")
    return "/".join(parts) or "a"


@st.composite
def properties(draw: st.DrawFn, packet: str, version: Version) -> dict[str, Any]:
    if version is Version.V311:
        return {}
    rows = [row for row in TABLE if packet in row.packets]
    found: dict[str, Any] = {}
    for row in draw(st.lists(st.sampled_from(rows), unique=True, max_size=5)):
        values: st.SearchStrategy[Any] = {
            "text": names if row.name == "response_topic" else texts,
            "binary": st.binary(max_size=30),
            "pair": st.tuples(texts, texts),
        }.get(row.kind, st.integers(row.least, row.most))
        if repeats(row.name, packet):
            found[row.name] = draw(st.lists(values, min_size=1, max_size=3).map(tuple))
        else:
            found[row.name] = draw(values)
    if "authentication_data" in found:
        found.setdefault("authentication_method", "SCRAM-SHA-1")
    return found


@st.composite
def connects(draw: st.DrawFn, version: Version) -> Connect:
    will = None
    if draw(st.booleans()):
        payload = st.binary(max_size=40)
        will_properties = draw(properties("will", version))
        will = Will(draw(names), draw(payload), draw(st.integers(0, 2)), draw(st.booleans()), will_properties)
    username = draw(st.none() | texts)
    with_password = version is Version.V5 or username is not None
    password = draw(st.none() | st.binary(max_size=30)) if with_password else None
    clean = draw(st.booleans())
    client_id = draw(texts if clean or version is Version.V5 else texts.filter(bool))
    keep_alive = draw(st.integers(0, 0xFFFF))
    own = draw(properties("CONNECT", version))
    return Connect(client_id, version, clean, keep_alive, username, password, will, own)


@st.composite
def publishes(draw: st.DrawFn, version: Version) -> Publish:
    qos = draw(st.integers(0, 2))
    own = draw(properties("PUBLISH", version))
    topic = draw(texts.map(lambda t: t.replace("+", "").replace("#", "")) if "topic_alias" in own else names)
    dup = draw(st.booleans()) if qos else False
    return Publish(topic, draw(payloads), qos, draw(st.booleans()), dup, draw(ids) if qos else None, own)


@st.composite
def others(draw: st.DrawFn, version: Version) -> Packet:
    five = version is Version.V5
    kinds: list[Any] = [Connack, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback, Unsubscribe, Unsuback]
    kinds += [Pingreq, Pingresp, Disconnect] + ([Auth] if five else [])
    kind = draw(st.sampled_from(kinds))
    own = draw(properties(kind.__name__.upper(), version)) if kind not in (Pingreq, Pingresp) else {}
    codes = st.sampled_from(sorted(ALLOWED_5[kind] if five and kind in ALLOWED_5 else {0}))
    if kind is Connack:
        code = draw(codes if five else st.sampled_from(sorted(CONNACK_311)))
        return Connack(not code and draw(st.booleans()), code, own)
    if kind in (Puback, Pubrec, Pubrel, Pubcomp):
        return kind(draw(ids), draw(codes), own)
    if kind is Subscribe:
        many = draw(st.lists(subscriptions(version), min_size=1, max_size=4))
        return Subscribe(draw(ids), tuple(many), own)
    if kind is Suback:
        codes = codes if five else st.sampled_from(sorted(SUBACK_311))
        return Suback(draw(ids), tuple(draw(st.lists(codes, min_size=1, max_size=4))), own)
    if kind is Unsubscribe:
        return Unsubscribe(draw(ids), tuple(draw(st.lists(filters(), min_size=1, max_size=4))), own)
    if kind is Unsuback:
        return Unsuback(draw(ids), tuple(draw(st.lists(codes, min_size=1, max_size=4))) if five else (), own)
    if kind is Disconnect:
        return Disconnect(draw(codes), own)
    if kind is Auth:
        code = draw(codes)
        return Auth(code, {"authentication_method": "SCRAM-SHA-1"} | own if code or own else {})
    return kind()


@st.composite
def subscriptions(draw: st.DrawFn, version: Version) -> Subscription:
    one, qos = draw(filters()), draw(st.integers(0, 2))
    if version is Version.V311:
        return Subscription(one, qos)
    shared = draw(st.booleans())
    if shared:
        one = "$share/group/" + one
    no_local = not shared and draw(st.booleans())
    return Subscription(one, qos, no_local, draw(st.booleans()), draw(st.integers(0, 2)))


def packets(version: Version) -> st.SearchStrategy[Packet]:
    """Any packet of that version."""
    return st.one_of(connects(version), publishes(version), others(version))


either_version = st.sampled_from(list(Version))
versioned = either_version.flatmap(lambda version: st.tuples(packets(version), st.just(version)))
