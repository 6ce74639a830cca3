"""Making one certificate: the fields and extensions that RFC 5280 wants, and no opinion on who may issue what.

Every mistake that `hil.credentials.broken` makes on purpose is a parameter here.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from hil.credentials.identity import CredentialsError

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
Algorithm = Literal["ec-p256", "ec-p384", "rsa-2048", "rsa-3072", "rsa-4096"]
KeyFormat = Literal["sec1", "pkcs8"]

CLIENT_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER_AUTH = ExtendedKeyUsageOID.SERVER_AUTH

COMMON_NAME_LENGTH = 64  # RFC 5280, appendix A: ub-common-name
#: Subject fields as people write them, in the order in which they are put into a name.
SUBJECT_FIELDS = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}
_KIND = re.compile(r"(dns|ip|uri|email):(.*)", re.DOTALL)
SKEW = timedelta(days=1)  # how far notBefore lies back: clocks on a bench differ, and time zones are got wrong
DEVICE_DAYS = 365
AUTHORITY_DAYS = 3650
CRL_DAYS = 30


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
    `names` are subject alternative names: DNS names and IP addresses, or with their kind before them as in
    'uri:urn:x'. `permitted` and `excluded` are name constraints, always with their kind; networks for 'ip:'.
    `crl_url` is where the issuer's revocation list can be fetched.
    """

    authority: bool | None
    path_length: int | None = None
    key_usage: tuple[str, ...] | None = None
    extended: tuple[ObjectIdentifier, ...] = ()
    names: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    crl_url: str | None = None


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


def key_pem(key: PrivateKey, form: KeyFormat = "sec1", passphrase: bytes | None = None) -> bytes:
    """The key as PEM: 'EC PRIVATE KEY' (SEC 1, or PKCS#1 for RSA) or, with pkcs8, 'PRIVATE KEY'.

    Encrypted if there is a passphrase. PKCS#8 has PBKDF2 then; SEC 1 the old OpenSSL form, one round of MD5, which
    guesses a short passphrase soon.
    """
    if form not in ("sec1", "pkcs8"):
        raise CredentialsError(f"found key format {form!r}, expected sec1 or pkcs8")
    chosen = PrivateFormat.TraditionalOpenSSL if form == "sec1" else PrivateFormat.PKCS8
    encryption: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    )
    return key.private_bytes(Encoding.PEM, chosen, encryption)


def subject_of(common_name: str) -> x509.Name:
    """A subject of a common name alone. Raises CredentialsError for one that X.509 does not take."""
    if not 1 <= len(common_name) <= COMMON_NAME_LENGTH or not common_name.isprintable():
        raise CredentialsError(
            f"found common name {common_name!r}, expected 1 to {COMMON_NAME_LENGTH} printable characters"
        )
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def name_of(fields: Mapping[str, str]) -> x509.Name:
    """A subject of the fields C, ST, L, O, OU and CN, in this order. Raises CredentialsError."""
    try:
        attributes = [
            x509.NameAttribute(oid, fields[field]) for field, oid in SUBJECT_FIELDS.items() if fields.get(field)
        ]
    except ValueError as error:
        raise CredentialsError(f"found subject {dict(fields)!r}, which X.509 does not take: {error}") from None
    return x509.Name(attributes)


def sign(
    subject: x509.Name, usage: Usage, validity: Validity, *, key: PrivateKey, issuer: Signed | None = None
) -> Signed:
    """The certificate of `key`, signed by `issuer`, or by itself if that is None: see `certify`."""
    by = issuer.key if issuer else key
    return Signed(
        certify(
            subject, usage, validity, public=key.public_key(), by=by, issuer=issuer.certificate if issuer else None
        ),
        key,
    )


def certify(
    subject: x509.Name,
    usage: Usage,
    validity: Validity,
    *,
    public: PublicKey,
    by: PrivateKey,
    issuer: x509.Certificate | None,
) -> x509.Certificate:
    """A certificate of the `public` key, signed with the key `by`, which is that of `issuer` (None: self-signed).

    The authority's extensions are critical (RFC 5280, 4.2.1.3 and 4.2.1.9), as many devices insist on, and so are name
    constraints (4.2.1.10).
    """
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(_authority_key(by, issuer), critical=False)
    )
    for extension, critical in extensions(usage):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(by, digest_of(by))


def digest_of(key: PrivateKey | PublicKey) -> hashes.SHA256 | hashes.SHA384:
    """The hash that goes with a key's strength: SHA-384 for P-384, else SHA-256."""
    curve = key.curve if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) else None
    return hashes.SHA384() if isinstance(curve, ec.SECP384R1) else hashes.SHA256()


