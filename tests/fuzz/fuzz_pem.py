"""PEM in sources that somebody wrote: found, judged, and mended.

An input is a byte for the language and the text. Bytes from 0x80 on stand for what a mutation would hardly hit: marks,
lines of a certificate and of a key, quotation marks and escapes of each language.

What must hold: nothing is raised, whatever the text; what is found lies where it says; each finding is one printable
line with a place in the text; what was mended is mended no further, and holds the same certificates and keys.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fuzz_reason import check_reason

from hil.pem import Source, check, fix
from hil.sources import Found, Language, find

_LANGUAGES: Final = (Language.PEM, *Language)
_CERTIFICATE: Final = (
    "MIIBATCBqKADAgECAgEBMAoGCCqGSM49BAMCMAwxCjAIBgNVBAMMAWEwHhcNMjAw",
    "MTAxMDAwMDAwWhcNMzAwMTAxMDAwMDAwWjAMMQowCAYDVQQDDAFhMFkwEwYHKoZI",
)


def _issued() -> tuple[str, str, str]:
    """A device's certificate, its issuer's and its key, the same in every run: Ed25519 signs without chance."""
    issuer, key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)), ec.derive_private_key(5, ec.SECP256R1())
    made = []
    for name, public in (("device", key.public_key()), ("issuer", issuer.public_key())):
        subject, above = (x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, n)]) for n in (name, "issuer"))
        certificate = (
            x509.CertificateBuilder(above, subject, public, 1 + len(made))
            .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
            .not_valid_after(datetime(2060, 1, 1, tzinfo=UTC))
            .add_extension(x509.BasicConstraints(name == "issuer", None), critical=True)
            .sign(issuer, None)
        )
        made.append(certificate.public_bytes(Encoding.PEM).decode())
    text = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    return made[0], made[1], text


_ISSUED: Final = _issued()
_PARTS: Final = (
    *("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"),
    *("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----", "-----BEGIN ", "-----END ", "-----"),
    *(f"-----BEGIN CERTIFICATE-----\n{_CERTIFICATE[0]}\n{_CERTIFICATE[1]}\n-----END CERTIFICATE-----\n",),
    *(*_CERTIFICATE, "AAAA", "=", "==", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"),
    *("\\n", "\\\n", "\r\n", "\n", "\n\n", " ", "\t", "\ufeff", "\\x41", "\\u0041", "\\101", "\\", '\\"', "\\r"),
    *('"', "'", '"""', "'''", 'R"(', ')"', 'R"x(', ')x"', '@"', '$"', 'r"', 'b"', 'f"', 'u8"', '"\n"', '" + "', '""'),
    *("//", "/*", "*/", "#", "(", ")", "+", ";", "{", "}", "const char a[] = ", "static const string A = ", "A = (\n"),
    *_ISSUED,
)


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    if not data:
        return
    language, text = _LANGUAGES[data[0] % len(_LANGUAGES)], written(data[1:])
    source = Source("source", text, language, tracked=bool(data[0] & 0x80))
    lines = text.count("\n") + text.count("\r") + 2
    found = find(text, language)
    for block in found:
        check_found(block, text)
    for finding in check([source]).findings:
        check_reason(f"{finding.what} {finding.detail}")
        assert finding.verdict
        assert 1 <= finding.line <= lines
        assert finding.column >= 1
    mended = fix(source)
    assert fix(Source("source", mended, language)) == mended, "what was mended is mended again"
    kinds = [block.kind for block in find(mended, language)]
    assert sorted(kinds) == sorted(block.kind for block in found), "a block was lost, or came from nowhere"


def check_found(block: Found, text: str) -> None:
    """That a block has its mark, and its place in the text."""
    assert block.pem.startswith(b"-----BEGIN " + block.label.encode() + b"-----")
    assert (1, 1) <= (block.line, block.column) < (block.end_line, block.end_column)
    assert 0 <= block.first < block.last <= len(block.text.characters)
    assert 0 <= block.text.starts[block.first] < block.text.ends[block.last - 1] <= len(text)


def written(data: bytes) -> str:
    """The text that an input describes."""
    return "".join(chr(byte) if byte < 0x80 else _PARTS[(byte - 0x80) % len(_PARTS)] for byte in data)


def _parts(*wanted: str) -> bytes:
    return bytes(0x80 + _PARTS.index(part) if part in _PARTS else ord(part) for part in wanted)


def seeds() -> list[bytes]:
    """A certificate in each language, as files and sources have them."""
    begin, end, whole = _PARTS[0], _PARTS[1], _PARTS[7]
    body = (begin, "\n", *(x for line in _CERTIFICATE for x in (line, "\n")), end, "\n")
    quoted = (begin, "\\n", '"\n"', _CERTIFICATE[0], "\\n", '"\n"', end, "\\n")
    return [
        b"\0" + _parts(*body),
        b"\0" + _parts("\ufeff", *body, "\n", whole, "\n\n", _PARTS[2], "\n", "AAAA", "\n", _PARTS[3]),
        b"\0" + _parts(*(part if part != "\n" else "\r\n" for part in body)),
        *(
            bytes((number,)) + _parts("const char a[] = ", '"', *quoted, '"', ";")
            for number in range(1, len(_LANGUAGES))
        ),
        *(bytes((number,)) + _parts('"""', whole, '"""', "\n") for number in range(1, len(_LANGUAGES))),
        *(bytes((number,)) + _parts('R"(', *body, ')"', ";", "//", " ", whole) for number in range(1, len(_LANGUAGES))),
        b"\0" + _parts(*_ISSUED),
        b"\0" + _parts(_ISSUED[1], "\n", _ISSUED[0], _ISSUED[2]),
        b"\1" + _parts('R"(', _ISSUED[1], _ISSUED[0], ')"', ";", 'R"(', _ISSUED[2], ')"'),
        b"\x80" + _parts(_PARTS[2], "\n", "AAAA", "AAAA", "AAAA", "AAAA", "\n", _PARTS[3], "\n"),
    ]


WORDS: Final = (bytes((0x80, 10)), bytes((0x81, 10)), bytes((0x87,)), b"//", b'"', b"/*")
