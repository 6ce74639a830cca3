"""Switches that are worked by a tool's process: what it is told, and what its words come to."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from power_devices import PASSWORD, program

from hil.power import PowerError
from hil.power.labgrid import LabgridPower
from hil.power.outlet import OutletPower, OutletSwitch, switch_of
from hil.power.sispmctl import SispmctlPower
from hil.power.snmp import PRESETS, SnmpPower
from hil.power.usbrelay import UsbrelayPower
from hil.power.ykush import YkushPower
from hil.secret import Secret

#: Fake tools that do what the real ones do: how each is told on and off, and how it tells. `state` is the outlet's.
TOOL = """state() { grep -q 1 state 2>/dev/null; }
case "$*" in %s) echo 1 > state;; %s) echo 0 > state;; *) %s;; esac"""
TOOLS = {
    "usbrelay": TOOL % ("*_2=1", "*_2=0", "echo BITFT_1=0; state && echo BITFT_2=1 || echo BITFT_2=0"),
    "ykush": TOOL % ("*-u*", "*-d*", 'state && w=ON || w=OFF; printf "\\n\\nDownstream port 2 is $w\\n\\n"'),
    "sispmctl": TOOL % ("*-o*", "*-f*", "state && echo on || echo off"),
    "labgrid": TOOL % ("*power?on*", "*power?off*", "state && w=on || w=off; echo power for place desk is $w"),
}
MODELS: dict[str, tuple[type[OutletPower], dict[str, Any]]] = {
    "usbrelay": (UsbrelayPower, {"serial": "BITFT", "channel": 2}),
    "ykush": (YkushPower, {"port": 2, "serial": "YK20345"}),
    "sispmctl": (SispmctlPower, {"socket": 2}),
    "labgrid": (LabgridPower, {"place": "desk", "coordinator": "lab:20408"}),
}


def make(kind: str, folder: Path, script: str | None = None, **more: Any) -> OutletSwitch:
    model, table = MODELS[kind]
    tool = program(folder, kind, TOOLS[kind] if script is None else script)
    return switch_of(kind, model(**(table | {"program": tool} | more)), Path, board="a")


def failure(switch: OutletSwitch, act: str) -> str:
    with pytest.raises(PowerError) as caught:
        getattr(switch, act)()
    assert str(caught.value).startswith("power of a: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", MODELS)
def test_it_switches_and_is_read_back(kind: str, tmp_path: Path) -> None:
    switch = make(kind, tmp_path)
    assert switch.is_on() is False
    switch.on()
    assert switch.is_on() is True
    switch.off()
    assert switch.is_on() is False


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("usbrelay", "BITFT_2=1"),
        ("ykush", "-s YK20345 -u 2"),
        ("sispmctl", "-q -o 2"),
        ("labgrid", "-p desk power on"),
    ],
)
def test_what_the_tool_is_told(kind: str, told: str, tmp_path: Path) -> None:
    make(kind, tmp_path).on()
    assert told in (tmp_path / "calls").read_text().splitlines()


@pytest.mark.parametrize(
    ("kind", "script", "says"),
    [
        # As usbrelay 1.0 of Debian without a module: silence, and exit code 0.
        ("usbrelay", "exit 0", "shows no relay BITFT_2; it shows none at all"),
        ("usbrelay", "echo BITFT_1=0", "it shows BITFT_1"),
        # As the source of ykushcmd has it where no board answers.
        (
            "ykush",
            "echo 'Downstream port 0 is OFF'",
            "does not tell the state of port 2: no ykush board YK20345 answers",
        ),
        ("ykush", "echo 'Unable to open device'", "cannot open the board"),
        # As sispmctl 3.1 of Debian without a strip.
        (
            "sispmctl",
            "echo 'No GEMBIRD SiS-PM found. Check USB connections, please!' >&2; exit 1",
            "sispmctl finds no SiS-PM",
        ),
        ("sispmctl", "echo what", "says 'what' of socket 2, expected on or off"),
        # As labgrid-client 26.0.1 was seen to say it.
        (
            "labgrid",
            "echo 'labgrid-client: Error: place desk is not acquired' >&2; exit 1",
            "labgrid-client -p desk acquire",
        ),
        (
            "labgrid",
            "echo 'labgrid-client: Error: place desk is not acquired by your user, acquired by root.' >&2; exit 1",
            "is held by others",
        ),
        (
            "labgrid",
            "echo 'labgrid-client: Error: place pattern desk matches nothing' >&2; exit 1",
            "knows no place desk",
        ),
        (
            "labgrid",
            "echo 'labgrid-client: Error: target has no compatible resource available' >&2; exit 1",
            "has no such power resource",
        ),
        (
            "labgrid",
            "echo 'Server error: Error: Could not connect to coordinator' >&2; exit 1",
            "coordinator is not reached",
        ),
        (
            "labgrid",
            "printf 'Traceback\\n Connection refused\\nrequests.exceptions.ConnectionError: pdu\\n' >&2; exit 2",
            "exited with 2: requests.exceptions.ConnectionError: pdu",
        ),
        ("labgrid", "echo 42", "says '42', expected 'power ... is on'"),
    ],
)
def test_what_a_tool_in_trouble_comes_to(kind: str, script: str, says: str, tmp_path: Path) -> None:
    assert says in failure(make(kind, tmp_path, script), "is_on")


@pytest.mark.parametrize("kind", MODELS)
def test_a_tool_that_hangs_and_one_that_is_missing(kind: str, tmp_path: Path) -> None:
    assert "was not done after 0.1 s and has been ended" in failure(
        make(kind, tmp_path, "exec sleep 600", timeout=0.1), "is_on"
    )
    assert "is not installed; " in failure(make(kind, tmp_path, program=str(tmp_path / "none")), "is_on")


def test_labgrid_gets_its_coordinator_and_not_this_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/ours")
    switch = make("labgrid", tmp_path, 'echo "power is on, for $LG_COORDINATOR, $PYTHONPATH."')
    assert "for lab:20408, ." in failure(switch, "is_on")


# -- SNMP --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pdu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """net-snmp's tools as fakes on the path: they keep what is set, by OID, and note their configuration."""
    tools = tmp_path / "bin"
    tools.mkdir()
    note = 'cp "$SNMPCONFPATH/snmp.conf" conf; stat -c %a "$SNMPCONFPATH/snmp.conf" > mode'
    program(tools, "snmpset", f'{note}\nwhile [ $# -gt 3 ]; do shift; done; echo "$3" > "value$1"; echo "$3"')
    program(tools, "snmpget", f'{note}\nfor oid in "$@"; do :; done; cat "value$oid"')
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("HIL_TEST_COMMUNITY", "very-private")
    monkeypatch.setenv("HIL_TEST_PRIV", "privy-phrase")
    return tools


