"""Versions, suites and resumption limited, a client certificate revoked, and what the hello tells of a client."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from certificates import NAME, client_context, pki
from gateway_bench import LIMIT, SERVER, Bench
from tls_clients import CLIENTS, V12, V13, VERSIONS, Met

from hil.credentials import Authority
from hil.gateway import CipherSuites, Resumption, RevokeClient, TlsVersions
from hil.gateway.tls import TlsSettings, make_context
from hil.gateway.tls.suites import SUITES, grade, is_grease, suite_name
from hil.timeline import where

BOTH = pytest.mark.parametrize("version", [V12, V13])
EACH_CLIENT = pytest.mark.parametrize("client", list(CLIENTS.values()), ids=list(CLIENTS))
openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")

GCM = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, None) as made:
        yield made


# -- versions --------------------------------------------------------------------------------------------------------


@BOTH
@EACH_CLIENT
@openssl
def test_a_version_that_is_not_spoken_is_refused(bench: Bench, tmp_path: Path, client: object, version: str) -> None:
    assert callable(client)
    other = V13 if version == V12 else V12
    bench.gateway.arm(TlsVersions(other, other))
    met: Met = client(bench.gateway.endpoint("a"), tmp_path, version)
    assert not met.completed
    assert met.alert == "protocol_version"
    failed = bench.wait("tls-failed")
    assert failed["reason"] == "no TLS version in common"
    assert bench.wait("hello")["versions"] == [version]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("old", ["TLSv1", "TLSv1.1"])
def test_a_server_of_old_meets_a_client_that_takes_it_and_one_that_does_not(bench: Bench, old: str) -> None:
    bench.gateway.arm(TlsVersions(old, old))
    modern = client_context(bench.directory, device=pki().device)
    modern.minimum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match=r"UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION"):
        bench.device(context=modern)
    careless = client_context(bench.directory, device=pki().device)
    careless.minimum_version = ssl.TLSVersion.TLSv1
    careless.maximum_version = ssl.TLSVersion.TLSv1_1
    careless.set_ciphers("DEFAULT:@SECLEVEL=0")
    bench.device(context=careless)
    assert bench.wait("tls")["version"] == old


# -- cipher suites ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("version", "fault", "chosen"),
    [
        (V12, CipherSuites(tls12=(GCM,)), "ECDHE-ECDSA-AES128-GCM-SHA256"),
        (V12, CipherSuites(tls12=("ECDHE-ECDSA-CHACHA20-POLY1305",)), "ECDHE-ECDSA-CHACHA20-POLY1305"),
        (V13, CipherSuites(tls13=("TLS_AES_128_GCM_SHA256",)), "TLS_AES_128_GCM_SHA256"),
        (V13, CipherSuites(tls13=("TLS_CHACHA20_POLY1305_SHA256",)), "TLS_CHACHA20_POLY1305_SHA256"),
    ],
)
def test_the_one_suite_that_is_accepted_is_used(bench: Bench, version: str, fault: CipherSuites, chosen: str) -> None:
    bench.gateway.arm(fault)
    device = bench.device(tls=VERSIONS[version])
    assert device.socket.cipher()[0] == chosen == bench.wait("tls")["cipher"]


@EACH_CLIENT
@BOTH
@openssl
def test_no_suite_in_common_is_a_handshake_failure(bench: Bench, tmp_path: Path, client: object, version: str) -> None:
    assert callable(client)
    bench.gateway.arm(CipherSuites(tls12=("TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA",), tls13=("TLS_AES_128_CCM_8_SHA256",)))
    met: Met = client(bench.gateway.endpoint("a"), tmp_path, version)
    assert met.alert == "handshake_failure"
    assert bench.wait("tls-failed")["reason"] == "no cipher suite in common"
    offered = bench.wait("hello")["ciphers"]
    assert (GCM if version == V12 else "TLS_AES_128_GCM_SHA256") in offered


def test_what_is_no_suite_or_version_is_told() -> None:
    with pytest.raises(ValueError, match=r"OpenSSL has none of the cipher suites TLS_TOP_SECRET for TLS 1\.2"):
        CipherSuites(tls12=("TLS_TOP_SECRET",))
    with pytest.raises(ValueError, match=r"found TLS 1\.3 suites TLS_TOP_SECRET, expected some of TLS_AES_128_GCM"):
        CipherSuites(tls13=("TLS_TOP_SECRET",))
    with pytest.raises(ValueError, match=r"minimum is '1\.2', expected one of TLSv1, "):
        TlsVersions("1.2", "1.2")
    with pytest.raises(ValueError, match=r"minimum TLSv1.3 is above maximum TLSv1.2"):
        TlsVersions("TLSv1.3", "TLSv1.2")


# -- resumption ------------------------------------------------------------------------------------------------------


def resumes(bench: Bench, version: str) -> tuple[bool, bool]:
    """Connect twice, the second time with the first one's session: whether it had a ticket, and was resumed."""
    first = bench.device(tls=VERSIONS[version])
    first.socket.settimeout(0.3)  # TLS 1.3's tickets come behind the handshake, with the first read
    with contextlib.suppress(TimeoutError):
        first.socket.recv(1)
    first.socket.settimeout(LIMIT)
    session = first.socket.session
    has_ticket = session is not None and session.has_ticket
    bench.device(tls=VERSIONS[version], session=session, context=first.context)
    second = bench.timeline.wait_count(where("gateway", "tls"), 2, timeout=LIMIT)[1]
    hello = bench.timeline.events(where("gateway", "hello"))[1]
    if has_ticket:
        assert hello["psk" if version == V13 else "ticket"] in (True, "offered")
    return has_ticket, second["resumed"]


