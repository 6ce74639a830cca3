"""What mbedTLS itself says of every certificate that is broken on purpose, and that the documents say the same."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest

from hil.credentials import Authority, Flaw, broken

NAME = "bench.local"
AUTHORITY = Authority.create("test bench")
DOCUMENT = Path(__file__).parents[2] / "docs" / "certificates.md"

_SERVER_AUTH, _CLIENT_AUTH = (b"\x2b\x06\x01\x05\x05\x07\x03" + last for last in (b"\1", b"\2"))
_DIGITAL_SIGNATURE = 0x80
_KEY_USAGE, _EXTENDED_USAGE = 0x800, 0x1000
_ROOM = 8192  # bytes; more than an mbedtls_x509_crt has in any version


@cache
def library() -> ctypes.CDLL:
    """The mbedTLS that comes with python-mbedtls, which does not hand its flags on."""
    pytest.importorskip("mbedtls.x509", reason="python-mbedtls is not installed")
    files = metadata.files("python-mbedtls") or []
    return ctypes.CDLL(str(next(file.locate() for file in files if file.name.startswith("libmbedx509"))))


def parsed(text: bytes) -> ctypes.Array[ctypes.c_char]:
    found = ctypes.create_string_buffer(_ROOM)
    library().mbedtls_x509_crt_init(found)
    assert library().mbedtls_x509_crt_parse(found, text, ctypes.c_size_t(len(text) + 1)) == 0
    return found


def flags(chain: bytes, purpose: bytes, name: str | None) -> int:
    """What mbedTLS finds wrong with a chain that its peer sent: the chain first, then what the leaf may be used for."""
    mbedtls, leaf, anchors = library(), parsed(chain), parsed(AUTHORITY.trust_anchors_pem)
    found = ctypes.c_uint32()
    asked = None if name is None else name.encode()
    mbedtls.mbedtls_x509_crt_verify(leaf, anchors, None, asked, ctypes.byref(found), None, None)
    length = ctypes.c_size_t(len(purpose))
    if mbedtls.mbedtls_x509_crt_check_extended_key_usage(leaf, purpose, length):
        found.value |= _EXTENDED_USAGE
    if mbedtls.mbedtls_x509_crt_check_key_usage(leaf, ctypes.c_uint(_DIGITAL_SIGNATURE)):
        found.value |= _KEY_USAGE
    return found.value


def test_mbedtls_accepts_what_is_good() -> None:
    assert flags(AUTHORITY.issue_server([NAME]).chain_pem, _SERVER_AUTH, NAME) == 0
    assert flags(AUTHORITY.issue_device("x").chain_pem, _CLIENT_AUTH, None) == 0


@pytest.mark.parametrize("flaw", list(Flaw), ids=str)
def test_mbedtls_gives_each_broken_certificate_its_verdict(flaw: Flaw) -> None:
    assert flags(broken.server(AUTHORITY, [NAME], flaw).chain_pem, _SERVER_AUTH, NAME) == flaw.mbedtls
    otherwise = {Flaw.WRONG_NAME: 0, Flaw.WRONG_ORDER: _KEY_USAGE}
    device = flags(broken.device(AUTHORITY, "x", flaw).chain_pem, _CLIENT_AUTH, None)
    assert device == otherwise.get(flaw, flaw.mbedtls)


def test_the_table_in_the_documents_says_the_same() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    said = {name: (openssl, mbedtls) for name, openssl, mbedtls in rows if name in set(Flaw)}
    assert said == {flaw.value: (openssl_of(flaw), mbedtls_of(flaw)) for flaw in Flaw}


def openssl_of(flaw: Flaw) -> str:
    if flaw is Flaw.WRONG_ORDER:
        return "62 (device: does not load)"
    if flaw.in_key:
        return "bad signature (device: does not load)"
    return "accepts" if flaw.verdict is None else f"{flaw.verdict}"


def mbedtls_of(flaw: Flaw) -> str:
    if flaw is Flaw.WRONG_ORDER:
        return "0x4 (device: 0x800)"
    if flaw is Flaw.DEEP_CHAIN:
        return "-0x3000"
    if flaw.in_key:
        return "bad signature"
    return f"0x{flaw.mbedtls:X}" if flaw.mbedtls else "accepts"
