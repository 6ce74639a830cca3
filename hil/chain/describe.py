"""A certificate in words that are fit for a terminal and for a comment: a server can put anything into its names."""

from __future__ import annotations

from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID

Extension = TypeVar("Extension", bound=x509.ExtensionType)

_LONGEST = 160  # characters of one name: more is no name, and hides the rest
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


def printable(text: str) -> str:
    """The text on one line without control characters, cut where it is too long to be read."""
    shown = "".join(c if c.isprintable() else "?" for c in text)
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "..."


def subject(certificate: x509.Certificate) -> str:
    """Whose it is, as RFC 4514 writes it."""
    return printable(_name(certificate, "subject")) or "(no subject)"


def issuer(certificate: x509.Certificate) -> str:
    """Who signed it, by its own account."""
    return printable(_name(certificate, "issuer")) or "(no issuer)"


def _name(certificate: x509.Certificate, which: str) -> str:
    try:
        name: x509.Name = getattr(certificate, which)
    except ValueError:
        return "(unreadable name)"
    return name.rfc4514_string()


def key(certificate: x509.Certificate) -> str:
    """The kind of its public key, such as `EC P-256` and `RSA 2048`."""
    try:
        public = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "unknown key"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return f"EC {_CURVES.get(public.curve.name, public.curve.name)}"
    if isinstance(public, rsa.RSAPublicKey):
        return f"RSA {public.key_size}"
    return f"DSA {public.key_size}" if isinstance(public, dsa.DSAPublicKey) else type(public).__name__.strip("_")


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 over the whole certificate, as browsers and openssl show it."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def day(moment: datetime) -> str:
    """The date, UTC."""
    return f"{moment:%Y-%m-%d}"


def in_date(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether `now` lies within its validity."""
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    """That extension's value, None where there is none, or none that can be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return None


def issuer_urls(certificate: x509.Certificate) -> list[str]:
    """Where its issuer's certificate may be had: caIssuers in authority information access (RFC 5280, 4.2.2.1)."""
    access = extension(certificate, x509.AuthorityInformationAccess)
    return [
        printable(description.access_location.value)
        for description in access or ()
        if description.access_method == AuthorityInformationAccessOID.CA_ISSUERS
        and isinstance(description.access_location, x509.UniformResourceIdentifier)
    ]
