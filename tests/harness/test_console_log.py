"""Secrets never reach the log file, however the stream was cut up, and every other byte does."""

from __future__ import annotations

import stat
from itertools import pairwise
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.rawlog import RawLog, Redactor

SECRETS = ("hunter22-and-more", "hunter22", "abcabc", "käse-brot")


def write(path: Path, pieces: list[bytes], secrets: tuple[str, ...] = SECRETS) -> bytes:
    path.unlink(missing_ok=True)
    log = RawLog(path, Redactor(lambda: secrets))
    for piece in pieces:
        log.write(piece)
    log.close()
    return path.read_bytes()


def blanked(data: bytes) -> bytes:
    """By hand: leftmost, longest first."""
    out = b""
    while data:
        for secret in SECRETS:
            if data.startswith(secret.encode()):
                out, data = out + b"[redacted]", data[len(secret.encode()) :]
                break
        else:
            out, data = out + data[:1], data[1:]
    return out


parts = st.lists(
    st.sampled_from([*(s.encode() for s in SECRETS), b"hunter", b"abc", b"abcab", b"\r\n", b"x", b"-and", b"\xff\x00"]),
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts, st.lists(st.integers(0, 300), max_size=20))
def test_a_secret_in_parts_is_blanked_like_one_in_a_piece(tmp_path: Path, parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts) + b"\r\n"
    places = sorted({0, len(data), *(c % (len(data) + 1) for c in cuts)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert write(tmp_path / "log", pieces) == blanked(data)


def test_byte_by_byte_nothing_leaks_and_nothing_is_missing(tmp_path: Path) -> None:
    data = b"\x00\xffpass=hunter22-and-more;hunter22;abcabcabc\r\nend"
    assert write(tmp_path / "log", [data[i : i + 1] for i in range(len(data))]) == blanked(data)


def test_without_secrets_it_is_exact_and_at_once(tmp_path: Path) -> None:
    log = RawLog(tmp_path / "log", Redactor(lambda: ()))
    data = bytes(range(256)) * 3
    log.write(data)
    assert (tmp_path / "log").read_bytes() == data
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600
    log.close()


def test_a_prompt_is_written_at_once_unless_it_may_be_a_secret(tmp_path: Path) -> None:
    log = RawLog(tmp_path / "log", Redactor(lambda: SECRETS))
    log.write(b"login: ")
    assert (tmp_path / "log").read_bytes() == b"login: "
    log.write(b"hunter2")
    assert (tmp_path / "log").read_bytes() == b"login: "
    log.write(b"3")
    assert (tmp_path / "log").read_bytes() == b"login: hunter23"
    log.close()


def test_most_of_a_secret_at_the_end_is_taken_for_it(tmp_path: Path) -> None:
    assert write(tmp_path / "log", [b"pass hunter22-and-m"]) == b"pass [redacted]"
    assert write(tmp_path / "log", [b"that was hun"]) == b"that was hun"


def test_a_secret_named_later_counts_from_then_on(tmp_path: Path) -> None:
    secrets: list[tuple[str, ...]] = [()]
    log = RawLog(tmp_path / "log", Redactor(lambda: secrets[0]))
    log.write(b"hunter22 ")
    secrets[0] = SECRETS
    log.write(b"hunter22 ")
    log.close()
    assert (tmp_path / "log").read_bytes() == b"hunter22 [redacted] "
