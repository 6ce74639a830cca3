"""Making one certificate: the fields and extensions that RFC 5280 wants, and no opinion on who may issue what.

Every mistake that `hil.credentials.broken` makes on purpose is a parameter here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from hil.credentials.identity import CredentialsError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Algorithm = Literal["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"]
KeyFormat = Literal["sec1", "pkcs8"]

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH

COMMON_NAME_LENGTH = 64  # RFC 5280, appendix A: ub-common-name
SKEW = timedelta(days=1)  # how far notBefore lies back: clocks on a bench differ, and time zones are got wrong
DEVICE_DAYS = 365
AUTHORITY_DAYS = 3650


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is good; RFC 5280 counts whole seconds, UTC."""

    not_before: datetime
    not_after: datetime

    @classmethod
    def days(cls, days: float, *, start: datetime | None = None) -> Validity:
        """`days` from now (or from `start`) on, and the skew before it."""
        now = (start or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
        return cls(now - SKEW, now + timedelta(days=days))


@dataclass(frozen=True, slots=True)
class Usage:
    """What a certificate is for: the extensions that decide who accepts it.

    `authority` None leaves basicConstraints out; `path_length` counts the authorities allowed below this one.
    `key_usage` names bits of the extension, None leaves it out; `extended` lists the purposes, empty leaves it out.
    """

    authority: bool | None
    path_length: int | None = None
    key_usage: tuple[str, ...] | None = None
    extended: tuple[ObjectIdentifier, ...] = ()
    names: tuple[str, ...] = ()


AUTHORITY_BITS = ("key_cert_sign", "crl_sign")


def authority_usage(path_length: int | None) -> Usage:
    """A certificate that may sign others, `path_length` levels of authorities below it (None: any number)."""
    return Usage(authority=True, path_length=path_length, key_usage=AUTHORITY_BITS)


def device_usage() -> Usage:
    """A TLS client."""
    return Usage(authority=False, key_usage=("digital_signature",), extended=(CLIENT_AUTH,))


def server_usage(names: Sequence[str]) -> Usage:
    """A TLS server of these DNS names and IP addresses."""
    return Usage(authority=False, key_usage=("digital_signature",), extended=(SERVER_AUTH,), names=tuple(names))


@dataclass(frozen=True, slots=True)
class Signed:
    """A certificate and its key. The repr shows the subject alone."""

    certificate: x509.Certificate
    key: PrivateKey

    def __repr__(self) -> str:
        return f"Signed({self.certificate.subject.rfc4514_string()})"


def new_key(algorithm: Algorithm = "ec-p256") -> PrivateKey:
    """A fresh key. Raises CredentialsError for an unknown algorithm."""
    if algorithm == "ec-p256":
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "ec-p384":
        return ec.generate_private_key(ec.SECP384R1())
    if algorithm in ("rsa-2048", "rsa-3072", "rsa-4096"):
        return rsa.generate_private_key(public_exponent=65537, key_size=int(algorithm.removeprefix("rsa-")))
    raise CredentialsError(
        f"found key algorithm {algorithm!r}, expected ec-p256, ec-p384, rsa-2048, rsa-3072 or rsa-4096"
    )


def key_pem(key: PrivateKey, form: KeyFormat = "sec1") -> bytes:
    """The key as PEM without a password: 'EC PRIVATE KEY' (SEC 1, or PKCS#1 for RSA) or, with pkcs8, 'PRIVATE KEY'."""
    if form not in ("sec1", "pkcs8"):
        raise CredentialsError(f"found key format {form!r}, expected sec1 or pkcs8")
    chosen = PrivateFormat.TraditionalOpenSSL if form == "sec1" else PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, chosen, NoEncryption())


def subject_of(common_name: str) -> x509.Name:
    """A subject of a common name alone. Raises CredentialsError for one that X.509 does not take."""
    if not 1 <= len(common_name) <= COMMON_NAME_LENGTH or not common_name.isprintable():
        raise CredentialsError(
            f"found common name {common_name!r}, expected 1 to {COMMON_NAME_LENGTH} printable characters"
        )
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def sign(
    subject: x509.Name, usage: Usage, validity: Validity, *, key: PrivateKey, issuer: Signed | None = None
) -> Signed:
    """The certificate of `key`, signed by `issuer`, or by itself if that is None.

    The authority's extensions are critical (RFC 5280, 4.2.1.3 and 4.2.1.9), as many devices insist on.
    """
    by = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_authority_key(by, issuer), critical=False)
    )
    if usage.authority is not None:
        constraints = x509.BasicConstraints(ca=usage.authority, path_length=usage.path_length)
        builder = builder.add_extension(constraints, critical=True)
    if usage.key_usage is not None:
        builder = builder.add_extension(_key_usage(usage.key_usage), critical=True)
    if usage.extended:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage.extended), critical=False)
    if usage.names:
        names = x509.SubjectAlternativeName([_general_name(name) for name in usage.names])
        builder = builder.add_extension(names, critical=False)
    return Signed(builder.sign(by, hashes.SHA256()), key)


def revocation_list(issuer: Signed, serials: Iterable[int]) -> x509.CertificateRevocationList:
    """What `issuer` has revoked, as of a day ago, good for a month (RFC 5280 section 5)."""
    since = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(since)
        .next_update(since + timedelta(days=31))
        .add_extension(_authority_key(issuer.key, issuer), critical=False)
        .add_extension(x509.CRLNumber(1), critical=False)
    )
    for serial in serials:
        revoked = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(since).build()
        builder = builder.add_revoked_certificate(revoked)
    return builder.sign(issuer.key, hashes.SHA256())


def _authority_key(by: PrivateKey, issuer: Signed | None) -> x509.AuthorityKeyIdentifier:
    """The issuer's own subject key identifier, which is not always the hash of the key that really signs."""
    if issuer is None:
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)


def _key_usage(bits: tuple[str, ...]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment=False,
        key_encipherment="key_encipherment" in bits,
        data_encipherment=False,
        key_agreement="key_agreement" in bits,
        key_cert_sign="key_cert_sign" in bits,
        crl_sign="crl_sign" in bits,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    if not name or not name.isascii() or not name.isprintable() or any(c in name for c in " /:@"):
        raise CredentialsError(f"found server name {name!r}, expected a DNS name or an IP address, without a port")
    return x509.DNSName(name)
