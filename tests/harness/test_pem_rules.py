"""Each rule about form: what breaks it is found, the stacks do what it says, and mending gives the PEM back."""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from pem_samples import BROKEN, key_pem, leaf

from hil.pem import RULES, Source, check, fix
from hil.sources import Language

IDS = [f"{name}-{number}" for number, (name, _) in enumerate(BROKEN)]
#: What these rules cannot be told apart from: it follows from the change.
ALSO = {"literal-newline": {"final-line"}, "cr-only": {"final-line"}}


def found(text: str, language: Language = Language.PEM) -> set[str]:
    return {finding.rule.name for finding in check([Source("file", text, language)]).findings}


def own(text: str) -> set[str]:
    return found(text) - {"issuer-unknown"}


def mbedtls_code(text: str) -> int:
    """What mbedTLS gives back for the text as a certificate: 0, or the code."""
    x509 = pytest.importorskip("mbedtls.x509", reason="python-mbedtls is not installed")
    from mbedtls.exceptions import TLSError

    try:
        x509.CRT.from_buffer(text.encode() + b"\0")
    except TLSError as error:
        return int(error.err)
    return 0


def test_a_good_certificate_breaks_no_rule() -> None:
    assert own(leaf()) == set()
    assert found(key_pem("device")) == found(key_pem("device", "pkcs8")) == set()


def test_each_rule_of_form_has_a_sample() -> None:
    assert {rule.name for rule in RULES if rule.mbedtls is not None} == {name for name, _ in BROKEN}


@pytest.mark.parametrize(("name", "change"), BROKEN, ids=IDS)
def test_it_is_found_and_nothing_else(name: str, change: Callable[[str], str]) -> None:
    assert own(change(leaf())) - ALSO.get(name, set()) == {name}


@pytest.mark.parametrize(("name", "change"), BROKEN, ids=IDS)
def test_mbedtls_does_what_the_rule_says(name: str, change: Callable[[str], str]) -> None:
    rule = next(rule for rule in RULES if rule.name == name)
    assert mbedtls_code(change(leaf())) == rule.mbedtls


@pytest.mark.parametrize(("name", "change"), BROKEN, ids=IDS)
def test_openssl_does_what_the_rule_says(name: str, change: Callable[[str], str], tmp_path: Path) -> None:
    rule = next(rule for rule in RULES if rule.name == name)
    path = tmp_path / "file.pem"
    path.write_bytes(change(leaf()).encode())
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=str(path))
        accepted = True
    except ssl.SSLError:
        accepted = False
    assert accepted == rule.openssl


@pytest.mark.parametrize(("name", "change"), BROKEN, ids=IDS)
def test_what_can_be_mended_is_the_certificate_again(name: str, change: Callable[[str], str]) -> None:
    rule = next(rule for rule in RULES if rule.name == name)
    mended = fix(Source("file", change(leaf()), Language.PEM))
    if rule.fixable:
        assert mended == leaf()
    elif name.startswith("text-"):  # foreign text is not ours to take out
        assert mended == change(leaf())
    else:
        assert name in own(mended)


@pytest.mark.parametrize(("name", "change"), BROKEN, ids=IDS)
def test_mending_twice_changes_nothing_more(name: str, change: Callable[[str], str]) -> None:
    once = fix(Source("file", change(leaf()), Language.PEM))
    assert fix(Source("file", once, Language.PEM)) == once


def test_a_refused_certificate_in_a_bundle_is_said_to_go_unnoticed() -> None:
    bad = leaf().replace("\nM", "\n M", 1)
    report = check([Source("file", leaf("other") + bad, Language.PEM)])
    finding = next(finding for finding in report.findings if finding.rule.name == "white-space")
    assert "skips" in finding.detail
    assert mbedtls_code(leaf("other") + bad) == 0
    assert mbedtls_code(bad) != 0


def test_two_blocks_on_one_line_are_told_apart() -> None:
    text = leaf("other").rstrip("\n") + leaf()
    assert own(text) == {"glued"}
    assert fix(Source("file", text, Language.PEM)) == leaf("other") + leaf()


def test_a_tab_before_end_is_white_space_to_mbedtls() -> None:
    text = leaf().replace("-----END", "\t-----END")
    assert own(text) == {"white-space", "indented-mark"}
    assert mbedtls_code(text) == 0x112C


def test_json_keeps_its_own_form() -> None:
    text = json.dumps({"certificate": leaf()})
    assert own(text) == set()
    assert fix(Source("file", text, Language.PEM)) == text


def test_the_documents_table_is_that_of_the_rules() -> None:
    page = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text()
    for rule in RULES:
        mends = "yes" if rule.fixable else "no"
        assert f"| `{rule.name}` | {rule.level} | {rule.words} | {rule.verdict} | {mends} |\n" in page
