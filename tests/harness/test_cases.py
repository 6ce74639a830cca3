"""A case's folder: read, changed, written; and what is wrong with one is told by file, key and cure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest

from hil import cases
from hil.cases import CaseFile, Signature, Step, TrialTable, making
from hil.cases.case import EvidenceTable, FieldTable, FirmwareTable, digest
from hil.cases.conditions import KINDS, FaultCondition, When
from hil.cases.finding import find
from hil.cases.pattern import Check, EventPattern
from hil.cases.signature import Never, Seen
from hil.credentials import Flaw
from hil.timeline import Event, where
from hil.toml import FileError, Strict

ROOT = Path(__file__).parents[2]

#: One condition of each kind, and most of what a case can say.
FULL = """\
title = "It connects, and is cut off"
reported = 2026-11-20
source = "the pilot in the north hall"
story = \"\"\"
It came up after the update,
and nobody heard of it again.
\"\"\"

[firmware]
version = "1.4.2"
contract = "CONTRACT"
options = ["--with", "foreign-will"]

[field]
broker = "Azure Event Grid"

[[condition]]
name = "broker"
kind = "broker-policy"
policy = "eventgrid"
topics = { allowed = ["devices/{board}/#"] }
shown_by = ["evidence/device.log:2"]
sure = 0.8

[[condition]]
name = "slow-network"
kind = "gateway-fault"
fault = "latency"
parameters = { seconds = 0.2, jitter = 0.1 }
when = { after = { source = "gateway", kind = "connack", data = { code = 0 } }, seconds = 30 }

[[condition]]
name = "no-time"
kind = "time-server"
mode = "jump"
parameters = { offsets = [0, 3600] }

[[condition]]
name = "old-chain"
kind = "device-certificate"
flaw = "no-intermediate"

[[condition]]
name = "other-server"
kind = "server-certificate"
flaw = "expired"

[[condition]]
name = "revoked"
kind = "client-refused"
why = "revoked"

[[condition]]
name = "long-keep-alive"
kind = "settings"
values = { keep_alive = "60" }

[[condition]]
name = "promised-keep-alive"
kind = "contract"
values = { "mqtt.keep_alive" = 60 }

[[condition]]
name = "cut"
kind = "power-cut"
at = { online = true }
off = 1

[[condition]]
name = "dips"
kind = "brown-out"

[[condition]]
name = "storm"
kind = "random-cuts"
seconds = 60
off = [0.1, 1]

[[condition]]
name = "name"
kind = "wrong-name"

[[condition]]
name = "rival"
kind = "second-client"
at = { online = true }

[[condition]]
name = "air"
kind = "wifi-loss"
off = 4
when = { count = 2 }

[[condition]]
name = "names"
kind = "dns-outage"
delay = 1

[[condition]]
name = "cold"
kind = "reset"
how = "hard"

[[condition]]
name = "pause"
kind = "wait"
seconds = 0.5

[trial]
limit = 20
steps = [{ do = "power-cycle" }, { do = "wait-online" }, { do = "soft-reset", times = 3 }]

[signature]
summary = "connect, cut off, and again"
cause = "will-topic-denied"
seen = [
  { source = "gateway", kind = "denied", data = { what = "will", topic = { matches = "^foreign/" } }, count = 3 },
]
never = [{ online = true, after = 1, seconds = 5 }]

[[evidence]]
file = "evidence/device.log"
kind = "console"
sha256 = "DIGEST"
"""


def folder_with(path: Path, text: str) -> Path:
    (path / "evidence").mkdir(parents=True)
    log = path / "evidence" / "device.log"
    log.write_text("MQTT connected\nMQTT disconnected\n")
    log.chmod(0o600)
    contract = ROOT / "rigs" / "contracts" / "reference.toml"
    (path / "case.toml").write_text(text.replace("DIGEST", digest(log)).replace("CONTRACT", str(contract)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with(tmp_path / "cut-off", FULL)


def test_a_case_says_what_its_file_says(folder: Path) -> None:
    case = cases.load(folder)
    assert (case.name, case.title) == ("cut-off", "It connects, and is cut off")
    assert {type(condition) for condition in case.conditions} == set(KINDS), "each kind is tried here"
    assert case.conditions[0].shown_by == ["evidence/device.log:2"]
    assert case.signature is not None
    assert case.signature.cause == "will-topic-denied"
    assert case.trial.steps[2].times == 3
    assert cases.load(folder / "case.toml") == case


def test_written_elsewhere_it_is_the_same_case(folder: Path, tmp_path: Path) -> None:
    case = cases.load(folder)
    written = case.write(tmp_path / "elsewhere" / "copy")
    again = cases.load(tmp_path / "elsewhere" / "copy")
    assert again == written
    assert again.conditions == case.conditions
    assert again.signature == case.signature
    assert again.trial == case.trial
    assert again.resolve(again.firmware.contract or "") == case.resolve(case.firmware.contract or "")
    copied = again.folder / "evidence" / "device.log"
    assert copied.stat().st_mode & 0o777 == 0o600, "what nobody else might read stays so"
    text = (again.folder / "case.toml").read_text()
    assert 'after = {source = "gateway"' in text, "small tables stay on their line"
    assert '"""It came up' in text


