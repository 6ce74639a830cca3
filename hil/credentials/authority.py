"""The bench's own certificate authority.

    authority = Authority.create()                                     # root -> intermediate (pathlen:0)
    device = authority.issue_device("esp32-a")                         # chain leaf first, then the intermediate
    server = authority.issue_server(["bench.local", "192.168.40.10"])
    authority.save(Path("credentials/bench"))                          # directory 0700, keys 0600
    authority = Authority.load(Path("credentials/bench"))

`Authority.kept(directory)` does the last two: it loads the authority that lies there, or makes it on first use, so that
a board which holds good credentials already is not written again. Certificates that are wrong on purpose come from
`hil.credentials.broken`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hil.credentials import store
from hil.credentials.identity import Credentials, CredentialsError, ServerIdentity, is_authority, pem, serial_of
from hil.credentials.issue import (
    AUTHORITY_DAYS,
    COMMON_NAME_LENGTH,
    DEVICE_DAYS,
    Algorithm,
    KeyFormat,
    Signed,
    Usage,
    Validity,
    authority_usage,
    device_usage,
    key_pem,
    new_key,
    revocation_list,
    server_usage,
    sign,
    subject_of,
)

_DEVICE_CHAIN, _DEVICE_KEY = "device.pem", "device.key"
_RENEW_BEFORE = timedelta(days=7)  # a kept device certificate with less time left than this is issued anew


class Authority:
    """A root, the intermediate that it signed, and what that intermediate issues.

    Devices and servers trust the root alone, or `anchors` where an older root overlaps with it. The key of a root may
    be elsewhere: it is a certificate alone then. `shown` is what a leaf is shown with: the intermediate and those above
    it, the root left out.
    """

    def __init__(
        self,
        root: Signed | x509.Certificate,
        intermediate: Signed,
        *,
        shown: Sequence[x509.Certificate] | None = None,
        anchors: Sequence[x509.Certificate] | None = None,
    ) -> None:
        self._root = root
        self.intermediate = intermediate
        self._shown = tuple(shown) if shown is not None else (intermediate.certificate,)
        top = root.certificate if isinstance(root, Signed) else root
        self._anchors = tuple(anchors) if anchors is not None else (top,)

    @property
    def root(self) -> Signed:
        """The root with its key. Raises CredentialsError where the key is elsewhere."""
        if isinstance(self._root, Signed):
            return self._root
        name = self._root.subject.rfc4514_string()
        raise CredentialsError(f"the key of the root {name} is not here, and this needs it")

    @classmethod
    def create(
        cls,
        name: str = "hil bench",
        *,
        algorithm: Algorithm = "ec-p256",
        days: float = AUTHORITY_DAYS,
        start: datetime | None = None,
    ) -> Authority:
        """A new authority in memory, good for `days` from now (or from `start`). Its certificates bear `name`."""
        validity = Validity.days(days, start=start)
        root = sign(subject_of(f"{name} root"), authority_usage(None), validity, key=new_key(algorithm))
        subject = subject_of(f"{name} intermediate")
        intermediate = sign(subject, authority_usage(0), validity, key=new_key(algorithm), issuer=root)
        return cls(root, intermediate)

    # -- issuing ---------------------------------------------------------------------------------------------------

    @property
    def trust_anchors_pem(self) -> bytes:
        """The root certificate: what devices trust servers by, and servers devices."""
        return pem(*self._anchors)

    def issue_device(
        self,
        common_name: str,
        *,
        algorithm: Algorithm = "ec-p256",
        key_format: KeyFormat = "sec1",
        days: float = DEVICE_DAYS,
        validity: Validity | None = None,
    ) -> Credentials:
        """Credentials of a new key for a device; its id is the common name (1 to 64 characters).

        Good for `days`, or for `validity` if given, which may lie in the past or in the future.
        """
        leaf = self._leaf(common_name, device_usage(), algorithm, self._validity(days, validity))
        return self.credentials(leaf, self.chain(leaf), key_format=key_format)

    def issue_server(
        self,
        names: Sequence[str],
        *,
        algorithm: Algorithm = "ec-p256",
        days: float = DEVICE_DAYS,
        validity: Validity | None = None,
    ) -> ServerIdentity:
        """A server's certificate for DNS names and IP addresses, the first of which becomes the common name.

        Good for `days`, or for `validity` if given, which may lie in the past or in the future.
        """
        if isinstance(names, str) or not names:
            raise CredentialsError(f"found server names {names!r}, expected a list of at least one name or address")
        leaf = self._leaf(names[0][:COMMON_NAME_LENGTH], server_usage(names), algorithm, self._validity(days, validity))
        return server_identity(leaf, self.chain(leaf), names)

    def chain(self, leaf: Signed) -> bytes:
        """The PEM that `leaf` is shown with: itself, then the intermediate and those above it."""
        return pem(leaf.certificate, *self._shown)

    def revocation_list(self, *revoked: Credentials) -> bytes:
        """A CRL of the intermediate, PEM, with these device certificates in it; with none it revokes nothing."""
        serials = [int(credentials.serial, 16) for credentials in revoked]
        return revocation_list(self.intermediate, serials).public_bytes(Encoding.PEM)

    def credentials(
        self, leaf: Signed, chain: bytes, *, key_format: KeyFormat = "sec1", flaw: str | None = None
    ) -> Credentials:
        """A device's credentials of parts made elsewhere; it trusts this authority."""
        return Credentials(
            trust_anchors_pem=self.trust_anchors_pem,
            chain_pem=chain,
            key_pem=key_pem(leaf.key, key_format),
            subject=leaf.certificate.subject.rfc4514_string(),
            serial=serial_of(leaf.certificate),
            not_before=leaf.certificate.not_valid_before_utc,
            not_after=leaf.certificate.not_valid_after_utc,
            flaw=flaw,
        )

    def _leaf(self, common_name: str, usage: Usage, algorithm: Algorithm, validity: Validity) -> Signed:
        return sign(subject_of(common_name), usage, validity, key=new_key(algorithm), issuer=self.intermediate)

    def _validity(self, days: float, validity: Validity | None) -> Validity:
        """Never longer than the intermediate's own, which would end what it signed all the same."""
        if validity is not None:
            return validity
        wanted = Validity.days(days)
        ends = self.intermediate.certificate.not_valid_after_utc
        return Validity(wanted.not_before, min(wanted.not_after, ends))

    # -- keeping ---------------------------------------------------------------------------------------------------

    def save(self, directory: Path) -> None:
        """Write certificates and keys into `directory`, which must not hold an authority yet.

        The directory gets mode 0700 and the keys 0600. It appears complete or not at all. Raises CredentialsError.
        """
        files = {}
        for name, signed in (("root", self.root), ("intermediate", self.intermediate)):
            files[f"{name}.pem"] = pem(signed.certificate)
            files[f"{name}.key"] = key_pem(signed.key)
        store.create(directory, files)

    @classmethod
    def load(cls, directory: Path) -> Authority:
        """The authority that `save` wrote. Raises CredentialsError, naming the file and the cure.

        Refused are files that are missing, damaged or do not belong together, keys that others may read, and
        certificates that have expired.
        """
        store.check_private(directory)
        root = store.read_signed(directory / "root.pem", directory / "root.key")
        intermediate = store.read_signed(directory / "intermediate.pem", directory / "intermediate.key")
        for signed, name, issuer in ((root, "root.pem", root), (intermediate, "intermediate.pem", root)):
            path = directory / name
            if not is_authority(signed.certificate):
                raise CredentialsError(f"{path}: not an authority's certificate (basicConstraints lack CA:TRUE)")
            store.check_signature(path, signed.certificate, issuer.certificate)
            store.check_current(path, signed.certificate, f"remove {directory} to have a new authority made")
        return cls(root, intermediate)

    @classmethod
    def kept(cls, directory: Path, name: str = "hil bench") -> Authority:
        """The authority in `directory`; made and saved there if the directory is missing or empty."""
        if not store.holds_anything(directory):
            with contextlib.suppress(store.AlreadyThere):  # another run was faster: its authority is the one
                cls.create(name).save(directory)
        return cls.load(directory)

    def kept_device(self, common_name: str, directory: Path) -> Credentials:
        """The device's credentials in `directory`, issued and saved there on first use.

        They are issued anew when they end within a week, or were not issued by this authority to this name.
        """
        if store.holds_anything(directory):
            kept = self._still_good(common_name, directory)
            if kept is not None:
                return kept
            store.discard(directory, (_DEVICE_CHAIN, _DEVICE_KEY))
        fresh = self.issue_device(common_name)
        try:
            store.create(directory, {_DEVICE_CHAIN: fresh.chain_pem, _DEVICE_KEY: fresh.key_pem})
        except store.AlreadyThere:
            kept = self._still_good(common_name, directory)
            return kept if kept is not None else fresh
        return fresh

    def _still_good(self, common_name: str, directory: Path) -> Credentials | None:
        store.check_private(directory)
        leaf = store.read_signed(directory / _DEVICE_CHAIN, directory / _DEVICE_KEY)
        ours = store.is_signed_by(leaf.certificate, self.intermediate.certificate)
        ends = leaf.certificate.not_valid_after_utc - _RENEW_BEFORE
        if not ours or leaf.certificate.subject != subject_of(common_name) or datetime.now(UTC) > ends:
            return None
        return self.credentials(leaf, self.chain(leaf))


def server_identity(leaf: Signed, chain: bytes, names: Sequence[str], flaw: str | None = None) -> ServerIdentity:
    """A server's identity of parts made elsewhere."""
    return ServerIdentity(
        chain_pem=chain,
        key_pem=key_pem(leaf.key),
        names=tuple(names),
        subject=leaf.certificate.subject.rfc4514_string(),
        serial=serial_of(leaf.certificate),
        not_before=leaf.certificate.not_valid_before_utc,
        not_after=leaf.certificate.not_valid_after_utc,
        flaw=flaw,
    )