def extensions(usage: Usage) -> Iterable[tuple[x509.ExtensionType, bool]]:
    """The extensions that `usage` asks for, each with whether it is critical; key identifiers are not among them."""
    if usage.authority is not None:
        yield x509.BasicConstraints(ca=usage.authority, path_length=usage.path_length), True
    if usage.key_usage is not None:
        yield _key_usage(usage.key_usage), True
    if usage.extended:
        yield x509.ExtendedKeyUsage(usage.extended), False
    if usage.names:
        yield x509.SubjectAlternativeName([general_name(name) for name in usage.names]), False
    if usage.permitted or usage.excluded:
        permitted = [constraint(name) for name in usage.permitted] or None
        yield x509.NameConstraints(permitted, [constraint(name) for name in usage.excluded] or None), True
    if usage.crl_url is not None:
        where = [x509.UniformResourceIdentifier(usage.crl_url)]
        yield x509.CRLDistributionPoints([x509.DistributionPoint(where, None, None, None)]), False


@dataclass(frozen=True, slots=True)
class Revocation:
    """An entry of a revocation list. `reason` None leaves it out."""

    serial: int
    since: datetime
    reason: x509.ReasonFlags | None = None


def revocation_list(
    issuer: Signed,
    revoked: Iterable[int | Revocation],
    *,
    number: int = 1,
    days: float = CRL_DAYS,
    skew: timedelta = SKEW,
) -> x509.CertificateRevocationList:
    """What `issuer` has revoked, as of `skew` ago, good for `days` (RFC 5280 section 5). Later ones count higher.

    A serial number alone counts as revoked `skew` ago.
    """
    since = datetime.now(UTC).replace(microsecond=0) - skew
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.certificate.subject)
        .last_update(since)
        .next_update(since + skew + timedelta(days=days))
        .add_extension(_authority_key(issuer.key, issuer.certificate), critical=False)
        .add_extension(x509.CRLNumber(number), critical=False)
    )
    for one in revoked:
        entry = one if isinstance(one, Revocation) else Revocation(one, since)
        made = x509.RevokedCertificateBuilder().serial_number(entry.serial).revocation_date(entry.since)
        if entry.reason is not None:
            made = made.add_extension(x509.CRLReason(entry.reason), critical=False)
        builder = builder.add_revoked_certificate(made.build())
    return builder.sign(issuer.key, digest_of(issuer.key))


def _authority_key(by: PrivateKey, issuer: x509.Certificate | None) -> x509.AuthorityKeyIdentifier:
    """The issuer's own subject key identifier, which is not always the hash of the key that really signs."""
    if issuer is not None:
        with contextlib.suppress(x509.ExtensionNotFound):
            identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())


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


def general_name(name: str) -> x509.GeneralName:
    """A subject alternative name: with its kind ('dns:', 'ip:', 'uri:' or 'email:') before it, or a DNS name or IP
    address. Raises CredentialsError."""
    said = _KIND.fullmatch(name)
    kind, value = said.groups() if said else (None, name)
    if kind in ("uri", "email"):
        right = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:." if kind == "uri" else r"[^@ ]+@[^@ ]+$", value)
        if not right or not value.isascii() or not value.isprintable() or " " in value:
            expected = "'uri:' and a URI with its scheme" if kind == "uri" else "'email:' and an address"
            raise CredentialsError(f"found name {name!r}, expected {expected}")
        return x509.UniformResourceIdentifier(value) if kind == "uri" else x509.RFC822Name(value)
    if kind != "dns":
        try:
            return x509.IPAddress(ipaddress.ip_address(value))
        except ValueError:
            if kind == "ip":
                raise CredentialsError(f"found name {name!r}, expected 'ip:' and an address") from None
    if not value or not value.isascii() or not value.isprintable() or any(c in value for c in " /:@"):
        raise CredentialsError(f"found server name {name!r}, expected a DNS name or an IP address, without a port")
    return x509.DNSName(value)


def constraint(name: str) -> x509.GeneralName:
    """A name constraint, such as 'dns:example.com' or 'ip:10.0.0.0/8'. Raises CredentialsError."""
    said = _KIND.fullmatch(name)
    kind, value = said.groups() if said else ("", "")
    if kind == "ip":
        try:
            return x509.IPAddress(ipaddress.ip_network(value))
        except ValueError:
            raise CredentialsError(f"found constraint {name!r}, expected 'ip:' and a network as 10.0.0.0/8") from None
    if not re.fullmatch(r"[A-Za-z0-9._@-]+", value):
        raise CredentialsError(f"found constraint {name!r}, expected its kind and a name, as in dns:example.com")
    if kind == "dns":
        return x509.DNSName(value)
    return x509.UniformResourceIdentifier(value) if kind == "uri" else x509.RFC822Name(value)
