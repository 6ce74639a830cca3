"""An authority that was made elsewhere, brought onto the shelf: its certificate, those above it, and its key."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from cryptography import x509

from hil.credentials import CredentialsError, store
from hil.credentials.identity import certificates, is_authority, pem
from hil.credentials.issue import key_pem
from hil.pki.chains import Chains, self_signed
from hil.pki.hierarchy import Pki
from hil.pki.plan import Planned
from hil.pki.shelf import CERTIFICATE, KEY, PARENTS, Issued

Kind = TypeVar("Kind", bound=x509.ExtensionType)


def bring(pki: Pki, name: str, certificate: Path, key: Path | None, passphrase: Callable[[], bytes | None]) -> Issued:
    """Put the authority `name` of the file, which says `imported = true`, onto the shelf.

    `certificate` may hold those above it as well, up to the root. `passphrase` is asked if the key is encrypted; it is
    kept under the passphrase that the file names for it, or in the clear. Without a key it can be trusted, and nothing
    signed. A certificate that is there already is left alone. Raises CredentialsError.
    """
    entry = pki.plan.named(name)
    if not entry.imported:
        raise CredentialsError(f"{entry.key}: not said to be made elsewhere; add imported = true to its table")
    found = _chain(certificate)
    _check(found[0], certificate, entry, pki)
    files = {CERTIFICATE: pem(found[0])}
    if found[1:]:
        files[PARENTS] = pem(*found[1:])
    if key is not None:
        files[KEY] = _key(key, found[0], entry, pki, passphrase)
    with pki.shelf.lock():
        before = pki.shelf.all("authorities", name)
        same = [i for i in before if i.certificate == found[0] and (i.has_key or key is None)]
        if same:
            return same[-1]
        same_key = [i for i in before if i.certificate.public_key() == found[0].public_key()]
        key_number = same_key[-1].key_number if same_key else (before[-1].key_number if before else 0) + 1
        issued = pki.shelf.put("authorities", name, key_number, (same_key[-1].number if same_key else 0) + 1, files)
        pki.settle()
    return issued


def _chain(path: Path) -> list[x509.Certificate]:
    """The authority's certificate and those above it, each signed by the next."""
    try:
        found = certificates(path.read_bytes())
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read ({error.strerror})") from None
    if not found:
        raise CredentialsError(f"{path}: holds no PEM certificate that can be read")
    for number, (lower, upper) in enumerate(itertools.pairwise(found), start=2):
        if not store.is_signed_by(lower, upper):
            name = lower.subject.rfc4514_string()
            raise CredentialsError(
                f"{path}: certificate {number} did not sign the one before it ({name}); "
                "expected the authority first, then each one's issuer"
            )
    return found


def _check(certificate: x509.Certificate, path: Path, entry: Planned, pki: Pki) -> None:
    """Whether it may issue what the file has below it."""
    if not is_authority(certificate):
        raise CredentialsError(f"{path}: not an authority's certificate (basicConstraints lack CA:TRUE)")
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        raise CredentialsError(f"{path}: may not sign certificates (keyUsage lacks keyCertSign)")
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise CredentialsError(f"{path}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
    constraints = _extension(certificate, x509.BasicConstraints)
    length = constraints.path_length if constraints is not None else None
    authorities = [e.name for e in pki.plan.below(entry.name) if e.kind == "authorities"]
    if length == 0 and authorities:
        raise CredentialsError(f"{path}: pathlen:0 allows no authority below it, but the file has {authorities[0]}")
    if entry.issuer is not None:
        issuers = [i.certificate for i in Chains(pki.shelf).authorities if i.name == entry.issuer]
        if not any(store.is_signed_by(certificate, issuer) for issuer in issuers):
            raise CredentialsError(f"{path}: not signed by {entry.issuer}, which the file says is its issuer")
    elif not self_signed(certificate) and not certificates(path.read_bytes())[1:]:
        above = certificate.issuer.rfc4514_string()
        raise CredentialsError(
            f"{path}: an intermediate, and its root is not here; add the certificate of {above} to the file, "
            "after its own, for devices to trust it"
        )


def _extension(certificate: x509.Certificate, kind: type[Kind]) -> Kind | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key(
    path: Path, certificate: x509.Certificate, entry: Planned, pki: Pki, passphrase: Callable[[], bytes | None]
) -> bytes:
    try:
        private = path.read_bytes()
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be read ({error.strerror})") from None
    key = store.key_of(private, str(path), passphrase() if store.is_encrypted(private) else None)
    if key.public_key() != certificate.public_key():
        raise CredentialsError(f"{path}: not the key of this certificate; expected the key that belongs to it")
    return key_pem(key, entry.key_format, pki.passphrases.get(entry.passphrase, entry.name, new=True))
