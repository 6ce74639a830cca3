"""What was issued, on disk: every certificate in a directory of its own, written whole or not at all.

    DIRECTORY/                             mode 0700; .gitignore keeps all of it out of repositories
      authorities/root/1.1/                the first certificate of the first key
        certificate.pem  private.key       (0600; encrypted where the file wants it)
      authorities/root/1.2/                renewed: the same key, another certificate
      authorities/root/2.1/                rotated: another key
      authorities/root/crl-1.pem           what the first key has revoked; also the record of it
      authorities/root/current -> 2.1
      devices/esp32-a/1.1/                 besides: chain.pem, anchors.pem

A directory appears by one rename, and a file is replaced by one. So there is nothing to mend after a run was killed:
what it had begun is there, or is not, and what it left behind beside it begins with a dot.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from hil.credentials import store
from hil.credentials.identity import CredentialsError
from hil.pki.plan import Kind

CERTIFICATE, KEY, CHAIN, ANCHORS, PARENTS, CURRENT = (
    *("certificate.pem", "private.key", "chain.pem", "anchors.pem", "parents.pem", "current"),
)
_NUMBERED = re.compile(r"([1-9]\d*)\.([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate on the shelf. `key_number` counts keys, `number` the certificates of that key, both from 1."""

    kind: Kind
    name: str
    key_number: int
    number: int
    folder: Path
    certificate: x509.Certificate

    @property
    def label(self) -> str:
        return f"{self.key_number}.{self.number}"

    @property
    def has_key(self) -> bool:
        """Whether its key is here as well; that of an imported root may be elsewhere."""
        return (self.folder / KEY).exists()


class Shelf:
    """The directory of one hierarchy. Only who holds `lock` may write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Make the directory, wait for other runs to end, remove what a killed one left. Raises CredentialsError."""
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            store.check_private(self.directory)
            handle = os.open(self.directory / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise CredentialsError(f"{self.directory}: cannot be written ({error.strerror})") from None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if not (self.directory / ".gitignore").exists():
                store.replace(self.directory / ".gitignore", b"*\n")
            for left in self.directory.glob("*/*/.*"):
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
            yield
        finally:
            os.close(handle)

    def names(self, kind: Kind) -> list[str]:
        """Everything that was ever issued or imported, by name."""
        folder = self.directory / kind
        return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []

    def all(self, kind: Kind, name: str) -> list[Issued]:
        """Its certificates, oldest first. Raises CredentialsError for one that cannot be read."""
        folder = self.directory / kind / name
        if not folder.is_dir():
            return []
        store.check_private(self.directory)
        found = []
        for path in folder.iterdir():
            numbers = _NUMBERED.fullmatch(path.name)
            if numbers and not path.is_symlink():
                certificate = store.read_certificate(path / CERTIFICATE)
                found.append(Issued(kind, name, int(numbers[1]), int(numbers[2]), path, certificate))
        return sorted(found, key=lambda issued: (issued.key_number, issued.number))

    def put(self, kind: Kind, name: str, key_number: int, number: int, files: Mapping[str, bytes]) -> Issued:
        """One more certificate. Raises CredentialsError if it cannot be written."""
        folder = self.directory / kind / name / f"{key_number}.{number}"
        store.create(folder, files)
        return Issued(kind, name, key_number, number, folder, store.read_certificate(folder / CERTIFICATE))

    def point(self, newest: Issued) -> None:
        """Have `current` lead to this certificate."""
        link = newest.folder.parent / CURRENT
        if link.is_symlink() and os.readlink(link) == newest.folder.name:
            return
        beside = link.with_name(".current")
        try:
            beside.unlink(missing_ok=True)
            os.symlink(newest.folder.name, beside)
            os.replace(beside, link)
        except OSError as error:
            raise CredentialsError(f"{link}: cannot be written ({error.strerror})") from None

    def write(self, path: Path, content: bytes) -> None:
        """Replace a file unless it holds this already."""
        if not path.exists() or path.read_bytes() != content:
            store.replace(path, content)

    def crl_path(self, name: str, key_number: int) -> Path:
        return self.directory / "authorities" / name / f"crl-{key_number}.pem"

    def crl(self, name: str, key_number: int) -> x509.CertificateRevocationList | None:
        """The revocation list of one key of an authority, if there is one. Raises CredentialsError."""
        path = self.crl_path(name, key_number)
        try:
            return x509.load_pem_x509_crl(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            raise CredentialsError(
                f"{path}: holds no revocation list that can be read; restore it: it is the record of what was revoked"
            ) from None
