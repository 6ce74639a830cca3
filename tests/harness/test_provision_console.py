"""Settings put in through a console: every odd thing a firmware may do, played by a scripted one on a pty."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from console_firmware import Firmware
from hypothesis import given
from hypothesis import strategies as st
from ptys import Device
from pydantic import TypeAdapter, ValidationError

from hil import reset, wording
from hil.console import Console
from hil.places import ConsolePlace, EspAtPlace, Places
from hil.provision import Method, ProvisionError
from hil.provision.console_lines import ConsoleLines
from hil.provision.esp_at import EspAt
from hil.provision.unfinished import Unfinished
from hil.timeline import Timeline

ROOT = Path(__file__).parents[2]
KEY_LINES = ["MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2", "OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQ="]
KEY = "\n".join(["-----BEGIN PRIVATE KEY-----", *KEY_LINES, "-----END PRIVATE KEY-----", ""])


class Bench:
    def __init__(self, tmp_path: Path) -> None:
        self.folder = tmp_path
        self.timeline = Timeline(tmp_path / "timeline.jsonl")
        device = Device(tmp_path / "port")
        self.firmware = Firmware(device)
        self.console = Console(self.timeline, "a", str(device.path), log=tmp_path / "a.log").open()

    def method(self, secret: set[str] = frozenset(), **keys: Any) -> Method:  # type: ignore[assignment]
        told = {"method": "console", "write": "set {key} {value}", "check": "hash {key}", "reads": "^{key}={sha256}$"}
        place = ConsolePlace.model_validate({**told, "answer_within": 20, **keys})
        mark = Unfinished(self.folder / "state", "a", "console")
        return ConsoleLines(place, self.console, mark, secret=secret, hide=self.timeline.redact)

    def esp_at(self, **keys: Any) -> Method:
        place = EspAtPlace.model_validate({"method": "esp-at", "reset": False, "answer_within": 20, **keys})
        return EspAt(place, self.console, Unfinished(self.folder / "state", "a", "esp-at"))

    def heard(self, line: str) -> None:
        """Wait until the firmware has come to this line."""
        self.console.expect(f"{line}\n", timeout=20)

    def written(self) -> str:
        """All that the run leaves on the disk."""
        self.console.close()
        self.timeline.close()
        return (self.folder / "timeline.jsonl").read_text() + (self.folder / "a.log").read_text()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.console.close()
    made.firmware.stop()
    made.firmware.device.unplug()
    made.timeline.close()


def texts(**values: str) -> dict[str, tuple[str, str]]:
    return {key: ("string", value) for key, value in values.items()}


def test_only_what_differs_is_written(bench: Bench) -> None:
    method = bench.method()
    done = method.apply(texts(host="broker", port="8883"))
    assert bench.firmware.held == {"host": b"broker", "port": b"8883"}
    assert (done.sectors, done.written, done.problems) == (0, len("set host broker\nset port 8883\n"), ())
    assert method.apply(texts(host="other", port="8883")).written == len("set host other\n")
    assert method.apply(texts(host="other", port="8883")).written == 0


def test_logs_echo_and_values_that_look_like_answers_confuse_nobody(bench: Bench) -> None:
    def chatty(line: str) -> bytes | None:
        bench.firmware.device.say(b"I (123) wifi: not OK yet\r\n> ")
        return None

    bench.firmware.quirk = chatty
    method = bench.method(answer="OK$", check="get {key}", reads="^(> )?{key}={value}$")
    values = texts(x="set x, get x", a="OK", b="ERROR", c="a=b", d="é {x} \\n", e="set e OK")
    bench.firmware.quirk = lambda line: None
    method.apply(values)
    bench.firmware.quirk = chatty
    assert method.apply(values).written == 0
    assert {key: text.encode() for key, (_, text) in values.items()} == bench.firmware.held


def test_an_echo_is_no_answer(bench: Bench) -> None:
    bench.firmware.quirk = lambda line: b"" if line.startswith("set") else None
    with pytest.raises(ProvisionError, match=r"board a: no answer to 'set a \.\.\.' within 2 s.*said nothing"):
        bench.method(answer="OK", answer_within=2).apply(texts(a="it is OK"))


def test_a_refusal_is_told_without_the_secret(bench: Bench) -> None:
    bench.firmware.quirk = lambda line: b"ERROR: no room for hunter2hunter2\r\n" if line.startswith("set") else None
    bench.timeline.redact("hunter2hunter2")
    with pytest.raises(ProvisionError, match=r"it refused 'set pass \.\.\.' and said 'ERROR: no room for \[redacted"):
        bench.method({"pass"}).apply(texts(**{"pass": "hunter2hunter2"}))


def test_a_value_that_is_kept_otherwise_is_named_by_its_hash(bench: Bench) -> None:
    def short(line: str) -> bytes | None:
        if line.startswith("set"):
            bench.firmware.held["host"] = b"broker.ex"
            return b"OK\r\n"
        return None

    bench.firmware.quirk = short
    hashes = [hashlib.sha256(text).hexdigest()[:12] for text in (b"broker.ex", b"broker.example")]
    with pytest.raises(
        ProvisionError, match=f"host reads back as SHA-256 {hashes[0]}.*expected SHA-256 {hashes[1]}"
    ) as e:
        bench.method().apply(texts(host="broker.example"))
    assert "broker.ex" not in str(e.value)


def test_a_restart_in_the_middle_is_named_and_the_next_run_starts_again(bench: Bench) -> None:
    bench.firmware.quirk = lambda line: b"rst:0x1 (POWERON_RESET),boot:0x13\r\n" if "set b" in line else None
    with pytest.raises(ProvisionError, match=r"it restarted after 'set b \.\.\.'; provision it again"):
        bench.method().apply(texts(a="1", b="2"))
    bench.firmware.quirk = lambda line: None
    done = bench.method().apply(texts(a="1", b="2"))
    assert done.recovered
    assert done.written == len("set b 2\n")
    assert not bench.method().apply(texts(a="1", b="2")).recovered


def test_it_waits_for_the_ready_line_of_a_reset(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    method = bench.method(ready="^ready", ready_within=20)
    monkeypatch.setattr(reset, "hard", lambda console: bench.firmware.device.say(b"rst:0x1 (POWERON)\r\nready\r\n"))
    assert method.apply(texts(a="ready")).written > 0
    bench.firmware.quirk = lambda line: b"ready\r\n" if "set" in line else None
    with pytest.raises(ProvisionError, match=r"it restarted after 'set a \.\.\.'"):
        method.apply(texts(a="other"))
    monkeypatch.setattr(reset, "hard", lambda console: None)
    with pytest.raises(ProvisionError, match=r"its ready line \('\^ready'\) within 0.2 s of a reset.*reset = false"):
        bench.method(ready="^ready", ready_within=0.2).apply(texts(a="1"))


def test_a_board_that_falls_silent_is_named_with_the_last_line(bench: Bench) -> None:
    def dead(line: str) -> bytes | None:
        bench.firmware.echo = False
        return b"" if "hash b" in line else None

    bench.firmware.quirk = dead
    with pytest.raises(ProvisionError, match=r"board a: no answer to 'hash b' within 2 s"):
        bench.method(answer_within=2).apply(texts(a="1", b="2"))
    bench.firmware.quirk = lambda line: b"\r\nOK\r\n" if "=2" in line else None
    with pytest.raises(ProvisionError, match=r"no answer to .*=2.*within 2 s, expected a line .*>"):
        bench.esp_at(answer_within=2).apply({"mqtt_ca": ("string", "x")})


def test_half_an_echo_of_a_secret_is_not_shown(bench: Bench) -> None:
    bench.timeline.redact("hunter2hunter2")
    bench.firmware.quirk = lambda line: b"it is hunter2hun" if "set" in line else None
    with pytest.raises(ProvisionError, match=r"no answer to 'set pass \.\.\.'.*it said 'it is '") as caught:
        bench.method({"pass"}, answer_within=2).apply(texts(**{"pass": "hunter2hunter2"}))
    assert "hunter" not in str(caught.value)
    assert "hunter" not in bench.written()


def test_without_a_check_it_says_so(bench: Bench) -> None:
    method = bench.method(check=None, reads=None)
    assert method.apply(texts(a="1")).problems == ("not read back: the contract's [provision] has no check and reads",)
    assert method.apply(texts(a="1")).written > 0


def test_before_and_after(bench: Bench) -> None:
    method = bench.method(enter=["\x03", {"send": "AT", "answer": "OK"}], save=["save"], leave=["exit"])
    method.apply(texts(a="1"))
    bench.heard("exit")
    assert bench.firmware.lines == ["\x03", "AT", "hash a", "set a 1", "hash a", "save", "exit"]
    bench.firmware.lines.clear()
    method.apply(texts(a="1"))
    bench.heard("exit")
    assert bench.firmware.lines[-2:] == ["hash a", "exit"]


def test_an_empty_value_is_one_that_is_not_there(bench: Bench) -> None:
    assert bench.method().apply(texts(a="")).written == 0


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        ({}, "two\nlines", r"a has several lines.*\{value_escaped\}"),
        (
            {"longest_line": 10},
            "0123456789",
            r"'set a \.\.\.' for a has 16 bytes, and longest_line is 10; .*nothing was",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_sent(
    bench: Bench, keys: dict[str, Any], value: str, words: str
) -> None:
    with pytest.raises(ProvisionError, match=words):
        bench.method(**keys).apply({"b": ("string", "1"), "a": ("string", value)})
    assert bench.timeline.events(lambda e: e.kind == "sent") == []


@pytest.mark.parametrize(
    "write",
    [
        ["set {key} {value_escaped}"],
        ["set {key} {value_base64}"],
        ["set {key} {value_hex}"],
        [{"send": "put {offset} {size} {chunk_hex}", "answer": "[?]"}],
        [{"send": "put {chunk_base64}", "answer": ""}, "AT"],
        ["AT {key} {length}", {"send": "{line}", "answer": ""}, "AT ."],
    ],
)
def test_a_private_key_never_shows_in_any_form(bench: Bench, write: list[Any]) -> None:
    bench.timeline.redact(KEY_LINES[0])
    bench.timeline.redact(KEY_LINES[1])
    bench.method({"key"}, write=write, check=None, reads=None).apply(texts(key=KEY))
    bench.console.expect("\n", timeout=20)
    sent = " ".join(bench.firmware.lines)
    carried = [part for line in bench.firmware.lines for part in line.split() if len(part) > 30 and "---" not in part]
    assert carried or KEY_LINES[0] in sent
    left = bench.written()
    assert not [part for part in (*carried, *KEY_LINES) if part in left]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"write": "set {key}"}, "no line of write that names the value"),
        ({"write": "set {kee} {value}"}, "did you mean {key}"),
        ({"write": "{line} {chunk_hex}"}, "one of them"),
        ({"reads": "^{key}$"}, "expected one form of the value"),
        ({"reads": "^({key}={value}$"}, "expected a regular expression"),
        ({"reads": None}, "expected both"),
        ({"answer": "(?i)ok"}, "flags as in"),
    ],
)
def test_a_contract_that_cannot_work_is_refused(keys: dict[str, Any], words: str) -> None:
    told = {"method": "console", "write": "set {key} {value}", "check": "hash {key}", "reads": "^{key}={sha256}$"}
    with pytest.raises(ValidationError) as caught:
        ConsolePlace.model_validate(told | keys)
    assert words in str(caught.value)


@given(st.text(max_size=80), st.integers(4, 9))
def test_every_form_holds_the_value(value: str, chunk: int) -> None:
    if any(0xD800 <= ord(character) < 0xE000 for character in value):
        return
    data = value.encode()
    for form, sent in (("value_escaped", None), ("value_base64", None), ("value_hex", None), ("sha256", None)):
        ((sent, _),) = wording.worded(f"{{{form}}}", "k", value, chunk)
        assert wording.Reading(f"^{{{form}}}$").hash(sent) == hashlib.sha256(data).hexdigest()
    parts = [line.split() for line, _ in wording.worded("{offset} {size} {chunk_hex}", "k", value, chunk)]
    assert b"".join(bytes.fromhex(part) for _, _, part in parts) == data
    for offset, size, part in parts:
        assert data[int(offset) :][: int(size)] == bytes.fromhex(part)


def test_the_documents_examples_can_be_read_and_every_key_is_in_them() -> None:
    page = (ROOT / "docs" / "contract.md").read_text()
    sections = [page[page.index(f'### `method = "{name}"`') :] for name in ("console", "esp-at")]
    examples = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", sections[0], re.DOTALL)]
    found = [TypeAdapter(Places).validate_python(example["provision"])[0] for example in examples]
    assert {place.method for place in found} >= {"console", "esp-at"}
    for key in {*ConsolePlace.model_fields, *EspAtPlace.model_fields}:
        assert f"`{key}`" in page or f"`{key} =" in page, key


# -- ESP-AT -----------------------------------------------------------------------------------------------------------

AT_VALUES = {
    "mqtt_ca": ("string", "-----BEGIN CERTIFICATE-----\nOK\nERROR\n-----END CERTIFICATE-----\n"),
    "client_key/client_key.1": ("string", KEY),
    "factory_param/name": ("string", 'MINI "1"'),
    "factory_param/pin": ("i32", "-17"),
}


def test_esp_at_uploads_and_compares(bench: Bench) -> None:
    for line in KEY_LINES:
        bench.timeline.redact(line)
    done = bench.esp_at(burst=50, pause=0).apply(AT_VALUES)
    size = sum(len(text) for _, text in AT_VALUES.values())
    assert (done.sectors, done.written) == (0, size)
    sent = [event["text"] for event in bench.timeline.events(lambda e: e.kind == "sent")]
    assert f'({len(KEY)} bytes of "client_key","client_key.1")' in sent
    assert "" not in sent
    firmware = bench.firmware
    assert firmware.held['"mqtt_ca","mqtt_ca"'] == AT_VALUES["mqtt_ca"][1].encode()
    assert firmware.held['"client_key","client_key.1"'] == KEY.encode()
    assert list(firmware.types.values()) == [8, 8, 7, 6]
    assert firmware.lines[-1] == "AT+RST"
    firmware.lines.clear()
    assert bench.esp_at().apply(AT_VALUES).written == 0
    assert "AT+RST" not in firmware.lines
    left = bench.written()
    assert not [line for line in KEY_LINES if line in left or line[:20] in left]


@pytest.mark.parametrize("text", ["a\r\nb\r\n", "a\n\n", "OK\nOK\n", "\n", "+SYSMFG:\nERROR", "ready\r"])
def test_esp_at_reads_back_what_looks_like_its_own_words(bench: Bench, text: str) -> None:
    for held in ("other", text, "x\r\ny\r\n"):
        assert bench.esp_at().apply({"mqtt_ca": ("string", held)}).written == len(held)
        assert bench.esp_at().apply({"mqtt_ca": ("string", held)}).written == 0


def test_esp_at_waits_while_it_is_busy(bench: Bench) -> None:
    times = iter(range(2))
    bench.firmware.quirk = lambda line: b"busy p...\r\n" if "=2" in line and next(times, None) is not None else None
    bench.esp_at().apply({"mqtt_ca": ("string", "x")})
    assert len([line for line in bench.firmware.lines if "=2" in line]) == 3


def test_esp_at_names_what_it_refused_and_what_is_not_the_same(bench: Bench) -> None:
    bench.firmware.quirk = lambda line: b"\r\nERROR\r\n" if "=2" in line else None
    with pytest.raises(ProvisionError, match=r"it refused .*AT.SYSMFG=2,.*and said 'ERROR'"):
        bench.esp_at().apply({"mqtt_ca": ("string", "x")})
    bench.firmware.quirk = lambda line: b'+SYSMFG:"mqtt_ca","mqtt_ca",8,2,ab\r\n\r\nOK\r\n' if "=1" in line else None
    with pytest.raises(ProvisionError, match=r"mqtt_ca reads back as type 8, 2 bytes, SHA-256 .*expected type 8, 3 b"):
        bench.esp_at().apply({"mqtt_ca": ("string", "abc")})


def test_esp_at_keys_are_checked() -> None:
    for key in ("", "a/b/c", "a" * 16, 'a"'):
        with pytest.raises(ValidationError, match="expected a namespace"):
            EspAtPlace.model_validate({"method": "esp-at", "values": {key: "x"}})
