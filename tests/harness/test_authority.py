"""The bench's authority issues what OpenSSL accepts, keeps it safely, and says which file is at fault."""

from __future__ import annotations

import os
import re
import shutil
import ssl
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from hil.credentials import (
    Authority,
    Credentials,
    CredentialsError,
    Flaw,
    ServerIdentity,
    broken,
    read_credentials,
    redactable,
)
from hil.credentials.identity import certificates, leaf
from hil.credentials.issue import Validity

CLIENT = ("-purpose", "sslclient")
SERVER = ("-purpose", "sslserver")
NAMES = ["bench.local", "192.168.40.10", "::1"]

openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.create("test bench")


def verdicts(folder: Path, anchors: bytes, chain: bytes, *options: str) -> set[int]:
    """The error numbers that `openssl verify` gives for a chain as a peer would send it; empty if it is good."""
    blocks = re.findall(rb"-----BEGIN.*?-----END CERTIFICATE-----\n", chain, re.DOTALL)
    (folder / "anchors.pem").write_bytes(anchors)
    (folder / "leaf.pem").write_bytes(blocks[0])
    (folder / "rest.pem").write_bytes(b"".join(blocks[1:]))
    rest = ["-untrusted", "rest.pem"] if blocks[1:] else []
    command = ["openssl", "verify", "-auth_level", "2", "-CAfile", "anchors.pem", *rest, *options, "leaf.pem"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    found = {int(number) for number in re.findall(r"^error (\d+) at", done.stderr, re.MULTILINE)}
    assert (done.returncode == 0) == (not found), done.stderr
    return found


# -- good certificates -----------------------------------------------------------------------------------------------


@openssl
@pytest.mark.parametrize("algorithm", ["ec-p256", "ec-p384", "rsa-2048"])
def test_openssl_accepts_a_device(authority: Authority, tmp_path: Path, algorithm: str) -> None:
    device = authority.issue_device("esp32-a", algorithm=algorithm)  # type: ignore[arg-type]
    assert verdicts(tmp_path, authority.trust_anchors_pem, device.chain_pem, *CLIENT, "-x509_strict") == set()


@openssl
@pytest.mark.parametrize("asked", [("-verify_hostname", NAMES[0]), ("-verify_ip", NAMES[1]), ("-verify_ip", NAMES[2])])
def test_openssl_accepts_a_server_under_each_of_its_names(
    authority: Authority, tmp_path: Path, asked: tuple[str, str]
) -> None:
    server = authority.issue_server(NAMES)
    assert verdicts(tmp_path, authority.trust_anchors_pem, server.chain_pem, *SERVER, "-x509_strict", *asked) == set()


@openssl
def test_a_device_certificate_is_no_servers_and_the_other_way_round(authority: Authority, tmp_path: Path) -> None:
    device, server = authority.issue_device("x"), authority.issue_server(NAMES)
    assert verdicts(tmp_path, authority.trust_anchors_pem, device.chain_pem, *SERVER) == {26}
    assert verdicts(tmp_path, authority.trust_anchors_pem, server.chain_pem, *CLIENT) == {26}


def test_the_intermediate_may_sign_devices_and_nothing_further(authority: Authority) -> None:
    found = authority.intermediate.certificate.extensions
    constraints = found.get_extension_for_class(x509.BasicConstraints)
    usage = found.get_extension_for_class(x509.KeyUsage)
    assert (constraints.critical, constraints.value) == (True, x509.BasicConstraints(ca=True, path_length=0))
    assert usage.critical
    assert (usage.value.key_cert_sign, usage.value.crl_sign, usage.value.digital_signature) == (True, True, False)


def test_a_device_certificate_bears_its_id_and_its_purpose(authority: Authority) -> None:
    device = authority.issue_device("esp32-a")
    found = leaf(device.chain_pem)
    assert found is not None
    assert device.subject == "CN=esp32-a" == found.subject.rfc4514_string()
    assert device.serial == f"{found.serial_number:x}"
    assert (device.not_before, device.not_after) == (found.not_valid_before_utc, found.not_valid_after_utc)
    purposes = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer = authority.intermediate.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    named = found.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert named.key_identifier == issuer.digest


def test_dates_allow_for_clocks_that_differ(authority: Authority) -> None:
    device = authority.issue_device("esp32-a", days=30)
    now = datetime.now(UTC)
    assert timedelta(hours=12) < now - device.not_before < timedelta(days=2)
    assert timedelta(days=29) < device.not_after - now <= timedelta(days=30)
    assert authority.issue_device("x", days=99_999).not_after == authority.intermediate.certificate.not_valid_after_utc


def test_dates_can_be_chosen(authority: Authority) -> None:
    chosen = Validity(datetime(2001, 2, 3, tzinfo=UTC), datetime(2001, 3, 4, tzinfo=UTC))
    device = authority.issue_device("x", validity=chosen)
    assert (device.not_before, device.not_after) == (chosen.not_before, chosen.not_after)


def test_the_pem_is_what_every_stack_reads(authority: Authority) -> None:
    device = authority.issue_device("esp32-a")
    assert [c.subject.rfc4514_string() for c in certificates(device.chain_pem)] == [
        "CN=esp32-a",
        "CN=test bench intermediate",
    ]
    for text in (device.chain_pem, device.key_pem, device.trust_anchors_pem):
        lines = text.split(b"\n")
        assert lines[-1] == b""
        assert all(line and line == line.strip() for line in lines[:-1])
    assert device.key_pem.startswith(b"-----BEGIN EC PRIVATE KEY-----\n")
    assert authority.issue_device("x", key_format="pkcs8").key_pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_each_certificate_has_a_key_and_a_number_of_its_own(authority: Authority) -> None:
    one, two = authority.issue_device("x"), authority.issue_device("x")
    assert one.key_pem != two.key_pem
    assert one.serial != two.serial


def test_a_handshake_with_client_certificate_succeeds(authority: Authority, tmp_path: Path) -> None:
    device, server = authority.issue_device("esp32-a"), authority.issue_server(["bench.local"])
    assert handshake(authority, device, server, tmp_path) == "esp32-a"


def handshake(authority: Authority, device: Credentials, server: ServerIdentity, folder: Path) -> str:
    """Both sides of a TLS 1.3 handshake in memory. Returns the client's common name as the server saw it."""
    listening, connecting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context, identity in ((listening, server), (connecting, device)):
        (folder / "identity.pem").write_bytes(identity.key_pem + identity.chain_pem)
        context.load_cert_chain(folder / "identity.pem")
        context.load_verify_locations(cadata=authority.trust_anchors_pem.decode())
    listening.verify_mode = ssl.CERT_REQUIRED
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = connecting.wrap_bio(down, up, server_hostname="bench.local")
    peer = listening.wrap_bio(up, down, server_side=True)
    for side in (client, peer, client, peer):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    found = peer.getpeercert()
    assert found
    return str(dict(part[0] for part in found["subject"])["commonName"])  # type: ignore[misc]


# -- secrets ---------------------------------------------------------------------------------------------------------


def test_no_repr_shows_a_key(authority: Authority) -> None:
    device, server = authority.issue_device("x"), authority.issue_server(NAMES)
    for thing, key in ((device, device.key_pem), (server, server.key_pem)):
        shown = f"{thing!r} {thing!s} {[thing]}"
        assert "PRIVATE" not in shown
        assert not any(line in shown for line in redactable(key))
    assert "Signed(CN=test bench root)" in repr(authority.root)


def test_redactable_lines_are_all_of_the_key_and_nothing_else(authority: Authority) -> None:
    device = authority.issue_device("x")
    both = device.chain_pem + device.key_pem
    lines = redactable(both)
    assert lines == [line for line in device.key_pem.decode().splitlines() if not line.startswith("-----")]
    assert redactable(both.decode().replace("\n", "\r\n")) == lines
    assert redactable(device.chain_pem) == []


# -- wrong on purpose ------------------------------------------------------------------------------------------------

JUDGED = [flaw for flaw in Flaw if flaw.verdict is not None]


@openssl
@pytest.mark.parametrize("flaw", JUDGED, ids=str)
def test_openssl_gives_each_broken_server_its_verdict(authority: Authority, tmp_path: Path, flaw: Flaw) -> None:
    server = broken.server(authority, ["bench.local"], flaw)
    asked = (*SERVER, "-verify_hostname", "bench.local")
    found = verdicts(tmp_path, authority.trust_anchors_pem, server.chain_pem, *asked)
    assert flaw.verdict in found
    assert found <= {flaw.verdict, 26, 32}, "another flaw besides"
    assert server.flaw == flaw


@openssl
@pytest.mark.parametrize("flaw", [flaw for flaw in JUDGED if flaw is not Flaw.WRONG_NAME], ids=str)
def test_openssl_gives_each_broken_device_its_verdict(authority: Authority, tmp_path: Path, flaw: Flaw) -> None:
    device = broken.device(authority, "esp32-a", flaw)
    assert flaw.verdict in verdicts(tmp_path, authority.trust_anchors_pem, device.chain_pem, *CLIENT)
    assert device.subject == "CN=esp32-a"
    assert device.trust_anchors_pem == authority.trust_anchors_pem


@openssl
@pytest.mark.parametrize("flaw", [flaw for flaw in Flaw if flaw.harmless], ids=str)
def test_openssl_accepts_what_is_merely_unusual(authority: Authority, tmp_path: Path, flaw: Flaw) -> None:
    server = broken.server(authority, ["bench.local"], flaw)
    asked = (*SERVER, "-verify_hostname", "bench.local")
    assert verdicts(tmp_path, authority.trust_anchors_pem, server.chain_pem, *asked) == set()
    device = broken.device(authority, "esp32-a", flaw)
    assert verdicts(tmp_path, authority.trust_anchors_pem, device.chain_pem, *CLIENT) == set()
    assert flaw.verdict is None


def test_large_chains_are_as_large_as_they_say(authority: Authority) -> None:
    def size(chain: bytes) -> int:
        return sum(len(c.public_bytes(Encoding.DER)) for c in certificates(chain))

    assert 10_000 <= size(broken.server(authority, ["x"], Flaw.LARGE_CHAIN).chain_pem) < 16_000
    assert 24_000 <= size(broken.server(authority, ["x"], Flaw.VERY_LARGE_CHAIN).chain_pem) < 40_000
    assert 5_000 <= size(broken.large_server(authority, ["x"], 5_000).chain_pem) < 10_000
    assert len(certificates(broken.server(authority, ["x"], Flaw.DEEP_CHAIN).chain_pem)) == 11


@openssl
def test_a_server_in_the_wrong_order_shows_its_intermediate_first(authority: Authority, tmp_path: Path) -> None:
    server = broken.server(authority, ["bench.local"], Flaw.WRONG_ORDER)
    first, second = certificates(server.chain_pem)
    assert first.subject == authority.intermediate.certificate.subject == second.issuer
    asked = ("-verify_hostname", "bench.local")
    assert verdicts(tmp_path, authority.trust_anchors_pem, server.chain_pem, *asked) == {62}
    (tmp_path / "both.pem").write_bytes(server.key_pem + server.chain_pem)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / "both.pem")


