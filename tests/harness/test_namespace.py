"""Namespaces and topic spaces: which topics exist for whom, as pure functions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.gateway import Binding, Namespace, TopicSpaces
from hil.gateway.client import Authentication, CertificateNames, Client
from hil.gateway.clientgroups import Attributes, ClientGroup
from hil.gateway.namespace import check_template, covers, fill
from hil.wire.mqtt import topic_matches

SENSOR = Client("session-1", username="user", board="esp32-a", authentication_name="sensor-1")


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("devices/{client_id}/#", "devices/session-1/#"),
        ("{username}/{board}/{authentication_name}", "user/esp32-a/sensor-1"),
        ("m/${client.authenticationName}/t", "m/sensor-1/t"),
        ("m/${client.authenticationName|.factory1}/temp", "m/sensor-1.factory1/temp"),
        ("area/${client.attributes.area}/+", "area/section1/+"),
        ("floor-${client.attributes.floor}", "floor-5"),
        ("area/${client.attributes.missing}/x", None),
        ("area/${client.attributes.tags}/x", None),  # a list is no topic level
        ("plain/topic", "plain/topic"),
    ],
)
def test_placeholders(template: str, filled: str | None) -> None:
    check_template(template)
    assert fill(template, SENSOR, {"area": "section1", "floor": 5, "tags": ("a", "b")}) == filled


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("a/#/b", "no MQTT topic filter"),
        ("a+/b", "no MQTT topic filter"),
        ("", "no MQTT topic filter"),
        ("{clientid}/x", "did you mean {client_id}?"),
        ("${client.authenticatioName}/x", r"did you mean \$\{client.authenticationName\}\?"),
        ("${client.name}/x", "unknown placeholder"),
        ("{board", "unknown placeholder"),
    ],
)
def test_wrong_templates_are_told(template: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        check_template(template)


NAMES = st.text(st.sampled_from("ab{}$./+#|"), max_size=8)


@given(name=NAMES, topic=st.lists(NAMES, min_size=1, max_size=4).map("/".join))
def test_no_name_widens_what_it_may_use(name: str, topic: str) -> None:
    """Whatever a client calls itself: what it may use lies below a level that is its name, letter for letter."""
    spaces = TopicSpaces({"own": ("d/${client.authenticationName}/#",)}, (Binding("$all", "own", "publisher"),))
    client = Client(name, username=name, board=name, authentication_name=name)
    for topics in (spaces, Namespace(("d/{client_id}/#",)), Namespace(("d/{username}/#",))):
        if topics.permits("publisher", topic, client):
            assert name
            assert not set(name) & set("+#/")
            assert topic.split("/")[:2] == ["d", name]


FILTERS = st.lists(st.sampled_from(["a", "b", "", "+", "$x"]), min_size=1, max_size=4).flatmap(
    lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"])])
)
TOPICS = st.lists(st.sampled_from(["a", "b", "", "$x", "c"]), min_size=1, max_size=5).map("/".join)


@given(wide=FILTERS, narrow=FILTERS, topic=TOPICS)
def test_a_filter_that_is_covered_matches_nothing_else(wide: str, narrow: str, topic: str) -> None:
    if covers(wide, narrow) and topic_matches(narrow, topic):
        assert topic_matches(wide, topic)


# -- client groups ----------------------------------------------------------------------------------------------------

WHO: Attributes = {"type": "sensor", "floor": 5, "tags": ("motion", "humidity")}


@pytest.mark.parametrize(
    ("query", "has"),
    [
        ("attributes.type = 'sensor'", True),
        ('attributes.type = "meter"', False),
        ("attributes.type <> 'meter'", True),
        ("attributes.type != 'sensor'", False),
        ("attributes.tags = 'humidity'", True),
        ("attributes.tags IN ['temperature', 'motion']", True),
        ("attributes.tags in ['temperature']", False),
        ("attributes.floor <= 5", True),
        ("attributes.floor < 5", False),
        ("attributes.floor >= 6 or attributes.floor > 4", True),
        ("attributes.floor = 5", True),
        ("attributes.type < 5", False),
        ("attributes.missing = 'x'", False),
        ("attributes.missing != 'x'", True),
        ("authenticationName IN ['client1', 'sensor-1']", True),
        ("attributes.type = 'sensor' and attributes.floor = 6 or attributes.floor = 5", True),
        ("attributes.type = 'meter' and (attributes.floor = 6 or attributes.floor = 5)", False),
        ("$all", True),
    ],
)
def test_queries(query: str, has: bool) -> None:
    assert ClientGroup(query).has("sensor-1", WHO) is has


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "found the end, expected authenticationName or attributes.NAME"),
        ("type = 'x'", "found type, expected authenticationName or attributes.NAME"),
        ("attributes.type like 'x'", "found like, expected one of = <>"),
        ("attributes.type =", "found the end, expected a text in quotes or a whole number"),
        ("attributes.floor < 'x'", "compares with whole numbers, found 'x'"),
        ("(attributes.floor = 1", r"found the end, expected '\)'"),
        ("attributes.floor = 1 attributes", "found attributes, expected the end"),
        ("attributes.floor = 1 & 2", "cannot be read from '& 2' on"),
        ("attributes.x IN ['a'", "found the end, expected ']'"),
    ],
)
def test_wrong_queries_are_told(query: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ClientGroup(query)


@given(st.text(max_size=40))
def test_no_query_does_anything_but_tell(query: str) -> None:
    try:
        group = ClientGroup(query)
    except ValueError:
        return
    assert group.has("n", WHO) in (True, False)


# -- topic spaces -----------------------------------------------------------------------------------------------------

SPACES = TopicSpaces(
    {
        "telemetry": ("devices/${client.authenticationName}/telemetry",),
        "commands": ("site/${client.attributes.site}/#",),
    },
    (Binding("sensors", "telemetry", "publisher"), Binding("$all", "commands", "subscriber")),
    {"sensors": ClientGroup("attributes.type = 'sensor'")},
    {"sensor-1": {"type": "sensor", "site": "wien"}, "app": {"type": "app", "site": "graz"}},
)


@pytest.mark.parametrize(
    ("name", "permission", "topic", "may"),
    [
        ("sensor-1", "publisher", "devices/sensor-1/telemetry", True),
        ("sensor-1", "publisher", "devices/app/telemetry", False),
        ("sensor-1", "subscriber", "devices/sensor-1/telemetry", False),
        ("sensor-1", "subscriber", "site/wien/#", True),
        ("sensor-1", "subscriber", "site/+/x", False),
        ("sensor-1", "publisher", "site/wien/x", False),
        ("app", "publisher", "devices/app/telemetry", False),
        ("app", "subscriber", "site/graz/x", True),
        ("stranger", "subscriber", "site/graz/x", False),
    ],
)
def test_bindings(name: str, permission: str, topic: str, may: bool) -> None:
    client = Client("c", authentication_name=name)
    assert SPACES.permits(permission, topic, client) is may  # type: ignore[arg-type]
    assert SPACES.knows(client) is (name != "stranger")


def test_a_denial_says_what_would_be_allowed() -> None:
    client = Client("c", authentication_name="sensor-1")
    assert SPACES.words("publisher", client) == (
        "no topic space allows it; sensor-1 may publish to devices/sensor-1/telemetry"
    )
    assert SPACES.words("subscriber", Client("c")) == (
        "no topic space allows it; a client without authentication name may subscribe to nothing"
    )


def test_what_does_not_belong_together_is_told() -> None:
    with pytest.raises(ValueError, match="names topic space 'b'; there are a"):
        TopicSpaces({"a": ("x",)}, (Binding("$all", "b", "publisher"),))
    with pytest.raises(ValueError, match="names client group 'g'; there are"):
        TopicSpaces({"a": ("x",)}, (Binding("g", "a", "publisher"),))
    with pytest.raises(ValueError, match="topic space 'a' has 11 templates, expected 1 to 10"):
        TopicSpaces({"a": tuple(f"x{n}" for n in range(11))}, ())


# -- authentication names ---------------------------------------------------------------------------------------------

SHOWN = CertificateNames(("cn", "CN=cn,O=us"), ("d1.test", "d2.test"), ("urn:dev:1",), ("192.0.2.7",), ("a@b.test",))


@pytest.mark.parametrize(
    ("names", "username", "certificate", "name"),
    [
        (("username", "subject"), "user", SHOWN, "user"),
        (("username", "subject"), "", SHOWN, "cn"),
        (("dns", "subject"), "", SHOWN, "d1.test"),
        (("uri",), "", SHOWN, "urn:dev:1"),
        (("ip",), "", SHOWN, "192.0.2.7"),
        (("email",), "", SHOWN, "a@b.test"),
        (("email", "subject"), "", CertificateNames(("cn",)), "cn"),
        (("client_id",), "", None, "id"),
        (("username", "subject"), "", None, ""),
    ],
)
def test_authentication_names(names: object, username: str, certificate: CertificateNames | None, name: str) -> None:
    assert Authentication(names).name("id", username, certificate) == name  # type: ignore[arg-type]


def test_a_name_must_be_in_the_certificate_where_the_broker_wants_it() -> None:
    strict = Authentication(("username", "subject"), in_certificate=True)
    assert strict.name("id", "d2.test", SHOWN) == "d2.test"
    assert strict.name("id", "user", SHOWN) == ""
    assert strict.name("id", "user", None) == "user"  # without a certificate there is nothing to compare with
