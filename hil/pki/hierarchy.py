"""A described hierarchy, made and kept: issue, renew, rotate, revoke.

    pki = Pki.load(Path("pki.toml"))
    pki.issue()                       # what the file describes and the shelf lacks
    pki.renew(["esp32-a"])            # the same key, new dates
    pki.rotate(["nz-sensor"])         # a new key; what the old one signed stays good
    pki.revoke("esp32-a")             # into the issuer's revocation list
    pki.credentials("esp32-a")        # for a provisioner

Each change is one new directory or one replaced file, so that a run that is killed has made a change or has not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hil.credentials import Credentials, CredentialsError, store
from hil.credentials.identity import pem, serial_of
from hil.credentials.issue import (
    PrivateKey,
    PublicKey,
    Revocation,
    Signed,
    Validity,
    certify,
    key_pem,
    name_of,
    new_key,
    revocation_list,
)
from hil.pki.chains import Chains
from hil.pki.filling import load
from hil.pki.passphrase import Passphrases
from hil.pki.plan import Plan, Planned
from hil.pki.shelf import ANCHORS, CERTIFICATE, CHAIN, KEY, Issued, Shelf

#: Why a certificate is revoked, as RFC 5280 (5.3.1) names it; those that a list of this kind may not carry left out.
REASONS = {
    flag.value: flag
    for flag in x509.ReasonFlags
    if flag not in (x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl)
}


class Pki:
    """A plan, the shelf that it fills, and the passphrases of its keys. Every method raises CredentialsError."""

    def __init__(self, plan: Plan, passphrases: Passphrases | None = None) -> None:
        self.plan = plan
        self.shelf = Shelf(plan.directory)
        self.passphrases = passphrases or Passphrases()
        self._opened: dict[Path, PrivateKey] = {}

    @classmethod
    def load(cls, path: Path, passphrases: Passphrases | None = None) -> Pki:
        """The hierarchy of a file, or of a directory with a pki.toml. Raises hil.toml.FileError with every fault."""
        return cls(load(path), passphrases)

    # -- making ----------------------------------------------------------------------------------------------------

    def issue(self, names: Sequence[str] = ()) -> list[Issued]:
        """Make what is not there yet, or was revoked: all, or these and the authorities above them."""
        wanted = self._with_issuers(names) if names else list(self.plan.entries.values())
        made = []
        with self.shelf.lock():
            chains = Chains(self.shelf)
            for entry in wanted:
                newest = self.newest(entry)
                if newest is not None and chains.revocation(newest) is None:
                    continue
                if entry.imported:
                    if names or self.plan.below(entry.name):
                        raise CredentialsError(f"{entry.key}: not here yet; hil pki import {entry.name} brings it")
                    continue
                made.append(self._make(entry, (newest.key_number if newest else 0) + 1, 1))
            self.settle()
        return made

    def renew(self, names: Sequence[str] = (), *, within: timedelta | None = None) -> list[Issued]:
        """A new certificate of the same key for each of these, or for all that end `within` this time."""
        made = []
        with self.shelf.lock():
            chains = Chains(self.shelf)
            for entry, newest in self._there(names or self._ending(within)):
                if chains.revocation(newest) is not None:
                    raise CredentialsError(f"{entry.key}: was revoked; hil pki issue {entry.name} gives it a new key")
                made.append(self._make(entry, newest.key_number, newest.number + 1, keeping=newest))
            self.settle()
        return made

    def rotate(self, names: Sequence[str]) -> list[Issued]:
        """A new key and certificate for each. The old ones stay good, and an old root trusted, until they end."""
        with self.shelf.lock():
            made = [self._make(entry, newest.key_number + 1, 1) for entry, newest in self._there(names)]
            self.settle()
        return made

    def _make(self, entry: Planned, key_number: int, number: int, *, keeping: Issued | None = None) -> Issued:
        """One certificate, of a new key or of the one that is kept, whose file is copied unopened."""
        issuer = self._signer(entry.issuer) if entry.issuer is not None else None
        public: PublicKey
        if keeping is not None:
            public, own = keeping.certificate.public_key(), None  # type: ignore[assignment]
            private = (keeping.folder / KEY).read_bytes()
        else:
            own = new_key(entry.algorithm)
            public = own.public_key()
            private = key_pem(own, entry.key_format, self._passphrase(entry, new=True))
        by = issuer.key if issuer else own or self._unlocked(keeping)
        certificate = certify(
            name_of(entry.subject),
            entry.usage,
            _validity(entry.days, issuer),
            public=public,
            by=by,
            issuer=issuer.certificate if issuer else None,
        )
        return self.shelf.put(entry.kind, entry.name, key_number, number, {CERTIFICATE: pem(certificate), KEY: private})

    def settle(self) -> None:
        """Bring what follows from the rest up to date: chains, trusted roots, and which certificate is current."""
        chains = Chains(self.shelf)
        anchors = pem(*chains.anchors())
        for entry in self.plan.entries.values():
            newest = self.newest(entry)
            if newest is None:
                continue
            if entry.kind == "devices":
                self.shelf.write(newest.folder / CHAIN, pem(*chains.chain(newest)))
                self.shelf.write(newest.folder / ANCHORS, anchors)
            self.shelf.point(newest)

    # -- revoking --------------------------------------------------------------------------------------------------

    def revoke(
        self, name: str, *, serial: str | None = None, superseded: bool = False, reason: str | None = None
    ) -> list[Issued]:
        """Revoke all good certificates of `name`, the one with this serial number (hex), or all but the newest.

        `reason` is one of REASONS. A root that revokes itself is not trusted any more, here: no peer looks at that.
        """
        if reason is not None and reason not in REASONS:
            raise CredentialsError(f"found reason {reason!r}, expected one of: {', '.join(REASONS)}")
        with self.shelf.lock():
            chains = Chains(self.shelf)
            everything = self.shelf.all("authorities", name) or self.shelf.all("devices", name)
            if not everything:
                raise CredentialsError(f"{name}: nothing of that name was issued")
            chosen = everything[:-1] if superseded else everything
            if serial is not None:
                wanted = serial.lower().replace(":", "").removeprefix("0x").lstrip("0")
                chosen = [i for i in chosen if serial_of(i.certificate) == wanted]
            now = datetime.now(UTC)
            good = [i for i in chosen if chains.revocation(i) is None and i.certificate.not_valid_after_utc > now]
            if not good:
                which = f" with serial number {serial}" if serial else " but the newest" if superseded else ""
                raise CredentialsError(f"{name}: has no good certificate{which} that could be revoked")
            for issued in good:
                self._revoke(issued, chains, REASONS[reason] if reason else None)
            self.settle()
        return good

    def _revoke(self, issued: Issued, chains: Chains, reason: x509.ReasonFlags | None) -> None:
        issuer = chains.issuer(issued)
        if issuer is None:
            raise CredentialsError(
                f"{issued.name}: its issuer is not in this hierarchy, and only an issuer can revoke; "
                "where the broker knows it by its thumbprint, remove that there"
            )
        entry = Revocation(issued.certificate.serial_number, datetime.now(UTC).replace(microsecond=0), reason)
        self._write_crl(issuer, [entry])

    def crl_of(self, issued: Issued) -> Path | None:
        """The revocation list that this certificate would be on; None if its issuer is not here."""
        issuer = Chains(self.shelf).issuer(issued)
        return None if issuer is None else self.shelf.crl_path(issuer.name, issuer.key_number)

    def refresh_crls(self, names: Sequence[str] = ()) -> list[Path]:
        """Sign the revocation lists of all authorities anew, or of these, before they expire. Their paths."""
        written = []
        with self.shelf.lock():
            for entry in [self.plan.named(n) for n in names] or self.plan.of("authorities"):
                newest_of_keys = {i.key_number: i for i in self.shelf.all("authorities", entry.name)}
                written += [self._write_crl(i, []) for i in newest_of_keys.values() if i.has_key]
        return written

    def _write_crl(self, issuer: Issued, more: Iterable[Revocation]) -> Path:
        before = self.shelf.crl(issuer.name, issuer.key_number)
        entries, number = list(more), 1
        if before is not None:
            entries = [_entry(revoked) for revoked in before] + entries
            number = before.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
        signer = Signed(issuer.certificate, self._unlocked(issuer))
        days = self.plan.crl_days
        crl = revocation_list(signer, entries, number=number, days=days, skew=timedelta())
        path = self.shelf.crl_path(issuer.name, issuer.key_number)
        self.shelf.write(path, crl.public_bytes(Encoding.PEM))
        return path

    # -- reading ---------------------------------------------------------------------------------------------------

    def newest(self, entry: Planned) -> Issued | None:
        """Its latest certificate, or None."""
        found = self.shelf.all(entry.kind, entry.name)
        return found[-1] if found else None

    def credentials(self, device: str) -> Credentials:
        """What a provisioner puts into this device; its key is opened, if it is encrypted."""
        entry = self.plan.named(device)
        newest = self.newest(entry)
        if entry.kind != "devices" or newest is None:
            raise CredentialsError(f"{entry.key}: no device that was issued; hil pki issue {device}")
        chains, leaf = Chains(self.shelf), newest.certificate
        return Credentials(
            trust_anchors_pem=pem(*chains.anchors()),
            chain_pem=pem(*chains.chain(newest)),
            key_pem=key_pem(self._unlocked(newest), entry.key_format),
            subject=leaf.subject.rfc4514_string(),
            serial=serial_of(leaf),
            not_before=leaf.not_valid_before_utc,
            not_after=leaf.not_valid_after_utc,
        )

    def signed(self, issued: Issued) -> Signed:
        """A certificate with its key, opened."""
        return Signed(issued.certificate, self._unlocked(issued))

    # -- parts -----------------------------------------------------------------------------------------------------

    def _with_issuers(self, names: Iterable[str]) -> list[Planned]:
        wanted: set[str] = set()
        for name in names:
            above: str | None = name
            while above is not None and above not in wanted:
                wanted.add(above)
                above = self.plan.named(above).issuer
        return [entry for entry in self.plan.entries.values() if entry.name in wanted]

    def _ending(self, within: timedelta | None) -> list[str]:
        if within is None:
            raise CredentialsError("found no name, expected what to renew, or within how many days it ends")
        ends, chains = datetime.now(UTC) + within, Chains(self.shelf)
        newest = [i for e in self.plan.entries.values() if not e.imported and (i := self.newest(e)) is not None]
        return [i.name for i in newest if i.certificate.not_valid_after_utc <= ends and chains.revocation(i) is None]

    def _there(self, names: Sequence[str]) -> Iterable[tuple[Planned, Issued]]:
        """Each of these with its latest certificate, issuers first."""
        for entry in [e for e in self.plan.entries.values() if e.name in {self.plan.named(n).name for n in names}]:
            if entry.imported:
                raise CredentialsError(f"{entry.key}: was made elsewhere; renew it there, then hil pki import")
            newest = self.newest(entry)
            if newest is None:
                raise CredentialsError(f"{entry.key}: nothing was issued yet; hil pki issue {entry.name}")
            yield entry, newest

    def _signer(self, name: str) -> Signed:
        """The authority of that name, ready to sign."""
        entry = self.plan.named(name)
        newest = self.newest(entry)
        if newest is None:
            raise CredentialsError(f"{entry.key}: nothing was issued yet; hil pki issue {name}")
        if newest.certificate.not_valid_after_utc < datetime.now(UTC):
            cure = "import its successor" if entry.imported else f"hil pki renew {name}"
            raise CredentialsError(f"{entry.key}: expired on {newest.certificate.not_valid_after_utc:%Y-%m-%d}; {cure}")
        if Chains(self.shelf).revocation(newest) is not None:
            raise CredentialsError(f"{entry.key}: was revoked; hil pki issue {name} gives it a new key")
        return self.signed(newest)

    def _unlocked(self, issued: Issued | None) -> PrivateKey:
        assert issued is not None
        if not issued.has_key:
            raise CredentialsError(f"{issued.name}: its key is not here, and signing needs it; do it where the key is")
        entry = self.plan.entries.get(issued.name)
        path = issued.folder / KEY
        if path in self._opened:
            return self._opened[path]
        passphrase = None
        if entry is not None and store.is_encrypted(path.read_bytes()):
            passphrase = self._passphrase(entry)
        key = store.read_key(path, passphrase)
        if key.public_key() != issued.certificate.public_key():
            raise CredentialsError(f"{path}: not the key of the certificate beside it; restore the right one")
        self._opened[path] = key
        return key

    def _passphrase(self, entry: Planned, *, new: bool = False) -> bytes | None:
        return self.passphrases.get(entry.passphrase, entry.name, new=new)


def _validity(days: float, issuer: Signed | None) -> Validity:
    """Within the issuer's own: what it signed ends with it all the same."""
    wanted = Validity.days(days)
    if issuer is None:
        return wanted
    above = issuer.certificate
    return Validity(
        max(wanted.not_before, above.not_valid_before_utc), min(wanted.not_after, above.not_valid_after_utc)
    )


def _entry(revoked: x509.RevokedCertificate) -> Revocation:
    try:
        reason = revoked.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = None
    return Revocation(revoked.serial_number, revoked.revocation_date_utc, reason)