COMMUNITY = Secret(env="HIL_TEST_COMMUNITY")


def snmp(**table: Any) -> OutletSwitch:
    table = {"host": "127.0.0.1", "outlet_number": 3, "community": COMMUNITY, "patience_s": 0.1} | table
    return switch_of("snmp", SnmpPower(**table), Path, board="a")


def test_a_pdu_is_switched_and_no_secret_is_in_arguments(pdu: Path) -> None:
    switch = snmp(model="apc-masterswitch")
    switch.on()
    switch.off()
    assert switch.is_on() is False
    calls = (pdu / "calls").read_text()
    assert ".1.3.6.1.4.1.318.1.1.4.4.2.1.3.3 i 1" in calls
    assert "very-private" not in calls
    assert (pdu / "conf").read_text() == 'defVersion 1\ndefCommunity "very-private"\n'
    assert (pdu / "mode").read_text() == "600\n"


def test_version_3_by_its_passphrases(pdu: Path) -> None:
    snmp(
        model="apc-masterswitch",
        version="3",
        user="ops",
        community=None,
        auth=COMMUNITY,
        priv=Secret(env="HIL_TEST_PRIV"),
    ).on()
    conf = (pdu / "conf").read_text()
    for line in ("defSecurityLevel authPriv", 'defAuthPassphrase "very-private"', 'defPrivPassphrase "privy-phrase"'):
        assert line in conf.splitlines()
    assert "privy" not in (pdu / "calls").read_text()