@pytest.mark.parametrize(
    ("version", "fault", "ticket", "resumed"),
    [
        (V12, Resumption(on=True), True, True),
        (V12, Resumption(on=True, tickets=False), False, True),
        (V12, Resumption(on=False), True, False),
        (V12, Resumption(on=False, tickets=False), False, False),
        (V13, Resumption(on=True), True, True),
        (V13, Resumption(on=True, tickets=False), False, False),
        (V13, Resumption(on=False), True, False),
        (V13, Resumption(on=False, tickets=False), False, False),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_sessions_are_resumed_or_not(
    bench: Bench, version: str, fault: Resumption, ticket: bool, resumed: bool
) -> None:
    bench.gateway.arm(fault)
    assert resumes(bench, version) == (ticket, resumed)


@openssl
@BOTH
def test_s_client_reconnects_with_its_ticket_and_is_not_resumed(bench: Bench, tmp_path: Path, version: str) -> None:
    bench.gateway.arm(Resumption(on=False))
    pem, session = tmp_path / "device.pem", tmp_path / "session.pem"
    pem.write_bytes(pki().device.key_pem + pki().device.chain_pem)
    host, port = bench.gateway.endpoint("a")
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-cert", str(pem), "-key", str(pem)]
    command += ["-tls1_2" if version == V12 else "-tls1_3", "-servername", NAME]
    for option in ("-sess_out", "-sess_in"):
        process = subprocess.Popen(
            [*command, option, str(session)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert process.stdin is not None
        assert process.stdout is not None
        while line := process.stdout.readline():
            if b"Verify return code" in line and (version == V12 or session.exists()):
                break
        process.stdin.close()
        process.stdout.read()
        process.wait(LIMIT)
    hellos = bench.timeline.wait_count(where("gateway", "hello"), 2, timeout=LIMIT)
    assert hellos[1]["ticket"] == "offered" or hellos[1]["psk"]
    assert not any(e["resumed"] for e in bench.timeline.wait_count(where("gateway", "tls"), 2, timeout=LIMIT))


# -- revocation ------------------------------------------------------------------------------------------------------


@BOTH
@EACH_CLIENT
@openssl
def test_a_revoked_client_is_refused_and_another_is_not(
    tmp_path: Path, client: object, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(client)
    authority = Authority.create()
    bad, good = authority.issue_device("bad"), authority.issue_device("good")
    with Bench(tmp_path, None, client_ca=authority.trust_anchors_pem) as bench:
        bench.gateway.arm(RevokeClient(authority.revocation_list(bad)), board="a")
        monkeypatch.setattr("tls_clients.DEVICE_PEM", bad.key_pem + bad.chain_pem)
        met: Met = client(bench.gateway.endpoint("a"), tmp_path, version)
        assert met.alert == "certificate_revoked"
        failed = bench.wait("tls-failed")
        assert (failed["verify_code"], failed["alert"]) == (23, "certificate_revoked")
        context = client_context(tmp_path, version=VERSIONS[version])
        (tmp_path / "good.pem").write_bytes(good.key_pem + good.chain_pem)
        context.load_cert_chain(tmp_path / "good.pem")
        bench.device(context=context)
        bench.wait("tls", subject="CN=good")


def test_a_list_that_is_none_is_told(tmp_path: Path) -> None:
    settings = TlsSettings(SERVER.chain_pem, SERVER.key_pem, pki().root.pem)
    with pytest.raises(ValueError, match="revocation list is no PEM"):
        make_context(replace(settings, revoked=b"nonsense"))


# -- what a hello tells ----------------------------------------------------------------------------------------------


@BOTH
def test_a_hello_tells_what_the_client_offers(bench: Bench, tmp_path: Path, version: str) -> None:
    with_ssl_context = client_context(tmp_path, device=pki().device, version=VERSIONS[version])
    with_ssl_context.set_alpn_protocols(["mqtt", "x-amzn-mqtt-ca"])
    bench.device(context=with_ssl_context)
    hello = bench.wait("hello")
    assert hello["sni"] == NAME
    assert hello["versions"] == [version]
    assert hello["alpn"] == ["mqtt", "x-amzn-mqtt-ca"]
    assert "secp256r1" in hello["groups"]
    assert "ecdsa_secp256r1_sha256" in hello["signatures"]
    assert hello["ticket"] == "empty"
    assert hello["psk"] is False
    assert (GCM if version == V12 else "TLS_AES_256_GCM_SHA384") in hello["ciphers"]
    bench.wait("tls")
    assert bench.kinds()[:3] == ["accept", "hello", "tls"]


@openssl
def test_a_fragment_limit_that_a_client_asks_for_is_told(bench: Bench) -> None:
    host, port = bench.gateway.endpoint("a")
    command = ["openssl", "s_client", "-connect", f"{host}:{port}", "-maxfraglen", "4096"]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False)
    assert bench.wait("hello")["max_fragment_length"] == 4096


# -- cipher suites by name -------------------------------------------------------------------------------------------


@openssl
def test_the_names_are_openssls_standard_names() -> None:
    command = ["openssl", "ciphers", "-V", "-stdname", "ALL:COMPLEMENTOFALL:@SECLEVEL=0"]
    listed = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=True).stdout.splitlines()
    theirs = {int("".join(p[2:] for p in row.split()[0].split(",")), 16): row.split()[2] for row in listed}
    shared = theirs.keys() & SUITES.keys()
    assert len(shared) > 80
    assert {number: SUITES[number] for number in shared} == {number: theirs[number] for number in shared}


@pytest.mark.parametrize(
    ("name", "judged"),
    [
        ("TLS_AES_128_GCM_SHA256", "recommended"),
        (GCM, "recommended"),
        ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "recommended"),
        ("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", "legacy"),
        ("TLS_RSA_WITH_AES_128_GCM_SHA256", "legacy"),
        ("TLS_RSA_WITH_3DES_EDE_CBC_SHA", "broken"),
        ("TLS_DH_anon_WITH_AES_128_GCM_SHA256", "broken"),
        ("TLS_RSA_WITH_NULL_SHA256", "broken"),
        ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV", "unknown"),
        ("0xABCD", "unknown"),
    ],
)
def test_suites_are_graded(name: str, judged: str) -> None:
    assert grade(name) == judged


def test_numbers_that_offer_nothing() -> None:
    assert is_grease(0x0A0A)
    assert is_grease(0xFAFA)
    assert not is_grease(0x1301)
    assert not is_grease(0x0A1A)
    assert suite_name(0x00FF) == "TLS_EMPTY_RENEGOTIATION_INFO_SCSV"
    assert suite_name(0xABCD) == "0xABCD"
