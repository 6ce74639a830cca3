"""`hil chain`: from a live server to the files of a firmware, and to an exit code."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from chain_servers import NAME, NOW, authority, identity, intermediate, leaf, presenting
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID

from hil.chain.endpoint import Endpoint
from hil.cli import main
from hil.credentials import Flaw, ServerIdentity, broken
from hil.credentials.identity import pem
from hil.credentials.issue import Signed, new_key
from hil.sources import Language, find

Hil = Callable[..., int]


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    path = tmp_path / "roots.pem"
    path.write_bytes(authority().trust_anchors_pem)
    return path


def chain(endpoint: Endpoint, roots: Path, *words: object) -> int:
    return main(["chain", str(endpoint), "--name", NAME, "--store", str(roots), *map(str, words)])


@pytest.fixture
def good(tmp_path: Path) -> Iterator[Endpoint]:
    with presenting(tmp_path, authority().issue_server([NAME])) as endpoint:
        yield endpoint


def test_everything_is_written_at_once(good: Endpoint, roots: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("roots.h", "Roots.cs", "roots.py", "new.pem")]
    writes = [word for file in files for word in ("--write", file)]
    assert chain(good, roots, *writes, "--chain", tmp_path / "all.pem", "--sent", tmp_path / "sent.pem") == 0
    wanted = authority().trust_anchors_pem
    for file in files:
        found = find(file.read_text(), Language.of(file))
        assert b"".join(one.pem for one in found).strip() == wanted.strip(), file
    for file in files[:3]:
        text = file.read_text()
        assert "root: CN=test root" in text
        days = (NOW, datetime.now(UTC))  # midnight may have come in between
        assert any(f"as of {day:%Y-%m-%d}" in text for day in days)
        assert f"asked for {NAME}" in text
    assert files[3].read_bytes() == wanted
    sent = (tmp_path / "sent.pem").read_bytes()
    assert sent.count(b"BEGIN") == 2
    assert (tmp_path / "all.pem").read_bytes() == sent + wanted


def test_a_module_for_micropython_is_python(good: Endpoint, roots: Path, tmp_path: Path) -> None:
    assert chain(good, roots, "--write", tmp_path / "trust.py", "--constant", "ROOTS") == 0
    module: dict[str, bytes] = {}
    exec((tmp_path / "trust.py").read_text(), module)
    assert module["ROOTS"] == authority().trust_anchors_pem


@pytest.mark.parametrize("style", ["lines", "raw"])
def test_a_header_compiles(style: str, good: Endpoint, roots: Path, tmp_path: Path) -> None:
    assert chain(good, roots, "--write", tmp_path / "trust.h", "--style", style) == 0
    (tmp_path / "main.cpp").write_text(
        '#include "trust.h"\n#include <cstdio>\nint main() { std::fputs(TRUST_ANCHORS_PEM, stdout); }\n'
    )
    try:
        subprocess.run(["c++", "-o", tmp_path / "shown", tmp_path / "main.cpp"], check=True, timeout=300)
    except FileNotFoundError:
        pytest.skip("no C++ compiler (c++)")
    shown = subprocess.run([tmp_path / "shown"], capture_output=True, check=True, timeout=300)
    assert shown.stdout == authority().trust_anchors_pem


def test_print_leaves_stdout_to_the_source(good: Endpoint, roots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chain(good, roots, "--print", "pem", "--trust", "intermediate") == 0
    out, err = capsys.readouterr()
    assert out == pem(authority().intermediate.certificate).decode()
    assert "why: the intermediate, as asked for" in err


def test_a_file_is_not_lost_by_mistake(
    good: Endpoint, roots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = tmp_path / "secrets.h"
    secrets.write_text("the only copy")
    assert chain(good, roots, "--write", tmp_path / "new.h", "--write", secrets) == 1
    assert capsys.readouterr().err == f"hil: {secrets}: exists; give another name, or --force to replace it\n"
    assert secrets.read_text() == "the only copy"
    assert not (tmp_path / "new.h").exists()
    assert chain(good, roots, "--write", secrets, "--force") == 0
    assert "TRUST_ANCHORS_PEM" in secrets.read_text()


def test_a_faulty_chain_is_shown_but_not_written(
    roots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trust.h"
    with presenting(tmp_path, broken.server(authority(), [NAME], Flaw.EXPIRED)) as endpoint:
        assert chain(endpoint, roots) == 1
        assert "fault: CN=bench.test: expired on" in capsys.readouterr().out
        assert chain(endpoint, roots, "--write", file) == 1
        assert "nothing written: devices could not connect" in capsys.readouterr().err
        assert not file.exists()
        assert chain(endpoint, roots, "--write", file, "--force") == 1
    assert "CN=test root" in file.read_text()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--constant", "no-name"), "expected letters, digits and _"),
        (("--store", "{tmp}/none.pem"), "none.pem: cannot be read"),
        (("--store", "{tmp}/empty.pem"), "holds no certificate"),
        (("--write", "{tmp}/none/x.h"), "there is no directory"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: tuple[str, str],
    expected: str,
    good: Endpoint,
    roots: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty.pem").write_text("")
    given = [word.format(tmp=tmp_path) for word in words]
    assert chain(good, roots, *([] if "--write" in given else ["--print", "c"]), *given) == 1
    last = capsys.readouterr().err.rstrip("\n").split("\n")[-1]
    assert last.startswith("hil: ")
    assert expected in last


@pytest.mark.parametrize("words", [["no-port"], ["host:1", "--timeout", "0"], ["host:1", "--tls", "1.1"]])
def test_wrong_usage_is_exit_code_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["chain", *words])
    assert ended.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_no_server_is_exit_code_one(roots: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert chain(Endpoint("127.0.0.1", 1), roots) == 1
    assert capsys.readouterr().err.startswith("hil: 127.0.0.1:1: connection refused")


def test_the_systems_store_is_used_by_default(good: Endpoint, roots: Path) -> None:
    """In a process of its own, whose system has the test's root."""
    command = [sys.executable, "-m", "hil.cli", "chain", str(good), "--name", NAME]
    done = subprocess.run(
        command,
        env={"SSL_CERT_FILE": str(roots), "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"from the system's store ({roots})" in done.stdout


# -- certificates that were left out, fetched --------------------------------------------------------------------------


class _Answers(http.server.BaseHTTPRequestHandler):
    files: dict[str, bytes]

    def do_GET(self) -> None:
        if self.path not in self.files:
            self.send_error(404)
            return
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.files[self.path])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[tuple[str, dict[str, bytes]]]:
    files: dict[str, bytes] = {}
    handler = type("Handler", (_Answers,), {"files": files})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", files
        server.shutdown()
        thread.join()


def naming(issuer: Signed, url: str) -> ServerIdentity:
    """A server that shows its own certificate alone, which says where its issuer's may be had."""
    key = new_key()
    location = x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    start, end = NOW - timedelta(days=1), NOW + timedelta(days=365)
    builder = (
        x509.CertificateBuilder(issuer.certificate.subject, name, key.public_key(), 7, start, end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.AuthorityInformationAccess([location]), critical=False)
    )
    return identity(Signed(builder.sign(issuer.key, SHA256()), key))


FORMS = {
    "der": lambda certificate: certificate.public_bytes(Encoding.DER),
    "pem": lambda certificate: certificate.public_bytes(Encoding.PEM),
    "pkcs7": lambda certificate: pkcs7.serialize_certificates([certificate], Encoding.DER),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_missing_intermediate_is_fetched_if_asked(
    form: str, web: tuple[str, dict[str, bytes]], roots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, files = web
    files["/issuer"] = FORMS[form](authority().intermediate.certificate)
    with presenting(tmp_path, naming(authority().intermediate, f"{base}/issuer")) as endpoint:
        assert chain(endpoint, roots) == 1
        assert f"the certificate names {base}/issuer, --aia fetches it" in capsys.readouterr().out
        assert chain(endpoint, roots, "--aia", "--write", tmp_path / "trust.pem") == 0
    both = pem(authority().intermediate.certificate, authority().root.certificate)
    assert (tmp_path / "trust.pem").read_bytes() == both, "the device needs what the server does not send"


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("/none", b"", "answers 404"),
        ("/issuer", b"<html>moved</html>", "gave no certificate (b'<html>"),
        ("/issuer", b"x" * 300_000, "answers with more than 262144 bytes"),
    ],
)
def test_an_address_that_gives_no_issuer(
    path: str,
    content: bytes,
    expected: str,
    web: tuple[str, dict[str, bytes]],
    roots: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    base, files = web
    files["/issuer"] = content
    with presenting(tmp_path, naming(authority().intermediate, base + path)) as endpoint:
        assert chain(endpoint, roots, "--aia") == 1
    assert expected in capsys.readouterr().out


def test_a_fetched_certificate_that_signed_nothing_is_not_believed(
    web: tuple[str, dict[str, bytes]], roots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, files = web
    files["/issuer"] = FORMS["der"](intermediate("test intermediate", None).certificate)
    with presenting(tmp_path, naming(authority().intermediate, f"{base}/issuer")) as endpoint:
        assert chain(endpoint, roots, "--aia") == 1
    assert "gave a certificate that did not sign" in capsys.readouterr().out


def test_only_http_is_fetched(roots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "issuer").write_bytes(FORMS["der"](authority().intermediate.certificate))
    with presenting(tmp_path, naming(authority().intermediate, f"file://{tmp_path}/issuer")) as endpoint:
        assert chain(endpoint, roots, "--aia") == 1
    assert "not fetched, expected http://" in capsys.readouterr().out


def test_a_name_cannot_become_source_code(roots: Path, tmp_path: Path) -> None:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, 'x\n#error "hostile"\u2028*/ \\')])
    key = new_key()
    start, end = NOW - timedelta(days=1), NOW + timedelta(days=365)
    evil = Signed(
        x509.CertificateBuilder(subject, subject, key.public_key(), 7, start, end)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256()),
        key,
    )
    with presenting(tmp_path, identity(leaf(evil), evil)) as endpoint:
        chain(endpoint, roots, "--write", tmp_path / "trust.h", "--write", tmp_path / "trust.py", "--force")
    assert not [line for line in (tmp_path / "trust.h").read_text().splitlines() if line.startswith("#error")]
    module: dict[str, bytes] = {}
    exec((tmp_path / "trust.py").read_text(), module)
    assert module["TRUST_ANCHORS_PEM"] == pem(evil.certificate)
