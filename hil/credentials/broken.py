"""Certificates that are wrong on purpose, each in one way, by name.

    broken.device(authority, "esp32-a", Flaw.EXPIRED)         what a device shows to the broker
    broken.server(authority, ["bench.local"], Flaw.EXPIRED)   what a broker shows to the device

Everything but the one flaw is as it should be, so that a refusal is the flaw's doing. `Flaw.verdict` is what OpenSSL
says of it (`openssl verify`, X509_V_ERR_...), None where the certificates are in order and the flaw lies elsewhere;
`Flaw.mbedtls` is what mbedTLS says. docs/certificates.md has both as a table.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hil.credentials.authority import Authority, server_identity
from hil.credentials.flaw import Flaw
from hil.credentials.identity import Credentials, ServerIdentity, pem
from hil.credentials.issue import (
    AUTHORITY_BITS,
    CLIENT_AUTH,
    COMMON_NAME_LENGTH,
    DEVICE_DAYS,
    SERVER_AUTH,
    PrivateKey,
    Signed,
    Usage,
    Validity,
    authority_usage,
    device_usage,
    new_key,
    server_usage,
    sign,
    subject_of,
)
from hil.credentials.weak import with_sha1

_LONG = timedelta(days=30)  # how far expired and not yet valid certificates are off: more than any clock's error
_FOREIGN_NAME = "somebody-else.invalid"  # RFC 2606: never anybody's name
_LARGE = 10_000  # bytes of certificates: more than public servers send, and still within one TLS record of 16 KiB
_VERY_LARGE = 24_000  # more than one record, and than the 16 KiB that small stacks have for a handshake message
_WEAK_BITS = 1024
_DEEP = 10  # intermediates; mbedTLS takes 8 by default (MBEDTLS_X509_MAX_INTERMEDIATE_CA)


def device(authority: Authority, common_name: str, flaw: Flaw) -> Credentials:
    """A device's credentials with a flaw. It trusts `authority`, as a good device does.

    WRONG_NAME is a good certificate of somebody else: a client's name is judged by the broker's rules, not by TLS.
    """
    if flaw is Flaw.WRONG_NAME:
        common_name = _FOREIGN_NAME
    leaf, chain = _make(authority, _Wanted(common_name, device_usage()), flaw)
    return authority.credentials(leaf, chain, flaw=flaw.value)


def server(authority: Authority, names: Sequence[str], flaw: Flaw) -> ServerIdentity:
    """A server's identity for `names` with a flaw.

    WRONG_ORDER begins with the intermediate and holds its key, as no TLS library would show it with the leaf's: a
    device that looks at the first certificate finds another name in it. TLS libraries refuse to load a key that is not
    the certificate's; so the key of OTHER_KEY and WRONG_KEY claims to be, and what it signs does not fit.
    """
    if flaw is Flaw.WRONG_NAME:
        names = [_FOREIGN_NAME]
    wanted = _Wanted(names[0][:COMMON_NAME_LENGTH], server_usage(names))
    leaf, chain = _make(authority, wanted, flaw)
    identity = server_identity(leaf, chain, names, flaw.value)
    return replace(identity, key_pem=claiming(leaf.key, leaf.certificate)) if flaw.in_key else identity


def claiming(key: PrivateKey, certificate: x509.Certificate) -> bytes:
    """The EC key as PEM (SEC 1) with another public key in it: that of `certificate`, whose curve must be the same.

    TLS libraries compare public keys when they load a pair, and trust the file for them (OpenSSL, mbedTLS).
    """
    der = key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    own, claimed = (
        public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        for public in (key.public_key(), certificate.public_key())
    )
    text = base64.encodebytes(der.replace(own, claimed))
    return b"-----BEGIN EC PRIVATE KEY-----\n" + text + b"-----END EC PRIVATE KEY-----\n"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The leaf as it would be without the flaw."""

    common_name: str
    usage: Usage

    def signed_by(self, issuer: Signed | None, validity: Validity | None = None) -> Signed:
        validity = validity or Validity.days(DEVICE_DAYS)
        return sign(subject_of(self.common_name), self.usage, validity, key=new_key(), issuer=issuer)


_Made = tuple[Signed, bytes]


def _make(authority: Authority, wanted: _Wanted, flaw: Flaw) -> _Made:
    return _MAKERS[flaw](authority, wanted)


def _good(authority: Authority, wanted: _Wanted) -> _Made:
    leaf = wanted.signed_by(authority.intermediate)
    return leaf, authority.chain(leaf)


