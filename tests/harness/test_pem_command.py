"""`hil pem` by hand: exit codes, words, JSON, and files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pem_samples import intermediate, key_pem, leaf

from hil.cli import main
from hil.pem import command


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    path = tmp_path / "constants.h"
    literals = "".join(f'\n  " {line}\\n"' for line in leaf().splitlines())
    path.write_text(f"static const char CERTIFICATE[] ={literals};\n")
    return path


def test_clean_is_0_with_warnings_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "chain.pem"
    path.write_bytes((leaf() + "\n" + intermediate()).encode())
    assert main(["pem", str(path)]) == 0
    out = capsys.readouterr().out
    assert f"{path}:10:1: warning: blank line outside of the block [blank-line]" in out
    assert "2 blocks in 1 files: 0 errors, 1 warnings" in out


def test_errors_are_1_with_place_and_verdicts(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pem", str(broken)]) == 1
    out = capsys.readouterr().out
    assert f"{broken}:3:4: error: white space or a tab inside the base64" in out
    assert "mbedTLS refuses (-0x112C, -4396), OpenSSL accepts; --fix mends it" in out


def test_fix_writes_in_place_and_checks_again(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken.chmod(0o640)
    link = broken.with_name("link.h")
    link.symlink_to(broken)
    expected = broken.read_text().replace('" ', '"')
    assert main(["pem", "--fix", str(link)]) == 0
    assert broken.read_text() == expected
    assert link.is_symlink()
    assert broken.stat().st_mode & 0o777 == 0o640
    assert "written in the clean form" in capsys.readouterr().out
    assert sorted(path.name for path in broken.parent.iterdir()) == ["constants.h", "link.h"]


def test_a_write_that_fails_leaves_the_file(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = broken.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert main(["pem", "--fix", str(broken)]) == 2
    assert broken.read_bytes() == before
    assert [path.name for path in broken.parent.iterdir()] == ["constants.h"]


def test_json(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pem", "--json", str(broken)]) == 1
    report = json.loads(capsys.readouterr().out)
    finding = next(finding for finding in report["findings"] if finding["rule"] == "white-space")
    assert (finding["line"], finding["column"], finding["mbedtls"], finding["openssl"]) == (3, 4, -0x112C, True)
    assert report["blocks"] == 1


@pytest.mark.parametrize("data", [None, b"\x30\x82\x00\x01", b"\xff\xfe-\x00"])
def test_what_cannot_be_read_is_2(tmp_path: Path, data: bytes | None, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "file.pem"
    if data is not None:
        path.write_bytes(data)
    assert main(["pem", str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_no_file_is_wrong_usage() -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["pem"])


@pytest.mark.parametrize("option", [[], ["--json"], ["--fix"]])
def test_no_key_material_is_shown(tmp_path: Path, option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "device.key"
    lines = key_pem("device").splitlines()
    path.write_text("\n".join([lines[0], lines[1] + "!", *lines[2:]]))
    main(["pem", *option, str(path)])
    shown = "".join(capsys.readouterr())
    assert not any(line[:12] in shown for line in lines[1:-1])


def test_the_draft_of_a_key_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "device.key"
    path.write_text(key_pem("device"))
    modes = []
    monkeypatch.setattr(os, "fsync", lambda handle: modes.append(os.fstat(handle).st_mode & 0o777))
    command.replace(path, b"new")
    assert modes == [0o600]


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pem", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"hil: {tmp_path}: is a directory, expected files: name those in it\n"
    assert main(["pem", str(tmp_path / "none.pem")]) == 2
    assert capsys.readouterr().err == f"hil: {tmp_path}/none.pem: No such file or directory\n"
