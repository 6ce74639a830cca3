"""What Azure Event Grid's MQTT broker needs of a device's certificate, and whether this one has it.

An authority's certificate is uploaded to the namespace: the one that signed the device's, not the root above it
(https://learn.microsoft.com/azure/event-grid/mqtt-client-certificate-authentication). A client is registered with an
authentication name, and a validation scheme says which field of its certificate must hold that name; or it is known by
its thumbprint, which needs no authority. Thumbprints are SHA-256, as the product's own walk-through makes them with
`step certificate fingerprint`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from hil.credentials import CredentialsError
from hil.gateway.client import CertificateNames, certificate_names
from hil.pki.chains import Chains, self_signed
from hil.pki.description import Authentication
from hil.pki.hierarchy import Pki
from hil.pki.shelf import CERTIFICATE

#: The values of validationScheme (Microsoft.EventGrid/namespaces/clients).
SCHEMES = {
    "subject": "SubjectMatchesAuthenticationName",
    "dns": "DnsMatchesAuthenticationName",
    "uri": "UriMatchesAuthenticationName",
    "ip": "IpMatchesAuthenticationName",
    "email": "EmailMatchesAuthenticationName",
    "thumbprint": "ThumbprintMatch",
}


@dataclass(frozen=True, slots=True)
class Registration:
    """How a device is registered. `upload`: the PEM file of its immediate issuer; None with a thumbprint.

    `faults` are lines; with none, the broker will know the device.
    """

    device: str
    authentication_name: str
    scheme: str
    thumbprint: str
    upload: Path | None
    upload_name: str | None
    faults: tuple[str, ...]


def registration(pki: Pki, device: str) -> Registration:
    """What to enter for a device of the hierarchy, checked against its newest certificate. Raises CredentialsError."""
    entry = pki.plan.named(device)
    issued = pki.newest(entry)
    if entry.kind != "devices" or issued is None:
        raise CredentialsError(f"{entry.key}: no device that was issued; hil pki issue {device}")
    by_thumbprint = entry.authentication.source == "thumbprint"
    issuer = Chains(pki.shelf).issuer(issued)
    faults = check(issued.certificate, entry.authentication)
    if Chains(pki.shelf).revocation(issued) is not None:
        faults.append("the certificate was revoked; Event Grid does not look at revocation lists: disable the client")
    name = None if issuer is None or by_thumbprint else re.sub(r"[^A-Za-z0-9-]", "-", issuer.name)[:50].ljust(3, "-")
    return Registration(
        device=device,
        authentication_name=entry.authentication.name or "",
        scheme=SCHEMES[entry.authentication.source],
        thumbprint=thumbprint(issued.certificate),
        upload=None if issuer is None or by_thumbprint else issuer.folder / CERTIFICATE,
        upload_name=name,
        faults=tuple(faults),
    )


def check(certificate: x509.Certificate, authentication: Authentication) -> list[str]:
    """Why Event Grid would not know the device, one line a fault."""
    faults = []
    source, name = authentication.source, authentication.name or ""
    if source != "thumbprint":
        has = getattr(certificate_names(certificate.public_bytes(Encoding.DER)) or CertificateNames(), source)
        if not has:
            faults.append(f"{SCHEMES[source]}: the certificate has no {source} name, expected {name!r} there")
        elif name not in has:
            found = ", ".join(repr(value) for value in has)
            faults.append(f"{SCHEMES[source]}: found {found}, expected the authentication name {name!r}")
        if self_signed(certificate):
            faults.append('self-signed, so there is no authority to upload; expected source = "thumbprint"')
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        purposes = None
    if purposes is not None and ExtendedKeyUsageOID.CLIENT_AUTH not in purposes:
        faults.append('not for TLS clients (extendedKeyUsage lacks clientAuth); expected purpose = "client" or "both"')
    if certificate.not_valid_after_utc < datetime.now(UTC):
        faults.append(f"expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    return faults


def thumbprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER certificate, lower-case hex."""
    return certificate.fingerprint(hashes.SHA256()).hex()