@openssl
def test_openssl_knows_a_revoked_device_from_the_list(authority: Authority, tmp_path: Path) -> None:
    bad, good = authority.issue_device("bad"), authority.issue_device("good")
    (tmp_path / "list.pem").write_bytes(authority.revocation_list(bad))
    asked = (*CLIENT, "-crl_check", "-CRLfile", "list.pem")
    assert verdicts(tmp_path, authority.trust_anchors_pem, bad.chain_pem, *asked) == {23}
    assert verdicts(tmp_path, authority.trust_anchors_pem, good.chain_pem, *asked) == set()


@pytest.mark.parametrize("flaw", [Flaw.OTHER_KEY, Flaw.WRONG_KEY, Flaw.WRONG_ORDER], ids=str)
def test_a_key_that_does_not_fit_the_first_certificate(authority: Authority, tmp_path: Path, flaw: Flaw) -> None:
    device = broken.device(authority, "x", flaw)
    (tmp_path / "both.pem").write_bytes(device.key_pem + device.chain_pem)
    with pytest.raises(ssl.SSLError, match="KEY_VALUES_MISMATCH"):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(tmp_path / "both.pem")
    assert {c.subject for c in certificates(device.chain_pem)} == {
        c.subject for c in certificates(authority.issue_device("x").chain_pem)
    }


