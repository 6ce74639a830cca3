"""Certificates signed with SHA-1, which the `cryptography` package makes no more, for those that are wrong on purpose.

A certificate is a SEQUENCE of what is signed, the signature's algorithm, and the signature; the algorithm stands in
what is signed as well (RFC 5280, section 4.1). So a good certificate gets another algorithm in both places, and is
signed anew.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding

from hil.credentials.issue import PrivateKey, Signed

_SEQUENCE, _BIT_STRING = 0x30, 0x03
_ECDSA_WITH_SHA1 = bytes.fromhex("300906072a8648ce3d0401")  # AlgorithmIdentifier 1.2.840.10045.4.1 (RFC 3279, 2.2.3)
_RSA_WITH_SHA1 = bytes.fromhex("300d06092a864886f70d0101050500")  # 1.2.840.113549.1.1.5 (RFC 3279, 2.2.1)


def with_sha1(signed: Signed, issuer: PrivateKey) -> Signed:
    """The same certificate, signed by `issuer` with SHA-1."""
    certificate = signed.certificate
    outer = _elements(_content(certificate.public_bytes(Encoding.DER)))
    inner = _elements(_content(certificate.tbs_certificate_bytes))
    algorithm = _ECDSA_WITH_SHA1 if isinstance(issuer, ec.EllipticCurvePrivateKey) else _RSA_WITH_SHA1
    inner = [algorithm if element == outer[1] else element for element in inner]
    body = _element(_SEQUENCE, b"".join(inner))
    der = _element(_SEQUENCE, body + algorithm + _element(_BIT_STRING, b"\0" + _signature(issuer, body)))
    return Signed(x509.load_der_x509_certificate(der), signed.key)


def _signature(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(SHA1()))
    return key.sign(data, padding.PKCS1v15(), SHA1())


def _element(tag: int, content: bytes) -> bytes:
    """One DER element (X.690, section 10.1: the shortest form of the length)."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def _head(der: bytes) -> tuple[int, int]:
    """Of the element at the beginning of `der`: where its content begins, and where it ends."""
    if der[1] < 0x80:
        return 2, 2 + der[1]
    start = 2 + (der[1] & 0x7F)
    return start, start + int.from_bytes(der[2:start], "big")


def _content(der: bytes) -> bytes:
    start, end = _head(der)
    return der[start:end]


def _elements(content: bytes) -> list[bytes]:
    found = []
    while content:
        _, end = _head(content)
        found.append(content[:end])
        content = content[end:]
    return found
