"""`hil pki` by hand: what it prints, its exit codes, and that nothing secret is printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from pki_files import SMALL

from hil.cli import main
from hil.credentials import Flaw

WORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encrypted = SMALL.replace("[authorities.site]", '[authorities.site]\npassphrase = { env = "SITE_PW" }')
    (tmp_path / "pki.toml").write_text(encrypted)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SITE_PW", WORD)
    monkeypatch.delenv("HIL_PKI", raising=False)


def hil(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    assert main(["pki", *words]) == code
    out, err = capsys.readouterr()
    assert WORD not in out + err
    assert "PRIVATE KEY" not in out + err
    assert "Traceback" not in err
    assert code == 0 or out or err.count("\n") == 1
    return out + err


def test_a_life(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "esp32-a  " in hil(capsys, "list", code=1)
    assert hil(capsys, "issue").count("issued ") == 4
    assert hil(capsys, "issue") == "nothing to do: all of it is there\n"
    listed = hil(capsys, "list")
    assert "ec-p256, encrypted" in listed
    assert "good" in listed
    assert hil(capsys, "renew", "esp32-a").startswith("renewed esp32-a 1.2, until 20")
    assert hil(capsys, "renew", "--within", "3") == "nothing to do: nothing ends so soon\n"
    assert "still signed by its old key: esp32-a, esp32-b" in hil(capsys, "rotate", "site")
    assert "crl-1.pem" in hil(capsys, "revoke", "esp32-b", "--reason", "keyCompromise")
    assert "revoked 20" in hil(capsys, "list", code=1)
    assert hil(capsys, "crl", "site").splitlines() == [
        f"{tmp_path}/pki/authorities/site/crl-1.pem",
        f"{tmp_path}/pki/authorities/site/crl-2.pem",
    ]
    assert "└── esp32-b" in hil(capsys, "tree")
    told = hil(capsys, "eventgrid", "esp32-a")
    assert "upload as CA certificate site: pki/authorities/site/1.1/certificate.pem" in told
    assert "SubjectMatchesAuthenticationName, thumbprint " in told
    assert hil(capsys, "openssl", "--to", "out").splitlines() == ["out/openssl.cnf", "out/make.sh"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("issue", "nobody"), 1, "found no authority or device 'nobody'; the file has root"),
        (("issue", "--pki", "missing.toml"), 2, "no such file"),
        (("renew",), 2, "expected one of them"),
        (("renew", "root"), 1, "nothing was issued yet; hil pki issue root"),
        (("rotate", "root"), 1, "nothing was issued yet"),
        (("revoke", "root"), 1, "nothing of that name was issued"),
        (("import", "root", "--certificate", "x.pem"), 1, "add imported = true"),
        (("eventgrid",), 1, "no device that was issued"),
    ],
)
def test_faults_are_one_line(capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, said: str) -> None:
    assert said in hil(capsys, *words, code=code)


def test_a_passphrase_is_no_argument(capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--passphrase", "--password"):  # an abbreviation of --passphrase-env would print it
        with pytest.raises(SystemExit):
            main(["pki", "import", "root", "--certificate", "x.pem", option, WORD])
    assert main(["pki", "import", "root", "--certificate", "x.pem", "--passphrase-env", WORD]) == 2
    err = capsys.readouterr().err
    assert "never its value" in err
    assert "hil: --passphrase-env: expected the name" in err.splitlines()[-1]
    assert WORD not in err.splitlines()[-1]


def test_no_terminal_to_ask_on(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "pki.toml").write_text("[authorities.root]\npassphrase = { prompt = true }\n")
    assert "no terminal to ask on" in hil(capsys, "issue", code=1)
    assert not list(tmp_path.rglob("*.key"))


def test_what_is_wrong_on_purpose(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert hil(capsys, "break", "esp32-a", "--flaw", "expired", "--to", "out") == "out/expired\n"
    assert hil(capsys, "break", "esp32-a", "--to", "all").count("\n") == len(Flaw)
    for folder in [tmp_path / "out" / "expired", *(tmp_path / "all").iterdir()]:
        assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {
            "chain.pem": 0o644,
            "private.key": 0o600,
            "anchors.pem": 0o644,
        }
    assert not (tmp_path / "pki" / "devices" / "broken").exists()
    assert "found flaw 'rotten'" in hil(capsys, "break", "esp32-a", "--flaw", "rotten", "--to", "x", code=1)
    assert "authorities.site: expected a device" in hil(capsys, "break", "site", "--to", "x", code=1)
    assert "holds files already" in hil(capsys, "break", "esp32-a", "--flaw", "expired", "--to", "out", code=1)