def test_conditions_are_taken_away_by_name(folder: Path, tmp_path: Path) -> None:
    case = cases.load(folder)
    smaller = case.without(["slow-network", "no-time"])
    assert [c.name for c in smaller.conditions] == [
        c.name for c in case.conditions if c.name not in ("slow-network", "no-time")
    ]
    assert len(case.conditions) == len(KINDS), "the case itself is as it was"
    with pytest.raises(KeyError, match="no condition nothing; it has: broker, "):
        case.without(["nothing"])
    assert cases.load(smaller.write(tmp_path / "smaller").folder) == smaller.write(tmp_path / "smaller")


def test_another_firmware(folder: Path, tmp_path: Path) -> None:
    case = cases.load(folder)
    image = tmp_path / "firmware.bin"
    image.write_bytes(b"\xe9")
    other = case.with_firmware(image, version="1.4.1")
    assert other.firmware.image == str(image)
    assert other.firmware.options is None
    assert other.firmware.contract == case.firmware.contract
    there = cases.load(other.write(tmp_path / "a" / "b").folder)
    assert there.resolve(there.firmware.image or "") == image
    assert not Path(there.firmware.image or "").is_absolute()


WRONG = [
    ('kind = "broker-policy"', 'kind = "polity"', "condition.0.kind: found 'polity', expected one of 'gateway-fault'"),
    ('policy = "eventgrid"', 'policy = "eventgird"', "condition.0.policy: found policy 'eventgird', expected one of"),
    ('["devices/{board}/#"]', '["#/a"]', "condition.0: topics.allowed: "),
    ('fault = "latency"', 'fault = "latencies"', "condition.1: fault: found 'latencies', expected one of bandwidth, "),
    ("jitter = 0.1", "jitters = 0.1", "condition.1: parameters.jitters: found a parameter that 'latency' has not, "),
    ("seconds = 0.2, jitter", "jitter", "condition.1: parameters.seconds: found nothing, expected it for 'latency'"),
    ("seconds = 0.2,", 'seconds = "x",', "condition.1: parameters: 'latency' cannot be made of "),
    ("jitter = 0.1", "jitter = 0.3", "condition.1: latency: jitter is 0.3, expected at most seconds, which is 0.2"),
    ("seconds = 30", "second = 30", "condition.1.when.second: found a key that is not known; did you mean 'seconds'?"),
    ('mode = "jump"', 'mode = "jumps"', "condition.2: mode: found 'jumps', expected one of delayed, jump, "),
    ('"no-intermediate"', '"no-intermediates"', "condition.3.flaw: found 'no-intermediates', expected one of: no-cert"),
    ('flaw = "expired"', 'flaw = "damaged-key"', "condition.4.flaw: found 'damaged-key', expected one of: expired"),
    ('name = "dips"', 'name = "cut"', "the file: condition: found the name 'cut' twice, expected each name once"),
    ('name = "dips"', 'name = "a dip"', "condition.9.name: found 'a dip', expected small letters, digits and '-'"),
    ("at = { online = true }", "at = {}", "condition.8.at: expected either online = true, or any of source, kind and"),
    ("off = [0.1, 1]", "off = [1, 0.1]", "condition.10: expected a mean above the least, and off as [shortest"),
    ('"^foreign/"', '"(foreign"', "signature.seen.0.data.topic: matches: found '(foreign', expected a regular expr"),
    ("after = 1", "after = 2", "signature: never.0.after: found 2, but seen has 1 steps"),
    ('"will-topic-denied"', '"will-topic-deny"', "signature: cause: found 'will-topic-deny', expected the name"),
    ('do = "wait-online"', 'do = "wait"', "trial.steps.1: found do = 'wait' and no seconds, expected seconds"),
    ('"DIGEST"', f'"{"0" * 64}"', "evidence.0.sha256: 'evidence/device.log' has changed since it was noted: it has "),
    ("evidence/device.log\"\nkind", "evidence/gone.log\"\nkind", "evidence.0.file: found 'evidence/gone.log', which"),
    ('contract = "CONTRACT"', 'contract = "gone.toml"', "firmware.contract: "),
    ('version = "1.4.2"', 'image = "gone.bin"', "firmware.image: found 'gone.bin', which does not exist; copy it"),
]  # fmt: skip


@pytest.mark.parametrize(("right", "wrong", "told"), WRONG, ids=[wrong for _, wrong, _ in WRONG])
def test_what_is_wrong_is_told_by_file_and_key(tmp_path: Path, right: str, wrong: str, told: str) -> None:
    assert right in FULL
    folder = folder_with(tmp_path / "wrong", FULL.replace(right, wrong, 1))
    with pytest.raises(FileError) as raised:
        cases.load(folder)
    line = str(raised.value)
    assert "\n" not in line, line
    assert line.startswith(f"{folder / 'case.toml'}: {told}"), line


