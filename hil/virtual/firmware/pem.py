"""PEM as mbedTLS parses it: what it forgives, what it does not, and the numbers that it gives back.

OpenSSL forgives other things, so a damaged credential would behave here as on no real board if OpenSSL read it. The
rules and codes below were tried on mbedTLS 2.28.3:

| input                                                                                      | result    |
|--------------------------------------------------------------------------------------------|-----------|
| blank lines, CRLF, trailing spaces, a BOM, text before or between certificates             | accepted  |
| white space before or inside a base64 line, or characters that are not base64              | -0x112C   |
| no END line, a literal backslash-n, all on one line, CR only                               | -0x2780   |
| empty, no BEGIN CERTIFICATE, TRUSTED CERTIFICATE, truncated content                        | -0x2180   |
| several certificates of which some are bad                                                 | their number |
| key: no header that is known, empty, a certificate in its place                            | -0x3D00   |
| key: encrypted                                                                             | -0x3C00   |
"""

from __future__ import annotations

import base64
import binascii
import re

from OpenSSL import crypto

BAD_BASE64 = -0x112C
NO_FOOTER = -0x1080
UNKNOWN_FORMAT = -0x2780
INVALID_FORMAT = -0x2180
KEY_INVALID = -0x3D00
KEY_PASSWORD = -0x3C00

_KEY_LABELS = (b"RSA PRIVATE KEY", b"EC PRIVATE KEY", b"PRIVATE KEY")


class ParseError(Exception):
    """mbedTLS refuses the text; `code` is what its function returns (negative)."""

    def __init__(self, code: int) -> None:
        super().__init__(f"-0x{-code:04X}")
        self.code = code


def _base64(body: bytes) -> bytes:
    """Strict but for spaces at the end of a line and line ends of LF or CRLF."""
    text = b""
    for line in body.split(b"\n"):
        text += line.removesuffix(b"\r").rstrip(b" ")
    if not text or not re.fullmatch(rb"[A-Za-z0-9+/]*={0,2}", text):
        raise ParseError(BAD_BASE64)
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ParseError(BAD_BASE64) from None


def _block(text: bytes, label: bytes) -> tuple[bytes, int]:
    """The first block of that label: what stands between its lines, and where the text goes on after it."""
    begin, end = b"-----BEGIN " + label + b"-----", b"-----END " + label + b"-----"
    start = text.find(begin)
    stop = text.find(end)
    if start < 0 or stop <= start:
        raise ParseError(NO_FOOTER)
    body = text[start + len(begin) : stop]
    opened = re.match(rb" ?\r?\n", body)
    if opened is None:
        raise ParseError(NO_FOOTER)
    return body[opened.end() :], stop + len(end)


def certificates(text: bytes) -> tuple[list[crypto.X509], int]:
    """The certificates, in order, and how many were bad and left out (as mbedtls_x509_crt_parse counts).

    Raises ParseError if there is no good one.
    """
    text = text.rstrip(b"\0")
    if b"-----BEGIN CERTIFICATE-----" not in text:
        raise ParseError(INVALID_FORMAT)
    good: list[crypto.X509] = []
    first_error: ParseError | None = None
    bad = 0
    while True:
        try:
            body, end = _block(text, b"CERTIFICATE")
        except ParseError:
            break
        text = text[end:]
        try:
            good.append(_certificate(_base64(body)))
        except ParseError as error:
            first_error = first_error or error
            bad += 1
    if not good:
        raise first_error or ParseError(UNKNOWN_FORMAT)
    return good, bad


def _certificate(der: bytes) -> crypto.X509:
    try:
        return crypto.load_certificate(crypto.FILETYPE_ASN1, der)
    except (crypto.Error, ValueError):
        raise ParseError(INVALID_FORMAT) from None


def private_key(text: bytes) -> crypto.PKey:
    """The key; raises ParseError."""
    text = text.rstrip(b"\0")
    if b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in text:
        raise ParseError(KEY_PASSWORD)
    for label in _KEY_LABELS:
        try:
            body, _ = _block(text, label)
        except ParseError:
            continue
        if body.startswith(b"Proc-Type:"):
            raise ParseError(KEY_PASSWORD)
        der = _base64(body)
        clean = b"-----BEGIN %b-----\n%b-----END %b-----\n" % (label, base64.encodebytes(der), label)
        try:
            return crypto.load_privatekey(crypto.FILETYPE_PEM, clean)
        except (crypto.Error, ValueError, TypeError):
            break
    raise ParseError(KEY_INVALID)
