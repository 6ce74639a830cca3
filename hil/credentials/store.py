"""Certificates and keys in a directory: 0700, keys 0600, written whole or not at all. Errors name the file."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hil.credentials.identity import Credentials, CredentialsError, certificates, serial_of
from hil.credentials.issue import PrivateKey, Signed


class AlreadyThere(CredentialsError):
    """The directory holds something already, and nothing was written."""


def create(directory: Path, files: Mapping[str, bytes]) -> None:
    """Make `directory` with these files in it. Raises AlreadyThere if it exists and is not empty.

    They are written beside it first, so that a reader never sees half of them.
    """
    taken = AlreadyThere(f"{directory}: holds files already, expected a new or empty directory; choose another one")
    if holds_anything(directory):
        raise taken
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))  # mode 0700
    except OSError as error:
        raise CredentialsError(f"{directory}: cannot be made ({error.strerror}); choose a writable place") from None
    try:
        for name, content in files.items():
            mode = 0o600 if name.endswith(".key") else 0o644
            with open(os.open(beside / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        os.rename(beside, directory)  # replaces an empty directory, and nothing else
        _settle(directory.parent)
    except OSError as error:
        if holds_anything(directory):
            raise taken from None
        raise CredentialsError(f"{directory}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def replace(path: Path, content: bytes) -> None:
    """Write one file, mode 0644, so that a reader sees the old or the new one, whole. Raises CredentialsError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        _settle(path.parent)
    except OSError as error:
        raise CredentialsError(f"{path}: cannot be written ({error.strerror})") from None


def _settle(directory: Path) -> None:
    """Have the disk keep the names in a directory."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def discard(directory: Path, names: Iterable[str]) -> None:
    """Remove the files that `create` made, and the directory if nothing else is in it."""
    for name in names:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def holds_anything(directory: Path) -> bool:
    """Whether it exists and is not empty. Raises CredentialsError if something else bears its name."""
    try:
        return any(directory.iterdir())
    except FileNotFoundError:
        return False
    except OSError as error:
        raise CredentialsError(f"{directory}: cannot be read as a directory ({error.strerror})") from None


def check_private(directory: Path) -> None:
    """Raise CredentialsError if anybody else can reach into the directory."""
    try:
        mode = stat.S_IMODE(directory.stat().st_mode)
    except OSError as error:
        raise CredentialsError(f"{directory}: cannot be read ({error.strerror})") from None
    if mode & 0o077:
        raise CredentialsError(f"{directory}: found mode {mode:04o}, expected 0700; chmod 700 {directory}")


def read_signed(certificate: Path, key: Path, passphrase: bytes | None = None) -> Signed:
    """A certificate (the first in its file) and its key. Raises CredentialsError."""
    found = read_certificate(certificate)
    loaded = read_key(key, passphrase)
    if loaded.public_key() != found.public_key():
        raise CredentialsError(f"{key}: not the key of the certificate in {certificate}; restore the right one")
    return Signed(found, loaded)


def read_certificate(path: Path) -> x509.Certificate:
    """The first certificate in a PEM file. Raises CredentialsError."""
    try:
        return x509.load_pem_x509_certificate(_read(path))
    except ValueError:
        raise CredentialsError(f"{path}: holds no PEM certificate that can be read; restore or remove it") from None


def read_key(path: Path, passphrase: bytes | None = None) -> PrivateKey:
    """The key in a PEM file that nobody else may read. Raises CredentialsError."""
    private = _read(path)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CredentialsError(f"{path}: found mode {mode:04o}, expected 0600; chmod 600 {path}")
    return key_of(private, str(path), passphrase)


def key_of(private: bytes, where: str, passphrase: bytes | None = None) -> PrivateKey:
    """The key in a PEM text that came from `where`; an encrypted one needs its passphrase. Raises CredentialsError."""
    encrypted = is_encrypted(private)
    if encrypted and passphrase is None:
        raise CredentialsError(f"{where}: the key is encrypted, expected one without a password, or its passphrase")
    try:
        loaded = load_pem_private_key(private, password=passphrase if encrypted else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        if encrypted:
            raise CredentialsError(f"{where}: the passphrase does not open this key (or the file is damaged)") from None
        raise CredentialsError(f"{where}: holds no PEM private key without a password; restore or remove it") from None
    if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise CredentialsError(f"{where}: found a key that is neither EC nor RSA, expected one of these")
    return loaded


def is_encrypted(private: bytes) -> bool:
    """Whether a key's PEM says that it is encrypted, as PKCS#8 or in the old OpenSSL form."""
    return b"BEGIN ENCRYPTED PRIVATE KEY" in private or b"Proc-Type: 4,ENCRYPTED" in private


def read_credentials(trust_anchors: Path, chain: Path, key: Path) -> Credentials:
    """A device's credentials that were made elsewhere, of three PEM files. Raises CredentialsError."""
    leaf = read_signed(chain, key).certificate
    anchors = _read(trust_anchors)
    if not certificates(anchors):
        raise CredentialsError(f"{trust_anchors}: holds no PEM certificate that can be read, expected trust anchors")
    return Credentials(
        trust_anchors_pem=anchors,
        chain_pem=_read(chain),
        key_pem=_read(key),
        subject=leaf.subject.rfc4514_string(),
        serial=serial_of(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
    )


def check_signature(path: Path, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Raise CredentialsError unless `issuer` signed the certificate, which came from `path`."""
    if not is_signed_by(certificate, issuer):
        name = issuer.subject.rfc4514_string()
        raise CredentialsError(f"{path}: not signed by {name}; the files do not belong together")


def is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Whether `issuer` signed the certificate, by name and by signature."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, UnsupportedAlgorithm):
        return _is_signed_with_sha1_by(certificate, issuer)
    except (TypeError, InvalidSignature):
        return False
    return True


def _is_signed_with_sha1_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """`cryptography` judges no such certificate as a whole any more, and it is weak rather than somebody else's."""
    if certificate.issuer != issuer.subject or not isinstance(certificate.signature_hash_algorithm, SHA1):
        return False
    key = issuer.public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(SHA1()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(certificate.signature, certificate.tbs_certificate_bytes, padding.PKCS1v15(), SHA1())
        else:
            return False
    except (InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def check_current(path: Path, certificate: x509.Certificate, cure: str) -> None:
    """Raise CredentialsError if the certificate, which came from `path`, has expired."""
    if certificate.not_valid_after_utc < datetime.now(UTC):
        raise CredentialsError(f"{path}: expired on {certificate.not_valid_after_utc:%Y-%m-%d}; {cure}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CredentialsError(
            f"{path}: cannot be read ({error.strerror}); restore it, or remove its directory"
        ) from None
