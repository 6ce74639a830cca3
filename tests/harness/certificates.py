"""Certificates for the tests of the gateway, made with `cryptography` alone and independent of hil.credentials."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME = "bench.test"
NOW = dt.datetime.now(dt.UTC)
YEAR = dt.timedelta(days=365)


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def chain_pem(self) -> bytes:
        return b"".join(c.public_bytes(serialization.Encoding.PEM) for c in (self.certificate, *self.issuers))

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def issue(
    name: str,
    issuer: Identity | None = None,
    *,
    ca: bool = False,
    dns: tuple[str, ...] = (),
    start: dt.datetime = NOW - YEAR,
    end: dt.datetime = NOW + YEAR,
) -> Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca, None), critical=True)
    )
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(d) for d in dns]), critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    chain = (issuer.certificate, *issuer.issuers) if issuer and issuer.issuers else ()
    if issuer and not issuer.issuers and issuer.certificate.issuer != issuer.certificate.subject:
        chain = (issuer.certificate,)
    return Identity(certificate, key, chain)


@dataclass(frozen=True)
class Pki:
    root: Identity
    stranger: Identity
    """Another authority, which nobody trusts."""
    server: Identity
    expired_server: Identity
    wrong_name_server: Identity
    strange_server: Identity
    device: Identity
    expired_device: Identity
    strange_device: Identity


@cache
def pki() -> Pki:
    root = issue("test root", ca=True)
    stranger = issue("stranger root", ca=True)
    return Pki(
        root=root,
        stranger=stranger,
        server=issue("server", root, dns=(NAME,)),
        expired_server=issue("server", root, dns=(NAME,), end=NOW - dt.timedelta(days=1)),
        wrong_name_server=issue("other", root, dns=("other.test",)),
        strange_server=issue("server", stranger, dns=(NAME,)),
        device=issue("device-a", root),
        expired_device=issue("device-a", root, end=NOW - dt.timedelta(days=1)),
        strange_device=issue("device-a", stranger),
    )


def client_context(
    directory: Path,
    *,
    device: Identity | None = None,
    trust: Identity | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    """A device's context: trusts `trust` (the test root), shows `device` if there is one, speaks `version` alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = context.maximum_version = version
    context.load_verify_locations(cadata=(trust or pki().root).pem.decode())
    if device is not None:
        file = directory / f"{device.certificate.serial_number}.pem"
        file.write_bytes(device.key_pem + device.chain_pem)
        context.load_cert_chain(file)
    return context