@pytest.mark.parametrize("model", PRESETS)
def test_each_preset_tells_on_from_off(model: str, pdu: Path) -> None:
    objects = PRESETS[model]
    for value, state in ((objects.is_on, True), (objects.is_off, False)):
        (pdu / f"value{objects.status.replace('{outlet}', '3')}").write_text(f"{value}\n")
        assert snmp(model=model).is_on() is state


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ("Timeout: No Response from udp:127.0.0.1:161", "A wrong community is answered by silence"),
        ("No Such Instance currently exists at this OID", "it has no such outlet"),
        ("Reason: noAccess", "may not switch"),
        ("snmpget: Authentication failure (incorrect password, community or key)", "refuses the passphrase"),
        ("snmpget: something new", "something new"),
    ],
)
def test_what_a_pdu_in_trouble_comes_to(said: str, says: str, pdu: Path) -> None:
    program(pdu, "snmpget", f"echo '{said}' >&2; exit 1")
    text = failure(snmp(model="apc-rpdu"), "is_on")
    assert says in text
    assert "very-private" not in text


def test_a_value_that_is_neither(pdu: Path) -> None:
    program(pdu, "snmpget", "echo 4")
    assert "says '4', expected 2 (on) or 1 (off)" in failure(snmp(model="apc-rpdu2"), "is_on")


@pytest.mark.skipif(
    not (shutil.which("snmpset") and shutil.which("snmpd", path="/usr/sbin")), reason="snmp and snmpd are not installed"
)
def test_the_real_tools_and_a_real_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from snmp_agent import OID, PRIVACY, agent

    community = PASSWORD.replace(" ", "-")
    monkeypatch.setenv("HIL_TEST_COMMUNITY", community)
    monkeypatch.setenv("HIL_TEST_PRIV", PRIVACY)
    with agent(tmp_path, community) as port:
        there: dict[str, Any] = {"oid": f"{OID}.{{outlet}}", "outlet_number": 1, "port": port, "timeout": 10.0}
        user = {
            "version": "3",
            "user": "ops",
            "community": None,
            "auth": COMMUNITY,
            "priv": Secret(env="HIL_TEST_PRIV"),
        }
        for version in ({"version": "1"}, {"version": "2c"}, user):
            switch = snmp(**there, **version)
            switch.on()
            assert switch.is_on() is True
            switch.off()
            assert switch.is_on() is False
            missing = snmp(**there | {"outlet_number": 7}, **version)
            assert "it has no such outlet" in failure(missing, "is_on")
        assert "does not know that user" in failure(snmp(**there, **user | {"user": "opz"}), "is_on")
        monkeypatch.setenv("HIL_TEST_PRIV", "somebody-elses")
        assert "PDU at 127.0.0.1" in failure(snmp(**there | {"timeout": 0.4}, **user), "is_on")
        monkeypatch.setenv("HIL_TEST_COMMUNITY", "readers")
        assert "may not switch" in failure(snmp(**there, version="2c"), "on")
        assert "refuses the passphrase" in failure(
            snmp(**there, **user | {"auth": Secret(env="HIL_TEST_PRIV")}), "is_on"
        )
        monkeypatch.setenv("HIL_TEST_COMMUNITY", "wrong-one")
        wrong = snmp(**there | {"timeout": 0.4}, version="2c")
        assert "wrong community is answered by silence" in failure(wrong, "is_on")


def test_a_table_that_is_not_whole() -> None:
    for table, says in (
        ({}, "either model"),
        ({"model": "apc-rpdu"}, "found no community"),
        ({"model": "apc-rpdu", "version": "3"}, "found version 3 and no user"),
    ):
        with pytest.raises(ValueError, match=says):
            SnmpPower(host="pdu", **table)


def test_the_configuration_is_gone_afterwards(pdu: Path) -> None:
    program(pdu, "snmpget", 'echo "$SNMPCONFPATH" > folder; echo 1')
    assert snmp(model="apc-rpdu").is_on() is True
    assert not Path((pdu / "folder").read_text().strip()).exists()
