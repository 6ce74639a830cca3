"""The field's files are known by what is in them, and what cannot be taken is said."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from hil.cases.proposing import recognising
from hil.cases.proposing.recognising import EvidenceError, recognise

FILES = Path(__file__).parent / "field_files"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (
            b'{"sequence":0,"monotonic":1,"wall":1,"source":"gateway","kind":"accept","board":"a","data":{}}\n',
            "timeline",
        ),
        (b"1795828549: New connection from 127.0.0.1:57720 on port 18831.\n", "broker-log"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16), "pcap"),
        (b"\x0a\x0d\x0d\x0a" + bytes(24), "pcap"),
        (b"rst:0x1 (POWERON_RESET),boot:0x13\r\nhello\n", "console"),
        (b"\x00\xff\xfe boot noise \xff\nI (12) app: hello, hello, hello, hello\n", "console"),
    ],
)
def test_a_file_is_known_by_what_is_in_it(tmp_path: Path, content: bytes, kind: str) -> None:
    path = tmp_path / "whatever.dat"
    path.write_bytes(content)
    assert recognise(path).kind == kind


def test_what_cannot_be_taken_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b" \n")
    (tmp_path / "image").write_bytes(b"\xe9\x01" + bytes(500))
    for name, told in (("empty", "is empty"), ("image", "neither text nor a capture"), ("gone", "No such file")):
        with pytest.raises(EvidenceError, match=told):
            recognise(tmp_path / name)
    with pytest.raises(EvidenceError, match=r"a folder without a timeline\.jsonl is no run"):
        recognise(tmp_path)


def test_a_log_may_be_packed_or_of_windows(tmp_path: Path) -> None:
    text = (FILES / "gives-up.console.log").read_text()
    (tmp_path / "device.log.1.gz").write_bytes(gzip.compress(text.encode()))
    (tmp_path / "redirected.log").write_bytes(text.encode("utf-16"))
    for path in tmp_path.iterdir():
        found = recognise(path)
        assert (found.kind, found.text) == ("console", text), path


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (bytes(range(256)) * 20, "is neither text nor a capture"),
        (gzip.compress(b"x" * 5000, mtime=0)[:-20], "is packed with gzip, and damaged"),
        (
            gzip.compress(b'{"source": "gateway", "kind": "accept"}\n', mtime=0),
            "a timeline that is packed; unpack it with gunzip",
        ),
        (b"PK\x03\x04" + bytes(200), "is packed; unpack it with unzip first"),
        (b"\xfd7zXZ\x00" + bytes(200), "is packed; unpack it with unxz first"),
    ],
    ids=["binary", "damaged", "timeline", "zip", "xz"],  # never the contents: their names are the same in each worker
)
def test_what_is_packed_or_no_text_is_said(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "field"
    path.write_bytes(content)
    with pytest.raises(EvidenceError, match=told):
        recognise(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EvidenceError, match="is a device or a pipe"):
        recognise(tmp_path / "pipe")


def test_what_grows_too_large_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognising, "MOST_BYTES", 1 << 20)
    for name, content in (("plain", b"x" * (2 << 20)), ("packed", gzip.compress(b"x" * (2 << 20)))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(EvidenceError, match="cut out the part around the failure"):
            recognise(tmp_path / name)
