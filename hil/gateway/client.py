"""Who a client is: its ids, and the name under which it is known, from the CONNECT and from its certificate.

A broker's permissions go by an authentication name. Azure Event Grid takes the user name of the CONNECT, else the first
of the certificate's fields that its namespace is set to look at, in that order:
https://learn.microsoft.com/azure/event-grid/mqtt-client-authentication
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptography import x509
from cryptography.x509.oid import NameOID

NameSource = Literal["username", "client_id", "subject", "dns", "uri", "ip", "email"]
"""Where an authentication name may come from. 'subject' is the certificate's common name, or its whole subject where it
has none; 'dns', 'uri', 'ip' and 'email' are the first subject alternative name of that kind."""


@dataclass(frozen=True, slots=True)
class CertificateNames:
    """The names that a client certificate carries. Each kind may be missing, or be there several times."""

    subject: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    email: tuple[str, ...] = ()

    def all(self) -> tuple[str, ...]:
        return self.subject + self.dns + self.uri + self.ip + self.email


@dataclass(frozen=True, slots=True)
class Client:
    """One client, as its CONNECT and its certificate tell. An empty text is a name that it does not have."""

    client_id: str
    username: str = ""
    board: str = ""
    authentication_name: str = ""


@dataclass(frozen=True, slots=True)
class Authentication:
    """How a broker finds a client's authentication name: the first of `names` that is there.

    `in_certificate`: a client that shows a certificate must find that name in one of the certificate's fields.
    """

    names: tuple[NameSource, ...] = ("username", "subject")
    in_certificate: bool = False

    def name(self, client_id: str, username: str, certificate: CertificateNames | None) -> str:
        """The authentication name; empty if there is none, or if it is not in the certificate as it must be."""
        shown = certificate or CertificateNames()
        for source in self.names:
            if source in ("username", "client_id"):
                found = username if source == "username" else client_id
            else:
                found = next(iter(getattr(shown, source)), "")
            if found:
                strange = self.in_certificate and certificate is not None and found not in certificate.all()
                return "" if strange else found
        return ""


def certificate_names(der: bytes | None) -> CertificateNames | None:
    """The names in a certificate; None for no certificate. An extension that cannot be read counts as missing."""
    if not der:
        return None
    certificate = x509.load_der_x509_certificate(der)
    common = [a.value for a in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    whole = certificate.subject.rfc4514_string()
    subject = tuple(str(c) for c in common) + ((whole,) if whole else ())
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return CertificateNames(subject)
    return CertificateNames(
        subject,
        tuple(names.get_values_for_type(x509.DNSName)),
        tuple(names.get_values_for_type(x509.UniformResourceIdentifier)),
        tuple(str(address) for address in names.get_values_for_type(x509.IPAddress)),
        tuple(names.get_values_for_type(x509.RFC822Name)),
    )
