"""The policy files: each rule that they state is what a device gets, and what is wrong in a file is told in a line."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from gateway_bench import Bench
from policy_probes import meet, only

from hil import rig
from hil.broker import Mosquitto
from hil.gateway import Namespace, TopicSpaces, policies
from hil.gateway.policies import table
from hil.gateway.policy import Certainty
from hil.gateway.rules import KINDS, What
from hil.parts import broker_side
from hil.toml import FileError
from hil.wire.mqtt import Version, Will

ROOT = Path(__file__).parents[2]
V311, V5 = Version.V311, Version.V5
KNOWN = ["aws-iot", "emqx", "eventgrid", "hivemq", "mosquitto", "permissive"]


@pytest.fixture(scope="module")
def bench(broker: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(tmp_path_factory.mktemp("bench"), (broker.host, broker.port), monitor=False) as made:
        yield made


# -- what each broker does --------------------------------------------------------------------------------------------

IN = "connack 0, "
PONG = "connack 0, pong"
EXPECTED: dict[tuple[str, What], tuple[str, str]] = {
    ("mosquitto", "will"): (PONG, PONG),
    ("mosquitto", "subscribe"): (IN + "suback 1, pong",) * 2,
    ("mosquitto", "publish"): (IN + "puback 0, pong", IN + "puback 0x87, pong"),
    ("mosquitto", "keep_alive"): (PONG, PONG),  # 64800 s are fine
    ("eventgrid", "authentication_name"): ("connack 5, closed", "connack 0x87, closed"),
    ("eventgrid", "client"): ("connack 5, closed", "connack 0x87, closed"),
    ("eventgrid", "empty_client_id"): ("connack 2, closed", "connack 0x85, closed"),
    ("eventgrid", "takeover_other"): ("connack 5, closed", "connack 0x87, closed"),
    ("eventgrid", "session_expiry"): (PONG, "connack 0 session_expiry_interval 3600, pong, lowered"),
    ("eventgrid", "shared"): (IN + "suback 0x80, pong", IN + "suback 0x9e, pong"),
    ("eventgrid", "subscription_identifier"): (IN + "suback 1, pong", IN + "suback 0xa1, pong"),
    ("eventgrid", "subscribe_qos"): (IN + "suback 1, pong, lowered",) * 2,
    ("eventgrid", "connect_rate"): ("connack 3, closed", "connack 0x9f, closed"),
    ("eventgrid", "keep_alive"): (PONG + ", lowered", "connack 0 server_keep_alive 1160, pong, lowered"),
    ("eventgrid", "will"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("eventgrid", "will_qos"): ("connack 5, closed", "connack 0x9b, closed"),
    ("eventgrid", "will_retain"): ("connack 5, closed", "connack 0x9a, closed"),
    ("eventgrid", "packet_size"): (IN + "closed", IN + "disconnect 0x95, closed"),
    ("eventgrid", "subscribe"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("eventgrid", "filters"): (IN + "suback 0x80, pong", IN + "suback 0x97, pong"),
    ("eventgrid", "subscriptions"): (IN + "suback 1 0x80, pong", IN + "suback 1 0x97, pong"),
    ("eventgrid", "subscribe_rate"): ("suback 0x80, pong", "suback 0x97, pong"),
    ("eventgrid", "publish"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("eventgrid", "qos"): (IN + "closed", IN + "disconnect 0x9b, closed"),
    ("eventgrid", "retain"): (IN + "closed", IN + "disconnect 0x9a, closed"),
    ("eventgrid", "publish_rate"): ("closed", "disconnect 0x96, closed"),
    ("aws-iot", "sni"): ("closed", "closed"),
    ("aws-iot", "connect_rate"): ("connack 3, closed", "connack 0x97, closed"),
    ("aws-iot", "client_connect_rate"): ("connack 3, closed", "connack 0x97, closed"),
    ("aws-iot", "session_expiry"): (PONG, "connack 0 session_expiry_interval 3600, pong, lowered"),
    ("aws-iot", "keep_alive"): (PONG + ", lowered", "connack 0 server_keep_alive 1200, pong, lowered"),
    ("aws-iot", "will"): ("connack 7, closed", "connack 0x87, closed"),
    ("aws-iot", "will_qos"): ("connack 7, closed", "connack 0x9b, closed"),
    ("aws-iot", "packet_size"): (IN + "closed", IN + "disconnect 0x95, closed"),
    ("aws-iot", "subscribe"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("aws-iot", "subscribe_qos"): (PONG, PONG),
    ("aws-iot", "subscription_identifier"): (IN + "suback 1, pong", IN + "suback 0xa1, pong"),
    ("aws-iot", "filters"): (IN + "closed", IN + "disconnect 0x97, closed"),
    ("aws-iot", "subscriptions"): (IN + "closed", IN + "disconnect 0x97, closed"),
    ("aws-iot", "publish"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("aws-iot", "qos"): (PONG, IN + "disconnect 0x9b, closed"),
    ("aws-iot", "publish_rate"): ("pong", "pong"),
    ("hivemq", "will"): ("connack 5, closed", "connack 0x87, closed"),
    ("hivemq", "subscribe"): (IN + "suback 0x80, pong", IN + "suback 0x87, pong"),
    ("hivemq", "publish"): (IN + "closed", IN + "puback 0x87, disconnect 0x87, closed"),
    ("emqx", "will"): (PONG, PONG),
    ("emqx", "subscribe"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("emqx", "publish"): (IN + "closed", IN + "disconnect 0x87, closed"),
    ("emqx", "session_expiry"): (PONG, PONG),
    ("emqx", "packet_size"): (IN + "closed", IN + "disconnect 0x95, closed"),
}
NOT_TRIED = {("hivemq", "packet_size")}  # 256 MB
QUICK = {"connect_rate", "client_connect_rate", "subscribe_rate", "publish_rate"}


@pytest.mark.parametrize(("name", "what"), EXPECTED, ids=["-".join(key) for key in EXPECTED])
def test_what_a_device_gets(bench: Bench, name: str, what: What) -> None:
    policy = policies.load(name)
    policy = only(policy, what, **({"limit": 1, "per": 3600.0} if what in QUICK else {}))
    for version, words in zip(Version, EXPECTED[name, what], strict=True):
        assert ", ".join(meet(bench, policy, what, version)) == words, version


def test_every_rule_of_every_file_is_among_them() -> None:
    stated = {
        (name, what)
        for name in policies.names()
        for what, versions in policies.load(name).rules.items()
        if any(rule.action != "allow" for rule in versions.values())
    }
    assert stated == set(EXPECTED) | NOT_TRIED


def test_event_grid_lets_a_good_device_in_by_its_certificate(bench: Bench) -> None:
    topics = policies.TopicsTable.model_validate(
        {
            "topic_spaces": {"own": ["devices/${client.authenticationName}/#"]},
            "client_groups": {"sensors": "attributes.type = 'sensor'"},
            "permission_bindings": [{"group": "sensors", "space": "own", "permission": "publisher"}],
            "clients": {"device-a": {"type": "sensor"}},
        }
    )
    bench.gateway.set_policy(policies.load("eventgrid", topics.topics()))
    good = bench.device(version=V5)
    assert good.connect("any-session", will=Will("devices/device-a/status", b"x", 1)).code == 0
    named = bench.device()
    assert named.connect("s", username="device-a", will=Will("devices/device-a/status", b"x", 1)).code == 0
    stranger = bench.device()
    assert stranger.connect("s2", username="device-b").code == 5
    assert "no authentication name" in bench.wait("denied", what="authentication_name")["rule"]


# -- the files --------------------------------------------------------------------------------------------------------


def test_the_known_brokers_are_there() -> None:
    assert policies.names() == KNOWN
    for name in KNOWN:
        policy = policies.load(name)
        assert policy.name == name
        assert policy.title


@pytest.mark.parametrize("name", [n for n in KNOWN if n != "permissive"])
def test_each_says_for_each_rule_how_sure_it_is_and_from_where(name: str) -> None:
    policy = policies.load(name)
    assert list(policy.rules) == list(KINDS)
    for versions in policy.rules.values():
        for rule in versions.values():
            assert rule.certainty in get_args(Certainty)
            assert rule.sources or rule.certainty == "unconfirmed"
    assert {s for v in policy.rules.values() for r in v.values() for s in r.sources} == set(policy.sources)


def test_a_copy_can_be_changed_and_used(tmp_path: Path) -> None:
    copy = tmp_path / "ours.toml"
    shutil.copy(policies.path_of("eventgrid"), copy)
    text = copy.read_text().replace('name = "eventgrid"', 'name = "ours"').replace("limit = 1160", "limit = 300")
    copy.write_text(text + '\n[topics]\nallowed = ["{board}/#"]\n')
    ours = policies.load(copy)
    assert ours.rule("keep_alive", V311).limit == 300
    assert ours.topics == Namespace(("{board}/#",))
    assert policies.load(str(copy), Namespace(("x",))).topics == Namespace(("x",))


GOOD = """name = "p"
[rules.qos]
action = "disconnect"
limit = 1
certainty = "tried"
"""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (('action = "disconnect"', 'action = "explode"'), "rules.qos.action: found 'explode', expected 'allow'"),
        (('action = "disconnect"', 'action = "close"'), "rules.qos.action: found 'close', expected one of allow"),
        (('action = "disconnect"', ""), "rules.qos.action: found nothing, expected what happens"),
        (("limit = 1", ""), "rules.qos.limit: found nothing, expected the most that is let pass, in QoS"),
        (("limit = 1", "limit = -1"), "rules.qos.limit: found -1, expected 0 or more"),
        (("limit = 1", 'limit = "one"'), "rules.qos.limit: found 'one', expected integer"),
        (("rules.qos", "rules.retain"), "rules.retain.limit: found 1, expected none: this rule has no measure"),
        (('certainty = "tried"', ""), "rules.qos.certainty: found nothing, expected how sure"),
        (('certainty = "tried"', 'certainty = "sure"'), "rules.qos.certainty: found 'sure', expected"),
        (("rules.qos", "rules.qoss"), "rules.qoss: found a key that is not known; did you mean 'qos'?"),
        (("limit", "limits"), "rules.qos.limits: found a key that is not known; did you mean 'limit'?"),
        (('"tried"', '"tried"\nsources = ["book"]'), "rules.qos.sources: found book, expected names from the table"),
        (('"tried"', '"tried"\nv5 = { code = 0x86 }'), "rules.qos.v5.code: found 0x86, which DISCONNECT of MQTT 5 may"),
        (('"tried"', '"tried"\nafter = 3.0'), "rules.qos.after: found 3, expected seconds from CONNACK to the end"),
        (('"tried"', '"tried"\nper = 0.0'), "rules.qos.per: found 0, expected more than 0 seconds"),
        (('name = "p"', 'name = "p q"'), "name: found 'p q'"),
        (('name = "p"', ""), "name: found nothing, expected this key to be set"),
        (('"tried"', '"tried"\n[topics]'), "topics.allowed: found it beside topic_spaces, or neither"),
        (('"tried"', '"tried"\n[topics]\nallowed = ["a/#/b"]'), "topics.allowed: 'a/#/b' is no MQTT topic filter"),
        (
            ('"tried"', '"tried"\n[topics]\ntopic_spaces = {a = ["x"]}\nclient_groups = {g = "floor = 1"}'),
            "topics.client_groups.g: query 'floor = 1': found floor, expected authenticationName",
        ),
        (
            ('"tried"', '"tried"\n[authentication]\nnames = ["user"]'),
            "authentication.names.0: found 'user', expected 'username'",
        ),
        (
            ('"tried"', '"tried"\n[rules.client_id]\naction="refuse"\ncertainty="tried"'),
            "rules.client_id.allowed: found",
        ),
    ],
)
def test_each_fault_is_a_line_that_names_file_and_key(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    assert change[0] in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    policies.load(path)
    path.write_text(GOOD.replace(*change))
    with pytest.raises(FileError) as caught:
        policies.load(path)
    lines = str(caught.value).split("\n")
    assert all(line.startswith(f"{path}: ") for line in lines)
    assert any(line.startswith(f"{path}: {said}") for line in lines), lines


def test_an_unknown_name_is_told_with_what_is_meant() -> None:
    with pytest.raises(ValueError, match=r"found policy 'event-grid', expected one of .*; did you mean 'eventgrid'\?"):
        policies.load("event-grid")
    with pytest.raises(FileError, match="no such file"):
        policies.load("./nowhere.toml")


# -- the rig ----------------------------------------------------------------------------------------------------------


def rig_with(folder: Path, gateway: str) -> Path:
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    path = folder / "rig.toml"
    path.write_text(
        f'name = "r"\n[gateway]\n{gateway}\n[boards.one]\nvirtual = "esp32"\ncontract = "{contract}"\n'
        'wifi = { ssid = "net" }\n'
    )
    return path


def test_a_rig_names_a_policy_and_its_topics(tmp_path: Path) -> None:
    plain = broker_side.policy(rig.load(rig_with(tmp_path, 'policy = "aws-iot"')))
    assert (plain.name, plain.topics) == ("aws-iot", None)
    short = broker_side.policy(
        rig.load(rig_with(tmp_path, 'policy = "hivemq"\nnamespace = { allowed = ["d/{board}/#"] }'))
    )
    assert (short.name, short.topics) == ("hivemq", Namespace(("d/{board}/#",)))
    spaces = '[gateway.topics]\ntopic_spaces = { s = ["d/${client.authenticationName}/#"] }\n'
    spaces += 'permission_bindings = [{ group = "$all", space = "s", permission = "publisher" }]\n'
    full = broker_side.policy(rig.load(rig_with(tmp_path, f'policy = "eventgrid"\n{spaces}')))
    assert isinstance(full.topics, TopicSpaces)
    (tmp_path / "policies").mkdir()
    shutil.copy(policies.path_of("emqx"), tmp_path / "policies" / "ours.toml")
    assert broker_side.policy(rig.load(rig_with(tmp_path, 'policy = "policies/ours.toml"'))).name == "emqx"
    both = broker_side.policy(rig.load(rig_with(tmp_path, 'namespace = { allowed = ["d/#"], will = "refuse" }')))
    assert (both.name, both.rule("will", V5).action, both.rule("publish", V311).action) == ("r", "refuse", "disconnect")


@pytest.mark.parametrize(
    ("gateway", "said"),
    [
        ('policy = "evntgrid"', "gateway.policy: found policy 'evntgrid', expected one of"),
        ('policy = "ours.toml"', "gateway.policy: .*ours.toml: no such file"),
        ('policy = "aws-iot"\nnamespace = { allowed = ["a"], will = "drop" }', "found namespace.will beside policy"),
        ('namespace = { allowed = ["a"] }\ntopics = { allowed = ["a"] }', "found topics and no policy"),
        (
            'policy = "emqx"\ntopics = { allowed = ["a/#/b"] }',
            "gateway.topics.allowed: 'a/#/b' is no MQTT topic filter",
        ),
    ],
)
def test_what_is_wrong_in_a_rig_is_told(tmp_path: Path, gateway: str, said: str) -> None:
    with pytest.raises(FileError) as caught:
        rig.load(rig_with(tmp_path, gateway))
    assert re.search(said, str(caught.value)), str(caught.value)
    assert "\n" not in str(caught.value)


# -- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_what_the_files_say() -> None:
    """If it does not: python -m hil.gateway.policies.table docs/policies.md"""
    page = (ROOT / "docs" / "policies.md").read_text()
    assert page == table.written(page)


def test_the_tables_of_the_page_can_be_read_as_policies(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "policies.md").read_text()
    ours = next(b for b in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if b.startswith("name ="))
    (tmp_path / "ours.toml").write_text(ours)
    assert policies.load(tmp_path / "ours.toml").rule("keep_alive", V5).action == "lower"
    gateways = [b for b in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if b.startswith("[gateway]\npolicy")]
    assert len(gateways) == 2
    for block in gateways:
        text = rig_with(tmp_path, "").read_text().replace("[gateway]\n\n", block)
        (tmp_path / "rig.toml").write_text(text)
        assert broker_side.policy(rig.load(tmp_path / "rig.toml")).topics is not None