def _dated(start: timedelta, end: timedelta) -> Callable[[Authority, _Wanted], _Made]:
    def make(authority: Authority, wanted: _Wanted) -> _Made:
        now = datetime.now(UTC).replace(microsecond=0)
        leaf = wanted.signed_by(authority.intermediate, Validity(now + start, now + end))
        return leaf, authority.chain(leaf)

    return make


def _unknown_authority(authority: Authority, wanted: _Wanted) -> _Made:
    return _good(Authority.create("somebody else"), wanted)


def _self_signed(authority: Authority, wanted: _Wanted) -> _Made:
    leaf = wanted.signed_by(None)
    return leaf, pem(leaf.certificate)


def _wrong_purpose(authority: Authority, wanted: _Wanted) -> _Made:
    swapped = SERVER_AUTH if CLIENT_AUTH in wanted.usage.extended else CLIENT_AUTH
    return _good(authority, replace(wanted, usage=replace(wanted.usage, extended=(swapped,))))


def _wrong_signature(authority: Authority, wanted: _Wanted) -> _Made:
    """Says that the intermediate signed it; another key did."""
    leaf = wanted.signed_by(Signed(authority.intermediate.certificate, new_key()))
    return leaf, authority.chain(leaf)


def _wrong_key(authority: Authority, wanted: _Wanted) -> _Made:
    """A good chain with a key that is nobody's."""
    leaf, chain = _good(authority, wanted)
    return Signed(leaf.certificate, new_key()), chain


def _other_key(authority: Authority, wanted: _Wanted) -> _Made:
    """A good chain with the key of another good certificate, as if the files of two devices had been mixed up."""
    leaf, chain = _good(authority, wanted)
    other, _ = _good(authority, replace(wanted, common_name=_FOREIGN_NAME))
    return Signed(leaf.certificate, other.key), chain


def _weak_signature(authority: Authority, wanted: _Wanted) -> _Made:
    """The intermediate signed it, with SHA-1."""
    leaf = with_sha1(wanted.signed_by(authority.intermediate), authority.intermediate.key)
    return leaf, authority.chain(leaf)


def _weak_key(authority: Authority, wanted: _Wanted) -> _Made:
    """An RSA key of 1024 bits: half of what anybody should take."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_WEAK_BITS)
    leaf = sign(
        subject_of(wanted.common_name), wanted.usage, Validity.days(DEVICE_DAYS), key=key, issuer=authority.intermediate
    )
    return leaf, authority.chain(leaf)


def _no_intermediate(authority: Authority, wanted: _Wanted) -> _Made:
    leaf = wanted.signed_by(authority.intermediate)
    return leaf, pem(leaf.certificate)


def large_server(authority: Authority, names: Sequence[str], size: int) -> ServerIdentity:
    """A server's good identity whose certificates have at least `size` bytes together (DER, without framing)."""
    leaf, chain = _padded(authority, _Wanted(names[0][:COMMON_NAME_LENGTH], server_usage(names)), size)
    return server_identity(leaf, chain, names)


def _wrong_order(authority: Authority, wanted: _Wanted) -> _Made:
    if SERVER_AUTH in wanted.usage.extended:
        usage = replace(authority_usage(0), key_usage=(*AUTHORITY_BITS, "digital_signature"))
        subject = authority.intermediate.certificate.subject
        first = sign(subject, usage, Validity.days(DEVICE_DAYS), key=new_key(), issuer=authority.root)
        return first, pem(first.certificate, wanted.signed_by(first).certificate)
    leaf = wanted.signed_by(authority.intermediate)
    return leaf, pem(authority.intermediate.certificate, leaf.certificate)


def _intermediate(usage: Usage, validity: Validity | None = None) -> Callable[[Authority, _Wanted], _Made]:
    """A chain whose intermediate is not what it should be; its name and its issuer are."""

    def make(authority: Authority, wanted: _Wanted) -> _Made:
        subject = authority.intermediate.certificate.subject
        good = Validity.days(DEVICE_DAYS)
        poor = sign(subject, usage, validity or good, key=new_key(), issuer=authority.root)
        leaf = wanted.signed_by(poor)
        return leaf, pem(leaf.certificate, poor.certificate)

    return make


def _expired_intermediate(authority: Authority, wanted: _Wanted) -> _Made:
    now = datetime.now(UTC).replace(microsecond=0)
    return _intermediate(authority_usage(0), Validity(now - 2 * _LONG, now - _LONG))(authority, wanted)


