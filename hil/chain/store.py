"""Roots that somebody vouches for: the system's store, or a PEM file of one's own."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from hil.chain.endpoint import ChainError
from hil.credentials.identity import certificates


@dataclass(frozen=True, slots=True)
class Store:
    """Trusted certificates, and `where` they come from, in words."""

    where: str
    certificates: tuple[x509.Certificate, ...]


def system() -> Store:
    """The store that Python's and OpenSSL's clients use ($SSL_CERT_FILE counts); empty where there is none."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return Store(f"the system's store ({paths.cafile})", _read([Path(paths.cafile)]))
    if paths.capath is not None:
        files = sorted(path for path in Path(paths.capath).iterdir() if path.is_file())
        return Store(f"the system's store ({paths.capath})", _read(files))
    return Store("the system's store, which is empty (install ca-certificates)", ())


def of_file(path: Path) -> Store:
    """The certificates of a PEM file. Raises ChainError where there are none."""
    try:
        found = _read([path])
    except OSError as error:
        raise ChainError(f"{path}: cannot be read ({error.strerror})") from None
    if not found:
        raise ChainError(f"{path}: holds no certificate, expected PEM ('-----BEGIN CERTIFICATE-----')")
    return Store(str(path), found)


def _read(files: Iterable[Path]) -> tuple[x509.Certificate, ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old roots break rules that cryptography warns of
        found = {certificate: None for path in files for certificate in certificates(path.read_bytes())}
    return tuple(found)
