"""The firmware refuses and forgives in PEM what mbedTLS does, with mbedTLS's numbers."""

from __future__ import annotations

import textwrap
from functools import cache

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from firmware_servers import authority, device, pem

from hil.virtual.firmware.pem import ParseError, certificates, private_key


@cache
def good() -> bytes:
    return pem(authority().root)


def body() -> list[bytes]:
    return good().splitlines()


ACCEPTED = {
    "as it is": lambda: good(),
    "with its NUL": lambda: good() + b"\0",
    "blank lines around": lambda: b"\n\n" + good() + b"\n\n",
    "a blank line in the middle": lambda: b"\n".join([*body()[:3], b"", *body()[3:]]),
    "CRLF": lambda: good().replace(b"\n", b"\r\n"),
    "trailing spaces": lambda: good().replace(b"=\n", b"=  \n").replace(b"\n", b"\n", 1),
    "trailing spaces on each line": lambda: b"\n".join([body()[0], *(x + b"  " for x in body()[1:-1]), body()[-1]]),
    "a byte order mark": lambda: b"\xef\xbb\xbf" + good(),
    "text before": lambda: b"subject: test root\n" + good(),
}

REFUSED = {
    "leading spaces": (lambda: textwrap.indent(good().decode(), "  ").encode(), -0x112C),
    "a tab inside": (lambda: good().replace(b"M", b"M\t", 1).replace(body()[1], body()[1][:9] + b"\t"), -0x112C),
    "a space inside": (lambda: good().replace(body()[2], body()[2][:9] + b" " + body()[2][9:]), -0x112C),
    "text inside": (lambda: good().replace(body()[2], b"# comment\n" + body()[2]), -0x112C),
    "no END line": (lambda: b"\n".join(body()[:-1]), -0x2780),
    "a literal backslash-n": (lambda: good().replace(b"\n", b"\\n"), -0x2780),
    "all on one line": (lambda: good().replace(b"\n", b""), -0x2780),
    "CR only": (lambda: good().replace(b"\n", b"\r"), -0x2780),
    "empty": (lambda: b"", -0x2180),
    "no BEGIN line": (lambda: b"\n".join(body()[1:]), -0x2180),
    "TRUSTED header": (lambda: good().replace(b"CERTIFICATE", b"TRUSTED CERTIFICATE"), -0x2180),
    "truncated content": (lambda: b"\n".join([*body()[:4], body()[-1]]), -0x2180),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_accepted(case: str) -> None:
    found, bad = certificates(ACCEPTED[case]())
    assert (len(found), bad) == (1, 0)


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, code = REFUSED[case]
    assert make() != good()
    with pytest.raises(ParseError) as caught:
        certificates(make())
    assert caught.value.code == code


def test_a_bad_certificate_in_a_bundle_is_left_out_and_counted() -> None:
    broken = good().replace(body()[2], b"!" + body()[2])
    found, bad = certificates(broken + pem(authority().middle) + b"text between\n" + good())
    assert (len(found), bad) == (2, 1)


def key_in(format: serialization.PrivateFormat, password: bytes | None = None) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, format, lock)


@pytest.mark.parametrize("format", [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL])
def test_keys(format: serialization.PrivateFormat) -> None:
    assert private_key(key_in(format) + b"\0").bits() == 256


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"", -0x3D00),
        (lambda: device()[0], -0x3D00),
        (lambda: device()[1].replace(b"PRIVATE KEY", b"SECRET KEY"), -0x3D00),
        (lambda: device()[1].replace(b"\nM", b"\n  M"), -0x112C),
        (lambda: key_in(serialization.PrivateFormat.PKCS8, b"secret"), -0x3C00),
        (lambda: key_in(serialization.PrivateFormat.TraditionalOpenSSL, b"secret"), -0x3C00),
    ],
    ids=["empty", "a certificate", "unknown header", "leading spaces", "encrypted", "encrypted the old way"],
)
def test_bad_keys(make: object, code: int) -> None:
    with pytest.raises(ParseError) as caught:
        private_key(make())  # type: ignore[operator]
    assert caught.value.code == code
