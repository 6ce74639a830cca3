"""What blocks hold: chains and keys that do not go together, and keys where they should not be."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from shutil import which

import pytest
from cryptography import x509
from pem_samples import PEM, certificate, intermediate, key, key_pem, leaf, root

from hil.credentials.issue import Signed
from hil.credentials.weak import with_sha1
from hil.pem import RULES, Finding, Source, check, fix, load
from hil.sources import Constant, Language, write


def findings(*files: str) -> list[Finding]:
    return check([Source(f"file{n}", text, Language.PEM) for n, text in enumerate(files)]).findings


def names(*files: str) -> list[str]:
    return [finding.rule.name for finding in findings(*files)]


def test_a_good_chain_with_its_key_and_its_root() -> None:
    assert names(leaf() + intermediate(), key_pem("device"), root()) == []
    assert names(leaf() + intermediate() + root() + key_pem("device", "pkcs8")) == []
    assert names(root() + intermediate()) == []  # trust anchors have no order


def test_wrong_order_is_named_and_mended() -> None:
    text = "# mine\n" + intermediate() + leaf()
    found = next(finding for finding in findings(text) if finding.rule.name == "wrong-order")
    assert found.line == 2
    assert "CN=device, CN=intermediate" in found.detail
    assert fix(Source("file", text, Language.PEM)) == "# mine\n" + leaf() + intermediate()


@pytest.mark.parametrize("language", ["c", "csharp", "python"])
@pytest.mark.parametrize("style", ["lines", "raw"])
def test_wrong_order_is_mended_in_sources(language: str, style: str) -> None:
    def source(chain: str) -> str:
        items = [Constant("A", root().encode()), Constant("B", chain.encode()), Constant("C", key_pem("x").encode())]
        return write(language, items, style=style)

    wrong = source(root() + leaf() + intermediate())
    assert fix(Source("file", wrong, Language(language))) == source(leaf() + intermediate() + root())


def test_a_leaf_without_its_intermediate() -> None:
    assert names(leaf(), root() + intermediate()) == ["missing-intermediate"]
    assert names(leaf() + root(), key_pem("device")) == ["missing-intermediate"]
    assert names(leaf(), key_pem("device")) == ["issuer-unknown"]
    direct = certificate("direct", "root")
    assert names(direct, root()) == []


def test_a_chain_signed_with_sha1_is_a_chain_all_the_same() -> None:
    parsed = x509.load_pem_x509_certificate(leaf().encode())
    weak = with_sha1(Signed(parsed, key("device")), key("intermediate")).certificate.public_bytes(PEM).decode()
    assert "wrong-order" in names(intermediate() + weak)
    assert "missing-intermediate" not in names(weak + intermediate(), root())
    assert names(weak, root() + intermediate()) == names(leaf(), root() + intermediate()) == ["missing-intermediate"]


def test_a_key_that_does_not_fit() -> None:
    chain = leaf() + intermediate()
    assert names(chain, key_pem("other")) == ["key-mismatch"]
    assert names(chain, key_pem("device"), key_pem("other")) == []  # somebody else's


def test_openssl_refuses_a_key_that_does_not_fit(tmp_path: Path) -> None:
    (tmp_path / "both.pem").write_text(leaf() + key_pem("other"))
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tmp_path / "both.pem")


@pytest.mark.parametrize("flaw", [{"ca": False}, {"constraints": False, "ca": False}, {"ca": True, "sign": False}])
def test_an_issuer_that_may_not_sign(flaw: dict[str, bool]) -> None:
    bad = certificate("intermediate", "root", **flaw)
    assert "issuer-may-not-sign" in names(leaf() + bad, root())


def test_duplicates() -> None:
    assert names(root() + root()) == ["duplicate"]


@pytest.mark.parametrize("form", ["sec1", "pkcs8"])
def test_an_encrypted_key_is_not_judged_further(form: str) -> None:
    text = key_pem("device", form, password="secret")
    assert names(text, leaf() + intermediate()) == ["encrypted-key"]
    assert fix(Source("file", text.replace("\n", "\r\n"), Language.PEM)).replace("\n\n", "\n") == text.replace(
        "\n\n", "\n"
    )


def test_contents_that_are_not_what_the_label_says() -> None:
    assert names(leaf().replace("CERTIFICATE", "EC PRIVATE KEY")) == ["unreadable"]
    assert names(key_pem("device").replace("EC PRIVATE KEY", "CERTIFICATE")) == ["unreadable"]
    assert names(key_pem("device").replace("EC PRIVATE", "PRIVATE")) == ["unreadable"]
    assert names(key_pem("device", "pkcs8").replace("PRIVATE", "EC PRIVATE")) == ["unreadable"]


def test_what_mbedtls_makes_of_keys() -> None:
    pk = pytest.importorskip("mbedtls.pk", reason="python-mbedtls is not installed")
    from mbedtls.exceptions import TLSError

    good = [key_pem("device"), key_pem("device", "pkcs8"), leaf() + key_pem("device")]
    for text in [*good, key_pem("device").replace("\n", "\r\n"), key_pem("device").replace("\n", "\n\n")]:
        assert pk.ECC.from_buffer(text.encode() + b"\0").key_size == 32
    bad = [leaf(), "", key_pem("device").replace("\nM", "\n M"), key_pem("device").replace("EC PRIVATE", "PRIVATE")]
    for text in [*bad, key_pem("device", "pkcs8", "secret"), key_pem("device").partition("\n")[2]]:
        with pytest.raises(TLSError) as refused:
            pk.ECC.from_buffer(text.encode() + b"\0")
        assert refused.value.err & 0xFF80 == 0x3D00  # the wrapper tries DER last: its code hides -0x3C00


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if which("git") is None:
        pytest.skip("no git here")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True, timeout=300)
    return tmp_path


@pytest.mark.parametrize("name", ["device.key", "keys.h", "commented.ino"])
def test_a_key_that_git_tracks(repository: Path, name: str) -> None:
    path = repository / name
    text = key_pem("device") if name == "device.key" else write("c", [Constant("KEY", key_pem("device").encode())])
    path.write_text(f"/*\n{key_pem('device')}*/\n" if name == "commented.ino" else text)
    assert check([load(path)]).findings == []
    subprocess.run(["git", "-C", str(repository), "add", name], check=True, timeout=300)
    found = check([load(path)]).findings
    assert [finding.rule.name for finding in found] == ["committed-key"]


def test_what_is_no_key_may_be_tracked(repository: Path) -> None:
    path = repository / "a.h"
    path.write_text('bool key(const char *s) { return strstr(s, "-----BEGIN EC PRIVATE KEY-----"); }\n')
    subprocess.run(["git", "-C", str(repository), "add", "a.h"], check=True, timeout=300)
    assert check([load(path)]).findings == []


def test_each_rule_about_contents_is_tested_here() -> None:
    words = Path(__file__).read_text()
    assert [rule.name for rule in RULES if rule.mbedtls is None and f'"{rule.name}"' not in words] == []