def test_flaws_are_known_by_name(authority: Authority) -> None:
    assert Flaw.named("expired") is Flaw.EXPIRED
    with pytest.raises(CredentialsError, match="found flaw 'rotten', expected one of: expired, not-yet-valid, "):
        Flaw.named("rotten")
    assert broken.device(authority, "x", Flaw.WRONG_NAME).subject == "CN=somebody-else.invalid"


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("bench.local", "expected a list"),
        ([], "expected a list"),
        (["bench.local:8883"], "without a port"),
        (["https://bench"], "without a port"),
    ],
)
def test_server_names_that_are_none_are_refused(authority: Authority, names: list[str], complaint: str) -> None:
    with pytest.raises(CredentialsError, match=complaint):
        authority.issue_server(names)


@pytest.mark.parametrize("name", ["", "x" * 65, "two\nlines"])
def test_common_names_that_x509_does_not_take_are_refused(authority: Authority, name: str) -> None:
    with pytest.raises(CredentialsError, match="expected 1 to 64 printable characters"):
        authority.issue_device(name)


# -- a kept authority ------------------------------------------------------------------------------------------------


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_what_is_saved_is_private_and_loads_again(authority: Authority, tmp_path: Path) -> None:
    directory = tmp_path / "kept" / "bench"
    before = os.umask(0)
    try:
        authority.save(directory)
    finally:
        os.umask(before)
    assert mode(directory) == 0o700
    assert {path.name: mode(path) for path in directory.iterdir()} == {
        "root.pem": 0o644,
        "root.key": 0o600,
        "intermediate.pem": 0o644,
        "intermediate.key": 0o600,
    }
    assert [path.name for path in directory.parent.iterdir()] == ["bench"]
    assert Authority.load(directory).trust_anchors_pem == authority.trust_anchors_pem


