"""Judging the judges: each broken firmware fails the scenario that is meant for it.

That good firmware passes them all is what tests/scenarios itself shows. Here one rig holds a board for each defect,
and pytest runs just the scenario meant for it on each.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "tests" / "scenarios"

#: Build option, the scenario meant for it, and words that its failure must hold: failing otherwise is no catch.
DEFECTS = [
    ("without online", "test_comes_online.py::test_comes_online_after_a_power_cycle", "no monitor.message"),
    ("without will", "test_last_will.py::test_last_will_after_a_power_cut", "the CONNECT carried no will"),
    ("without will", "test_comes_online.py::test_connects_as_its_contract_says", "the CONNECT carried no will"),
    ("without telemetry", "test_telemetry_and_command.py::test_telemetry", "0 of 3 times monitor.message"),
    ("without answers", "test_telemetry_and_command.py::test_command", "no message on devices/"),
    ("with rude-disconnect", "test_last_will.py::test_no_will_after_a_clean_disconnect", "no gateway.disconnect"),
    ("with foreign-will", "test_stays_in_namespace.py::test_will_topic_lies_in_the_namespace", "cut off for its will"),
    (
        "with foreign-subscribe",
        "test_stays_in_namespace.py::test_subscriptions_lie_in_the_namespace",
        "cut off for a subscription",
    ),
    (
        "with foreign-publish",
        "test_stays_in_namespace.py::test_publications_lie_in_the_namespace",
        "cut off for a publication",
    ),
    (
        "without client-certificate",
        "test_shows_its_certificate.py::test_sends_its_client_certificate",
        "the device sent no client certificate",
    ),
    ("with partial-chain", "test_shows_its_certificate.py::test_sends_its_whole_chain", "verify code 20"),
    (
        "without server-verification",
        "test_refuses_bad_servers.py::test_refuses_an_unknown_authority",
        "trusts a server whose certificate is unknown-authority",
    ),
    (
        "without chain-checks",
        "test_refuses_bad_servers.py::test_refuses_an_intermediate_that_may_not_sign",
        "trusts a server whose certificate is ca-false",
    ),
    (
        "without name-check",
        "test_refuses_bad_servers.py::test_refuses_a_wrong_name",
        "trusts a server whose certificate is wrong-name",
    ),
    (
        "without date-checks",
        "test_refuses_bad_servers.py::test_refuses_a_certificate_outside_of_its_dates",
        "certificate dates are not checked",
    ),
    ("without time-wait", "test_needs_the_time.py::test_connects_only_once_it_has_the_time", "clock at 1970"),
    (
        "without time-sync",
        "test_needs_the_time.py::test_connects_only_once_it_has_the_time",
        "0 of 2 times time.request",
    ),
    ("with warm-boot-hang", "test_needs_the_time.py::test_comes_back_after_a_soft_reset", "no monitor.message"),
    ("without retry", "test_tries_again.py::test_tries_again_until_it_is_let_in", "of 7 times gateway.accept"),
    (
        "without server-verification",
        "test_refuses_bad_servers.py::test_refuses_a_self_signed_certificate",
        "trusts a server whose certificate is self-signed",
    ),
    (
        "without server-verification",
        "test_refuses_bad_servers.py::test_refuses_a_chain_without_its_intermediate",
        "trusts a server whose certificate is no-intermediate",
    ),
    (
        "without retry",
        "test_refuses_bad_servers.py::test_comes_to_terms_with_a_chain_in_the_wrong_order",
        "no monitor.message",
    ),
    (
        "with weak-ciphers",
        "test_offers_sound_tls.py::test_offers_sound_cipher_suites",
        "no suite that RFC 9325 recommends",
    ),
    ("with old-tls", "test_offers_sound_tls.py::test_speaks_a_current_version", "offers TLSv1"),
    ("without sni", "test_offers_sound_tls.py::test_names_the_server_it_wants", "no server name"),
    (
        "with endless-handshake",
        "test_broken_handshakes.py::test_gives_up_a_handshake_that_stalls",
        "no monitor.message",
    ),
    (
        "without retry",
        "test_broken_handshakes.py::test_comes_back_from_a_handshake_that_was_cut_off",
        "1 of 2 times gateway.tls-failed",
    ),
    (
        "with plain-fallback",
        "test_broken_handshakes.py::test_never_falls_back_to_plain_mqtt",
        "the device tried plain MQTT",
    ),
    (
        "with reconnect-storm",
        "test_broken_handshakes.py::test_bears_that_its_certificate_is_refused",
        "it waits only",
    ),
    (
        "with obey-disconnect",
        "test_broken_handshakes.py::test_takes_an_end_without_close_notify_for_an_end",
        "no monitor.message",
    ),
    (
        "with heap-leak",
        "test_heap_over_failures.py::test_gives_back_its_memory_after_failed_connects",
        "bytes of heap are gone",
    ),
    (
        "with small-tls-buffer",
        "test_large_tls.py::test_takes_a_very_large_chain",
        "a valid but large chain was not taken",
    ),
    (
        "with small-tls-buffer",
        "test_large_tls.py::test_takes_a_large_message_in_one_record",
        "ended the connection",
    ),
    (
        "with record-per-packet",
        "test_large_tls.py::test_puts_a_message_together_from_the_smallest_records",
        "no monitor.message",
    ),
    ("with asks-once", "test_wrong_time.py::test_recovers_from_a_wrong_time", "no monitor.message"),
    ("with kod-hammer", "test_wrong_time.py::test_leaves_a_time_server_alone", "it goes on asking every"),
    ("with fixed-retry", "test_tries_again.py::test_tries_again_until_it_is_let_in", "the gaps do not grow"),
]


#: Benches that are open at once.
BENCHES = 4

#: The parameters of scenarios that have more than the board.
VARIANTS = {
    "test_refuses_bad_servers.py::test_refuses_an_intermediate_that_may_not_sign": "-ca-false",
    "test_needs_the_time.py::test_connects_only_once_it_has_the_time": "-power-cut",
    "test_refuses_bad_servers.py::test_refuses_a_certificate_outside_of_its_dates": "-expired",
    "test_broken_handshakes.py::test_comes_back_from_a_handshake_that_was_cut_off": "-client-hello-reset",
    "test_broken_handshakes.py::test_bears_that_its_certificate_is_refused": "-bad_certificate",
    "test_wrong_time.py::test_recovers_from_a_wrong_time": "-future",
    "test_wrong_time.py::test_leaves_a_time_server_alone": "-RATE",
}


def board_of(defect: str) -> str:
    return defect.replace(" ", "-")


def rig(folder: Path, contract: Path, defects: list[str]) -> Path:
    text = 'name = "defects"\n[gateway]\nnamespace = { allowed = ["devices/{board}/#"] }\n'
    for defect in dict.fromkeys(defects):
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
    """What pytest said of each test. Most of the time goes in waits, so several benches run side by side."""
    shares = [DEFECTS[first::BENCHES] for first in range(BENCHES)]
    folders = [tmp_path_factory.mktemp("defects") for _ in shares]
    with ThreadPoolExecutor(BENCHES) as pool:
        found: dict[str, str] = {}
        for outcome in pool.map(run_share, shares, folders):
            found |= outcome
    return found


def run_share(share: list[tuple[str, str, str]], folder: Path) -> dict[str, str]:
    report = folder / "report.xml"
    rig_file = rig(folder, impatient_contract(folder), [defect for defect, _, _ in share])
    nodes = [f"{SCENARIOS}/{node}[{board_of(defect)}{VARIANTS.get(node, '')}]" for defect, node, _ in share]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--tb=short", "--timeout=120"),
            *(f"--junitxml={report}", f"--rig={rig_file}", f"--artifacts={folder / 'artifacts'}", *nodes),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    return {str(case.get("name")): _failure(case) for case in ET.parse(report).iter("testcase")}


def _failure(case: ET.Element) -> str:
    """Why a test failed; '' where it passed. What is not a failure of the call is marked: the bench failed then."""
    texts = [
        f"{e.tag}: {e.get('message')}\n{e.text}" for tag in ("error", "skipped", "failure") for e in case.iter(tag)
    ]
    return "\n".join(texts)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("defect", "node", "words"), DEFECTS, ids=lambda text: str(text).split("::")[-1][:50])
def test_each_defect_is_caught_by_its_scenario(outcomes: dict[str, str], defect: str, node: str, words: str) -> None:
    name = f"{node.split('::')[1]}[{board_of(defect)}{VARIANTS.get(node, '')}]"
    assert name in outcomes, f"its scenario did not run; these did: {sorted(outcomes)}"
    failure = outcomes[name]
    assert failure, "its scenario passes"
    assert failure.startswith("failure"), failure
    assert words in failure, f"caught, but not for its reason ({words!r}):\n{failure}"


def test_every_scenario_has_a_defect() -> None:
    """A scenario that nothing can fail proves nothing. Known gap: the flash scenario judges flasher and board alike."""
    scenarios = {
        f"{path.name}::{name}"
        for path in SCENARIOS.glob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    caught = {node for _, node, _ in DEFECTS}
    assert scenarios - caught == {
        "test_flash_power_cut.py::test_recovers_from_a_power_cut_while_flashing",
        "test_large_tls.py::test_puts_a_handshake_together_from_small_pieces",  # a warning
    }
