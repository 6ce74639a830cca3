"""The scenarios run unchanged on rigs and contracts that are not the default ones.

A board that was started by hand stands in for a real one: the rig names its port by URL, as it would name a port of a
serial server, and its power by shell commands, or has no switch at all.
"""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "rigs" / "contracts" / "reference.toml"

#: What a lab would have as a script of its own for its relay.
RELAY = """
import json, socket, sys
told = json.load(open(sys.argv[1]))
host, port = told["control"].split(":")
with socket.create_connection((host, int(port)), 10) as line:
    line.sendall(json.dumps({"token": told["token"], "do": sys.argv[2]}).encode() + b"\\n")
    answer = json.loads(line.makefile().readline())
print("on" if answer["power"] else "off")
"""


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Path]:
    """A virtual board that somebody else runs; the JSON file with its ports."""
    command = [sys.executable, "-m", "hil.virtual", "esp32", "--dir", str(tmp_path), "--name", "desk", "--speed", "100"]
    command += ["--chip", "esp32s3", "--powered", "--follow-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield tmp_path / "desk.json"
        process.stdin.close()
        process.wait(30)


def scenarios(folder: Path, rig: str, select: str) -> tuple[dict[str, str], str]:
    """Run the scenarios that `select` picks; 'passed', 'skipped' or the failure by test, and what pytest printed."""
    (folder / "rig.toml").write_text(rig)
    report = folder / "report.xml"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "-k", select),
            *(f"--junitxml={report}", f"--rig={folder / 'rig.toml'}", f"--artifacts={folder / 'run'}"),
            str(ROOT / "tests" / "scenarios"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    found = {}
    for case in ET.parse(report).iter("testcase"):
        told = [e for e in case if e.tag in ("failure", "error", "skipped")]
        name = str(case.get("name")).split("[")[0]
        found[name] = "passed" if not told else f"{told[0].tag}: {told[0].get('message')}"
    return found, done.stdout


def test_a_board_on_a_serial_server_without_a_power_switch(board: Path, tmp_path: Path) -> None:
    serial = json.loads(board.read_text())["serial"]
    rig = (
        f'name = "desk"\n[boards.desk]\nport = "{serial}"\nchip = "esp32s3"\ncontract = "{CONTRACT}"\n'
        'wifi = { ssid = "net" }\npower = { kind = "none" }\n'
    )
    found, printed = scenarios(
        tmp_path,
        rig,
        "after_a_power_cycle or soft_reset or test_command or last_will_after or power_cut_while or namespace",
    )
    assert found["test_comes_online_after_a_power_cycle"] == "passed"
    assert found["test_comes_back_after_a_soft_reset"] == "passed"
    assert found["test_command"] == "passed"
    for name in ("test_last_will_after_a_power_cut", "test_recovers_from_a_power_cut_while_flashing"):
        assert "not applicable: no switch can cut the power of desk" in found[name]
    assert "the rig's gateway allows every topic" in found["test_will_topic_lies_in_the_namespace"]
    assert "give it one in the rig" in printed


def test_a_board_whose_power_is_switched_by_commands(board: Path, tmp_path: Path) -> None:
    serial = json.loads(board.read_text())["serial"]
    relay = tmp_path / "relay.py"
    relay.write_text(RELAY)
    command = f"{sys.executable} {relay} {board}"
    rig = (
        f'name = "desk"\n[boards.desk]\nport = "{serial}"\nchip = "esp32s3"\ncontract = "{CONTRACT}"\noff_time = 0.1\n'
        f'wifi = {{ ssid = "net" }}\npower = {{ kind = "command", on = "{command} power-on", '
        f'off = "{command} power-off", status = "{command} state" }}\n'
    )
    found, printed = scenarios(tmp_path, rig, "comes_online or last_will_after")
    assert set(found.values()) == {"passed"}, printed


def test_another_contract_mqtt_5_over_tls_1_3_with_a_kept_session(tmp_path: Path) -> None:
    text = CONTRACT.read_text()
    for old, new in (
        ('version = "3.1.1"', 'version = "5"'),
        ('mqtt_version = "5"', 'mqtt_version = "5"\ntls_max = "1.3"'),
        ("clean_session = true", "clean_session = false"),
        ("resend = 1.0\n", ""),
        ("resend = { u32 = 1000 }\n", ""),
        ("clean = { u8 = 1 }", "clean = { u8 = 0 }"),
        ("keep_alive = 2", "keep_alive = 3"),
        ("keep_alive = { u16 = 2 }", "keep_alive = { u16 = 3 }"),
        ('client_id = "{board}"\nversion', 'client_id = "device-{board}-{chip}"\nversion'),
        ("devices/{board}/", "sites/north/{chip}/{board}/"),
    ):
        assert old in text, old
        text = text.replace(old, new)
    (tmp_path / "contract.toml").write_text(text)
    rig = (
        'name = "other"\n[gateway]\nnamespace = { allowed = ["sites/north/+/{board}/#"] }\n'
        '[boards.s3]\nvirtual = "esp32"\nchip = "esp32s3"\nspeed = 100\nwifi = { ssid = "net" }\n'
        'contract = "contract.toml"\n'
    )
    found, printed = scenarios(
        tmp_path,
        rig,
        "(after_a_power_cycle or will or namespace or its_certificate or only_once or test_telemetry or session)"
        " and not bad_credentials and not rotates",  # those provision for minutes
    )
    judged = {name: told for name, told in found.items() if "not applicable" not in told}
    assert set(judged.values()) == {"passed"}, printed
    assert len(judged) >= 12
    events = (tmp_path / "run" / "timeline.jsonl").read_text()
    assert '"TLSv1.3"' in events
