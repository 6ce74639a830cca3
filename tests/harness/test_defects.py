"""Judging the judges: each broken firmware fails the scenario that is meant for it.

That good firmware passes them all is what tests/scenarios itself shows. Here one rig holds a board for each defect,
and pytest runs just the scenario meant for it on each.
"""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "scenarios"

#: Build option, the scenario meant for it, and words that its failure must hold: failing for another reason is no catch.
DEFECTS = {
    "without online": ("test_comes_online.py::test_comes_online_after_a_power_cycle", "no monitor.message"),
    "without will": ("test_last_will.py::test_last_will_after_a_power_cut", "the CONNECT carried no will"),
    "with retained-will": ("test_comes_online.py::test_connects_as_its_contract_says", "'retain': True"),
    "without telemetry": ("test_telemetry_and_command.py::test_telemetry", "0 of 3 times monitor.message"),
    "without answers": ("test_telemetry_and_command.py::test_command", "no message on devices/"),
    "with rude-disconnect": ("test_last_will.py::test_no_will_after_a_clean_disconnect", "no gateway.disconnect"),
    "with foreign-will": ("test_stays_in_namespace.py::test_will_topic_lies_in_the_namespace", "cut off for its will"),
    "with foreign-subscribe": (
        "test_stays_in_namespace.py::test_subscriptions_lie_in_the_namespace",
        "cut off for a subscription",
    ),
    "with foreign-publish": (
        "test_stays_in_namespace.py::test_publications_lie_in_the_namespace",
        "cut off for a publication",
    ),
    "without client-certificate": (
        "test_shows_its_certificate.py::test_sends_its_client_certificate",
        "the device sent no client certificate",
    ),
    "with partial-chain": ("test_shows_its_certificate.py::test_sends_its_whole_chain", "verify code 20"),
    "without server-verification": (
        "test_refuses_bad_servers.py::test_refuses_an_unknown_authority",
        "trusts a server whose certificate is unknown-authority",
    ),
    "without chain-checks": (
        "test_refuses_bad_servers.py::test_refuses_an_intermediate_that_may_not_sign",
        "trusts a server whose certificate is ca-false",
    ),
    "without name-check": (
        "test_refuses_bad_servers.py::test_refuses_a_wrong_name",
        "trusts a server whose certificate is wrong-name",
    ),
    "without date-checks": (
        "test_refuses_bad_servers.py::test_refuses_an_expired_certificate",
        "certificate dates are not checked",
    ),
    "without time-wait": ("test_needs_the_time.py::test_connects_only_once_it_has_the_time", "clock at 1970"),
    "without time-sync": (
        "test_needs_the_time.py::test_connects_only_once_it_has_the_time",
        "0 of 2 times time.request",
    ),
    "with warm-boot-hang": ("test_needs_the_time.py::test_comes_back_after_a_soft_reset", "no monitor.message"),
    "without retry": ("test_tries_again.py::test_tries_again_until_it_is_let_in", "1 of 6 times gateway.accept"),
    "with fixed-retry": ("test_tries_again.py::test_tries_again_until_it_is_let_in", "the gaps do not grow"),
}


def board_of(defect: str) -> str:
    return defect.replace(" ", "-")


def rig(folder: Path, contract: Path) -> Path:
    text = 'name = "defects"\n[gateway]\nnamespace = { allowed = ["devices/{board}/#"] }\n'
    for defect in DEFECTS:
        kind, option = defect.split()
        text += (
            f'[boards.{board_of(defect)}]\nvirtual = "esp32"\nspeed = 100\nwifi = {{ ssid = "net" }}\n'
            f'contract = "{contract}"\noptions = ["--{kind}", "{option}"]\n'
        )
    path = folder / "rig.toml"
    path.write_text(text)
    return path


def impatient_contract(folder: Path) -> Path:
    """The reference contract with short waits: most defects show as something that never comes."""
    text = (ROOT / "rigs" / "contracts" / "reference.toml").read_text()
    assert "within = 15.0" in text
    path = folder / "contract.toml"
    path.write_text(text.replace("within = 15.0", "within = 5.0"))
    return path


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """For each defect what pytest said of its scenario: '' where it passed, the failure's text otherwise."""
    folder = tmp_path_factory.mktemp("defects")
    report = folder / "report.xml"
    nodes = []
    for defect, (node, _) in DEFECTS.items():
        variant = "-ca-false" if "may_not_sign" in node else ""
        nodes.append(f"{SCENARIOS}/{node}[{board_of(defect)}{variant}]")
    options = [f"--rig={rig(folder, impatient_contract(folder))}", f"--artifacts={folder / 'artifacts'}"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "--timeout=120"),
            *(f"--junitxml={report}", *options, *nodes),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    found = {}
    for case in ET.parse(report).iter("testcase"):
        failure = case.find("failure")
        error = case.find("error")
        name = str(case.get("name"))
        found[name[name.index("[") + 1 : -1].removesuffix("-ca-false")] = (
            "" if failure is None else (failure.get("message") or "") + (failure.text or "")
        ) + ("" if error is None else f"ERROR: {error.get('message')}")
    return found


@pytest.mark.timeout(400)
@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_caught_by_its_scenario(outcomes: dict[str, str], defect: str) -> None:
    assert board_of(defect) in outcomes, f"the scenario for it did not run; these did: {sorted(outcomes)}"
    failure = outcomes[board_of(defect)]
    assert failure, "its scenario passes"
    assert not failure.startswith("ERROR"), failure
    words = DEFECTS[defect][1]
    assert words in failure, f"caught, but not for its reason ({words!r}):\n{failure}"


def test_every_scenario_has_a_defect() -> None:
    """A scenario that nothing can fail proves nothing. Known gap: the flash scenario judges flasher and board alike."""
    import re

    scenarios = {
        f"{path.name}::{name}"
        for path in SCENARIOS.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    caught = {node for node, _ in DEFECTS.values()}
    assert scenarios - caught == {"test_flash_power_cut.py::test_recovers_from_a_power_cut_while_flashing"}