def _path_too_long(authority: Authority, wanted: _Wanted) -> _Made:
    """The intermediate, whose pathlen of 0 forbids it, signed a further intermediate."""
    below = sign(
        subject_of("further intermediate"),
        authority_usage(0),
        Validity.days(DEVICE_DAYS),
        key=new_key(),
        issuer=authority.intermediate,
    )
    leaf = wanted.signed_by(below)
    return leaf, pem(leaf.certificate, below.certificate, authority.intermediate.certificate)


def _below(issuer: Signed, depth: int) -> list[Signed]:
    """Intermediates, each signed by the one before it."""
    made: list[Signed] = []
    for number in range(1, depth + 1):
        subject = subject_of(f"intermediate {number} of {depth}")
        validity = Validity.days(DEVICE_DAYS)
        made.append(sign(subject, authority_usage(None), validity, key=new_key(), issuer=made[-1] if made else issuer))
    return made


def _swapped(authority: Authority, wanted: _Wanted) -> _Made:
    """The leaf first, as it must be, then its two intermediates the wrong way round.

    RFC 8446 section 4.4.2 asks clients to cope; RFC 5246 section 7.4.2 did not.
    """
    upper, lower = _below(authority.root, 2)
    leaf = wanted.signed_by(lower)
    return leaf, pem(leaf.certificate, upper.certificate, lower.certificate)


def _deep(authority: Authority, wanted: _Wanted) -> _Made:
    above = _below(authority.root, _DEEP)
    leaf = wanted.signed_by(above[-1])
    return leaf, pem(leaf.certificate, *(signed.certificate for signed in reversed(above)))


def _duplicates(authority: Authority, wanted: _Wanted) -> _Made:
    leaf, intermediate = wanted.signed_by(authority.intermediate), authority.intermediate
    return leaf, pem(*(signed.certificate for signed in (leaf, leaf, intermediate, intermediate)))


def _root_included(authority: Authority, wanted: _Wanted) -> _Made:
    leaf = wanted.signed_by(authority.intermediate)
    return leaf, authority.chain(leaf) + pem(authority.root.certificate)


def _padded(authority: Authority, wanted: _Wanted, size: int) -> _Made:
    """A leaf with so many further names that it and the intermediate have `size` bytes."""
    names = tuple(f"spare-{number:05}.{_FOREIGN_NAME}" for number in range(size // 32))
    usage = replace(wanted.usage, names=(*wanted.usage.names, *names))
    return _good(authority, replace(wanted, usage=usage))


def _large(size: int) -> Callable[[Authority, _Wanted], _Made]:
    return lambda authority, wanted: _padded(authority, wanted, size)


_MAKERS: dict[Flaw, Callable[[Authority, _Wanted], _Made]] = {
    Flaw.EXPIRED: _dated(-2 * _LONG, -_LONG),
    Flaw.NOT_YET_VALID: _dated(_LONG, _LONG + timedelta(days=DEVICE_DAYS)),
    Flaw.WRONG_NAME: _good,
    Flaw.UNKNOWN_AUTHORITY: _unknown_authority,
    Flaw.SELF_SIGNED: _self_signed,
    Flaw.WRONG_PURPOSE: _wrong_purpose,
    Flaw.WRONG_SIGNATURE: _wrong_signature,
    Flaw.WRONG_KEY: _wrong_key,
    Flaw.OTHER_KEY: _other_key,
    Flaw.WEAK_SIGNATURE: _weak_signature,
    Flaw.WEAK_KEY: _weak_key,
    Flaw.NO_INTERMEDIATE: _no_intermediate,
    Flaw.WRONG_ORDER: _wrong_order,
    Flaw.NO_CONSTRAINTS: _intermediate(Usage(authority=None, key_usage=AUTHORITY_BITS)),
    Flaw.NOT_AN_AUTHORITY: _intermediate(Usage(authority=False, key_usage=AUTHORITY_BITS)),
    # digitalSignature only: an empty keyUsage is malformed, and stacks then complain of that instead
    Flaw.NO_CERT_SIGN: _intermediate(Usage(authority=True, path_length=0, key_usage=("digital_signature",))),
    Flaw.PATH_TOO_LONG: _path_too_long,
    Flaw.INTERMEDIATE_EXPIRED: _expired_intermediate,
    Flaw.SWAPPED_INTERMEDIATES: _swapped,
    Flaw.DUPLICATES: _duplicates,
    Flaw.ROOT_INCLUDED: _root_included,
    Flaw.LARGE_CHAIN: _large(_LARGE),
    Flaw.VERY_LARGE_CHAIN: _large(_VERY_LARGE),
    Flaw.DEEP_CHAIN: _deep,
}