def test_an_authority_is_never_written_over(authority: Authority, tmp_path: Path) -> None:
    authority.save(tmp_path / "bench")
    with pytest.raises(CredentialsError, match="bench: holds files already, expected a new or empty directory"):
        Authority.create().save(tmp_path / "bench")
    assert Authority.load(tmp_path / "bench").trust_anchors_pem == authority.trust_anchors_pem


def test_a_kept_authority_is_made_once(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    first = Authority.kept(tmp_path / "bench")
    assert Authority.kept(tmp_path / "bench").trust_anchors_pem == first.trust_anchors_pem


def test_a_kept_device_is_issued_once_and_again_when_it_has_to_be(tmp_path: Path) -> None:
    authority = Authority.create()
    first = authority.kept_device("esp32-a", tmp_path / "a")
    assert authority.kept_device("esp32-a", tmp_path / "a") == first
    assert mode(tmp_path / "a" / "device.key") == 0o600
    assert authority.kept_device("renamed", tmp_path / "a").subject == "CN=renamed"
    other = Authority.create().kept_device("renamed", tmp_path / "a")
    assert other.trust_anchors_pem != first.trust_anchors_pem


def damaged_directories() -> list[tuple[str, str]]:
    return [
        ("rm root.key", r"root\.key: cannot be read \(No such file"),
        ("echo x > root.pem", r"root\.pem: holds no PEM certificate"),
        ("echo x > intermediate.key", r"intermediate\.key: holds no PEM private key"),
        ("cp root.key intermediate.key", r"intermediate\.key: not the key of the certificate in .*intermediate\.pem"),
        ("chmod 640 root.key", r"root\.key: found mode 0640, expected 0600; chmod 600"),
        ("chmod 755 .", r"found mode 0755, expected 0700; chmod 700"),
    ]


@pytest.mark.parametrize(("damage", "complaint"), damaged_directories(), ids=[d for d, _ in damaged_directories()])
def test_a_damaged_directory_is_refused_by_file_name(
    authority: Authority, tmp_path: Path, damage: str, complaint: str
) -> None:
    authority.save(tmp_path / "bench")
    subprocess.run(["sh", "-c", damage], cwd=tmp_path / "bench", check=True)
    with pytest.raises(CredentialsError, match=complaint):
        Authority.load(tmp_path / "bench")


def test_files_of_two_authorities_are_refused(tmp_path: Path) -> None:
    Authority.create().save(tmp_path / "one")
    Authority.create().save(tmp_path / "two")
    for name in ("intermediate.pem", "intermediate.key"):
        shutil.copy(tmp_path / "two" / name, tmp_path / "one" / name)
    with pytest.raises(CredentialsError, match=r"intermediate\.pem: not signed by CN=hil bench root"):
        Authority.load(tmp_path / "one")


def test_an_expired_authority_is_refused_with_the_cure(tmp_path: Path) -> None:
    Authority.create(days=10, start=datetime(2020, 1, 1, tzinfo=UTC)).save(tmp_path / "old")
    with pytest.raises(CredentialsError, match=r"root\.pem: expired on 2020-01-11; remove .*old to have a new"):
        Authority.load(tmp_path / "old")


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bench").write_text("")
    with pytest.raises(CredentialsError, match="bench: cannot be read as a directory"):
        Authority.kept(tmp_path / "bench")


def test_credentials_from_elsewhere_are_read_from_three_files(tmp_path: Path) -> None:
    made = Authority.create().issue_device("board")
    paths = [tmp_path / name for name in ("ca.pem", "device.pem", "device.key")]
    for path, data in zip(paths, (made.trust_anchors_pem, made.chain_pem, made.key_pem), strict=True):
        path.write_bytes(data)
        path.chmod(0o600)
    assert read_credentials(*paths) == made
    paths[0].write_text("no certificate")
    with pytest.raises(CredentialsError, match=r"ca\.pem: holds no PEM certificate"):
        read_credentials(*paths)
