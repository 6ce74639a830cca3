"""Authorities that openssl made come onto the shelf, with encrypted keys, and are refused with one clear line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pki_files import described, needs_openssl, openssl, verdict

from hil.credentials import CredentialsError
from hil.pki.hierarchy import Pki
from hil.pki.importing import bring

pytestmark = needs_openssl

FILE = """
[authorities.corp]
imported = true
passphrase = { env = "HERE_PW" }
[authorities.site]
issuer = "corp"
[devices.esp32-a]
issuer = "site"
"""
EXTENSIONS = """
[authority]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[last]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
[leaf]
basicConstraints = critical, CA:FALSE
[no_sign]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature
"""


@pytest.fixture(autouse=True)
def _passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE_PW", "kept under this")


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root, and what it signed: corp (key encrypted the old way, and as PKCS#8), last, leaf, no_sign."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "ext.cnf").write_text(EXTENSIONS)
    root = "req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 30 -subj /CN=Foreign_root"
    run(folder, f"{root} -addext keyUsage=critical,keyCertSign")
    run(folder, "ecparam -name prime256v1 -genkey -noout -out plain.key")
    run(folder, "ec -in plain.key -aes256 -passout pass:theirs -out sec1.key")
    run(folder, "pkcs8 -topk8 -v2 aes256 -in plain.key -passout pass:theirs -out pkcs8.key")
    run(folder, "req -new -key plain.key -subj /O=Foreign/CN=corp -out request.pem")
    for section, days in (("authority", 20), ("last", 20), ("leaf", 20), ("no_sign", 20), ("authority", 21)):
        sign = f"x509 -req -in request.pem -CA root.pem -CAkey root.key -CAcreateserial -days {days} -extfile ext.cnf"
        run(folder, f"{sign} -extensions {section} -out {section}{days}.pem")
    anchor = (folder / "root.pem").read_text()
    for name in ("authority20", "authority21", "last20", "leaf20", "no_sign20"):
        (folder / f"{name}-chain.pem").write_text((folder / f"{name}.pem").read_text() + anchor)
    return folder


def run(folder: Path, words: str) -> None:
    done = openssl(folder, *words.split())
    assert done.returncode == 0, done.stderr


def imported(pki: Pki, foreign: Path, chain: str = "authority20-chain.pem", key: str | None = "sec1.key") -> str:
    return bring(pki, "corp", foreign / chain, foreign / key if key else None, lambda: b"theirs").label


@pytest.mark.parametrize("key", ["sec1.key", "pkcs8.key", "plain.key"])
def test_an_intermediate_goes_on_issuing_here(tmp_path: Path, foreign: Path, key: str) -> None:
    pki = described(tmp_path, FILE)
    with pytest.raises(CredentialsError, match="hil pki import corp"):
        pki.issue()
    assert imported(pki, foreign, key=key) == "1.1"
    kept = (pki.shelf.directory / "authorities/corp/current/private.key").read_bytes()
    assert kept.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert [issued.name for issued in pki.issue()] == ["site", "esp32-a"]
    chain = pki.shelf.directory / "devices/esp32-a/current/chain.pem"
    assert chain.read_bytes().count(b"BEGIN") == 3
    assert verdict(foreign / "root.pem", chain, "-purpose", "sslclient") == "OK"
    assert (chain.parent / "anchors.pem").read_bytes() == (foreign / "root.pem").read_bytes()


def test_its_successor_of_the_same_key_is_its_next_certificate(tmp_path: Path, foreign: Path) -> None:
    pki = described(tmp_path, FILE)
    assert imported(pki, foreign) == "1.1"
    assert imported(pki, foreign) == "1.1"
    assert imported(pki, foreign, "authority21-chain.pem") == "1.2"


def test_without_its_key_it_is_trusted_and_signs_nothing(tmp_path: Path, foreign: Path) -> None:
    pki = described(tmp_path, FILE)
    imported(pki, foreign, key=None)
    with pytest.raises(CredentialsError, match="its key is not here"):
        pki.issue()
    imported(pki, foreign)  # the key comes later
    pki.issue()


@pytest.mark.parametrize(
    ("chain", "key", "words"),
    [
        ("last20-chain.pem", "sec1.key", "pathlen:0 allows no authority below it, but the file has site"),
        ("leaf20-chain.pem", "sec1.key", "lack CA:TRUE"),
        ("no_sign20-chain.pem", "sec1.key", "lacks keyCertSign"),
        ("authority20.pem", "sec1.key", "add the certificate of CN=Foreign_root"),
        ("authority20-chain.pem", "root.key", "not the key of this certificate"),
        ("authority20-chain.pem", "missing.key", "No such file"),
        ("plain.key", "sec1.key", "holds no PEM certificate"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, foreign: Path, chain: str, key: str, words: str) -> None:
    pki = described(tmp_path, FILE)
    with pytest.raises(CredentialsError, match=words) as caught:
        imported(pki, foreign, chain, key)
    assert "\n" not in str(caught.value)
    assert not pki.shelf.all("authorities", "corp")


def test_a_wrong_passphrase_is_not_repeated(tmp_path: Path, foreign: Path) -> None:
    pki = described(tmp_path, FILE)
    with pytest.raises(CredentialsError, match="does not open") as caught:
        bring(pki, "corp", foreign / "authority20-chain.pem", foreign / "sec1.key", lambda: b"hunter2")
    assert "hunter2" not in str(caught.value)


def test_a_chain_in_the_wrong_order(tmp_path: Path, foreign: Path) -> None:
    mixed = tmp_path / "mixed.pem"
    mixed.write_text((foreign / "root.pem").read_text() + (foreign / "authority20.pem").read_text())
    with pytest.raises(CredentialsError, match="certificate 2 did not sign the one before it"):
        bring(described(tmp_path, FILE), "corp", mixed, foreign / "root.key", lambda: None)


def test_only_what_the_file_says_is_imported(tmp_path: Path, foreign: Path) -> None:
    pki = described(tmp_path, FILE)
    with pytest.raises(CredentialsError, match="add imported = true"):
        bring(pki, "site", foreign / "root.pem", None, lambda: None)
    imported(pki, foreign)
    with pytest.raises(CredentialsError, match="made elsewhere; renew it there"):
        pki.renew(["corp"])


def test_an_imported_root(tmp_path: Path, foreign: Path) -> None:
    pki = described(tmp_path, FILE.replace('passphrase = { env = "HERE_PW" }', ""))
    bring(pki, "corp", foreign / "root.pem", foreign / "root.key", lambda: None)
    pki.issue()
    chain = pki.shelf.directory / "devices/esp32-a/current/chain.pem"
    assert verdict(foreign / "root.pem", chain) == "OK"