def test_a_folder_that_is_no_case(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=f"no such file: {tmp_path} is no case; hil case new"):
        cases.load(tmp_path)


def test_all_that_a_gateway_and_a_time_server_can_do_has_a_name() -> None:
    from hil.gateway import faults

    named = {fault.__name__ for fault in making.FAULTS.values()}
    there = {
        n
        for n in faults.__all__
        if isinstance(getattr(faults, n), type) and issubclass(getattr(faults, n), faults.Fault)
    }
    assert there - named == {"Fault", "PresentCertificate", "RevokeClient", "TrustClients"}, (
        "these have their own kinds"
    )
    assert set(making.MODES) == {"true", "offset", "jump", "silent", "kiss-of-death", "delayed"}


def test_each_trial_draws_anew() -> None:
    first, second = (making.fault("latency", {"seconds": 1, "seed": 5}, draw=draw) for draw in (0, 1))
    assert (first.parameters()["seed"], second.parameters()["seed"]) == (5, 6)
    flaky = FaultCondition.model_validate(
        {"name": "flaky", "kind": "gateway-fault", "fault": "refuse-connect", "when": {"probability": 0.5, "seed": 7}}
    )
    assert flaky.when is not None
    assert flaky.when.schedule("a", draw=2).seed == 9


PUBLISH = {"topic": "devices/a.b/data", "payload": b'{"heap": 7}', "qos": 1, "retain": False, "will": {"retain": True}}


@pytest.mark.parametrize(
    ("data", "fits"),
    [
        ({}, True),
        ({"qos": 1, "retain": False}, True),
        ({"qos": True}, False),
        ({"retain": 0}, False),
        ({"topic": "devices/{board}/data"}, True),
        ({"topic": {"matches": "^devices/{board}/"}}, True),
        ({"topic": {"matches": "^devices/a-b/"}}, False),
        ({"payload": '{"heap": 7}'}, True),
        ({"payload": {"matches": "heap"}}, True),
        ({"will.retain": True}, True),
        ({"will.topic": {"absent": True}}, True),
        ({"will.topic": "x"}, False),
        ({"topic.deeper": {"absent": False}}, False),
        ({"qos": {"at_least": 1, "at_most": 1}}, True),
        ({"qos": {"at_least": 2}}, False),
        ({"topic": {"at_least": 2}}, False),
        ({"qos": {"one_of": [0, 1]}}, True),
        ({"qos": {"one_of": [2]}}, False),
        ({"gone": {"matches": "None"}}, False),
    ],
)
def test_patterns_look_at_data(data: dict[str, Any], fits: bool) -> None:
    pattern = EventPattern.model_validate({"source": "gateway", "kind": "publish", "data": data})
    event = Event(0, 0.0, 0.0, "gateway", "publish", "a.b", PUBLISH)
    assert pattern.match("a.b")(event) is fits


def test_patterns_know_their_board() -> None:
    seen = Event(0, 0.0, 0.0, "gateway", "accept", "b", {})
    nobodys = Event(0, 0.0, 0.0, "monitor", "message", None, {})
    assert not EventPattern(kind="accept").match("a")(seen)
    assert EventPattern(kind="accept", board="any").match("a")(seen)
    assert EventPattern(source="monitor").match("a")(nobodys)
    online = where("monitor", "message")
    assert EventPattern(online=True).match("a", online) is online
    assert EventPattern(online=True).match("a")(Event(0, 0.0, 0.0, "gateway", "connack", "a", {"code": 0}))
    assert "{board}" not in EventPattern(data={"topic": "devices/{board}"}).words("a")


MODELS = [
    CaseFile,
    FirmwareTable,
    FieldTable,
    EvidenceTable,
    TrialTable,
    Step,
    Signature,
    Seen,
    Never,
    Check,
    When,
    *KINDS,
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)
def test_every_key_is_described(model: type[Strict]) -> None:
    text = (ROOT / "docs" / "cases.md").read_text()
    for key, field in model.model_fields.items():
        if key != "kind" or get_origin(field.annotation) is not Literal or model is EvidenceTable:
            assert re.search(rf"`{key}`|\[{key}\]|\b{key} =", text), f"cases.md does not describe {key}"
        else:
            (kind,) = get_args(field.annotation)
            assert f"| `{kind}` |" in text, f"cases.md does not describe the kind {kind}"


def test_the_example_is_a_case(tmp_path: Path) -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "cases.md").read_text(), re.DOTALL)
    (tmp_path / "case.toml").write_text(example)
    assert cases.load(tmp_path).signature is not None


@pytest.mark.parametrize("flaw", [Flaw.NO_CONSTRAINTS, Flaw.NOT_AN_AUTHORITY, Flaw.NO_CERT_SIGN, Flaw.PATH_TOO_LONG])
def test_each_way_in_which_an_intermediate_may_not_sign_has_the_signature_of_that_case(flaw: Flaw) -> None:
    signature = cases.load(find("field/intermediate-may-not-sign")).signature
    assert signature is not None
    codes = signature.seen[0].data["verify_code"]
    assert isinstance(codes, Check)
    assert codes.holds(flaw.verdict, "a")
