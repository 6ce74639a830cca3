"""What an authority hands out: a device's credentials, and a server's certificate with its key."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_SHORTEST_LINE = 8  # characters of base64; the few that may stand on a last line would blank innocent text


class CredentialsError(ValueError):
    """Credentials that cannot be made, read or used. One line: what was found, what is expected, the cure."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a device needs to connect, as PEM: whom it trusts, its chain (leaf first, root left out), its key.

    `subject` is the leaf's name as RFC 4514 writes it, `serial` its number in hex, the dates are in UTC. `flaw` names
    what was done wrong on purpose, None for good credentials. The repr never shows the key.
    """

    trust_anchors_pem: bytes = field(repr=False)
    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    flaw: str | None = None

    def trusting(self, trust_anchors_pem: bytes) -> Credentials:
        """The same credentials of a device that trusts somebody else."""
        return Credentials(
            trust_anchors_pem,
            self.chain_pem,
            self.key_pem,
            self.subject,
            self.serial,
            self.not_before,
            self.not_after,
            self.flaw,
        )


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What a server shows: its chain (leaf first, root left out) and the leaf's key, both PEM, and the names in it.

    `flaw` names what was done wrong on purpose, None for a good certificate.
    """

    chain_pem: bytes = field(repr=False)
    key_pem: bytes = field(repr=False)
    names: tuple[str, ...]
    subject: str
    serial: str
    not_before: datetime
    not_after: datetime
    flaw: str | None = None


def pem(*certificates: x509.Certificate) -> bytes:
    """The certificates one after the other, each line ending in LF, no blank lines: what every TLS stack reads."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def certificates(text: bytes | str) -> list[x509.Certificate]:
    """The certificates in a PEM text, in its order; those that cannot be read are left out."""
    found = []
    for block in _CERTIFICATE.findall(text.encode("utf-8", "replace") if isinstance(text, str) else text):
        try:
            found.append(x509.load_pem_x509_certificate(block))
        except ValueError:
            continue
    return found


def leaf(text: bytes | str) -> x509.Certificate | None:
    """The first certificate in a PEM text that is not an authority's, or None."""
    return next((certificate for certificate in certificates(text) if not is_authority(certificate)), None)


def is_authority(certificate: x509.Certificate) -> bool:
    """Whether basicConstraints say CA:TRUE."""
    try:
        return bool(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
    except (x509.ExtensionNotFound, ValueError):
        return False


def serial_of(certificate: x509.Certificate) -> str:
    """The serial number as lower-case hex without leading zeros."""
    return f"{certificate.serial_number:x}"


def redactable(key_pem: bytes | str) -> list[str]:
    """The lines of base64 of every private key in `key_pem`: what a log must never show. Each is to be blanked.

    Lines are taken one by one, because consoles, source constants and escaped strings break a PEM differently.
    """
    text = key_pem.decode("ascii", "replace") if isinstance(key_pem, bytes) else key_pem
    lines = [line.strip() for body in _PRIVATE_KEY.findall(text) for line in body.splitlines()]
    return [line for line in lines if len(line) >= _SHORTEST_LINE]
