"""What a device's certificate chain shows of a failure in the field."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from hil.cases.creating import Told, create
from hil.cases.proposing import from_chain
from hil.cases.proposing.recognising import recognise
from hil.credentials import Authority, Flaw, broken

FILES = Path(__file__).parent / "field_files"


@functools.cache
def authority() -> Authority:
    return Authority.create()


@pytest.mark.parametrize(
    ("flaw", "name"),
    [
        (None, None),
        (Flaw.NO_CERT_SIGN, "no-key-cert-sign"),
        (Flaw.NOT_AN_AUTHORITY, "ca-false"),
        (Flaw.NO_INTERMEDIATE, "no-intermediate"),
        (Flaw.EXPIRED, "expired"),
    ],
)
def test_a_chain_tells_what_a_log_leaves_open(tmp_path: Path, flaw: Flaw | None, name: str | None) -> None:
    """'unknown ca' in the log, and the chain that the device was given."""
    given = authority().issue_device("dev-1") if flaw is None else broken.device(authority(), "dev-1", flaw)
    path = tmp_path / "device.pem"
    path.write_bytes(given.key_pem + given.chain_pem)
    log = FILES / "poor-intermediate.console.log"
    made = create(tmp_path / "case", Told(title="refused", files=[log, path]))
    (condition,) = made.case.conditions
    assert condition.flaw == (name or "no-intermediate"), "the chain is sound: the likeliest, as without it"
    assert condition.sure == (0.94 if name is not None else 0.6)
    kept = made.case.resolve("evidence/device.pem").read_text()
    assert "PRIVATE KEY" not in kept
    assert [evidence.kind for evidence in made.case.file.evidence] == ["console", "chain"]
    assert made.case.file.field.credentials.startswith("CN=dev-1, issued by ")


def test_a_chain_that_is_none(tmp_path: Path) -> None:
    anchors, damaged, log = tmp_path / "ca.pem", tmp_path / "damaged.pem", tmp_path / "device.log"
    anchors.write_bytes(authority().trust_anchors_pem)
    damaged.write_bytes(authority().issue_device("a").chain_pem.replace(b"-----\nMII", b"-----\n!!!"))
    log.write_bytes(b"I (1) app: my certificate is of this device, and here it comes\n" * 40 + anchors.read_bytes())
    assert [recognise(path).kind for path in (anchors, damaged, log)] == ["chain", "chain", "console"]
    seen, facts = from_chain.look("c", anchors.read_text(), 0.0)
    assert (seen, facts["credentials"].endswith("a device's chain begins with its own certificate")) == ([], True)
    ((only,), _) = from_chain.look("c", damaged.read_text(), 0.0)
    assert (only.what, only.where) == ("damaged-certificate", ("c:1",))
