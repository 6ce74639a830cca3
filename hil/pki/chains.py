"""Who signed what on the shelf: chains, trusted roots, and what was revoked."""

from __future__ import annotations

from datetime import UTC, datetime

from cryptography import x509

from hil.credentials.identity import CredentialsError, certificates
from hil.credentials.store import is_signed_by
from hil.pki.shelf import PARENTS, Issued, Shelf


class Chains:
    """A look at the whole shelf, as it is when this is made."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.authorities = [i for name in shelf.names("authorities") for i in shelf.all("authorities", name)]
        self._revoked: dict[tuple[str, int], x509.CertificateRevocationList | None] = {}

    def issuer(self, issued: Issued) -> Issued | None:
        """The authority whose key signed it; of several certificates of that key the newest. None: it is not here."""
        for authority in reversed(self.authorities):
            if is_signed_by(issued.certificate, authority.certificate):
                return authority
        return None

    def above(self, issued: Issued) -> list[x509.Certificate]:
        """The certificates above it up to the root, which is the last if it is known."""
        found: list[x509.Certificate] = []
        current: Issued = issued
        while not self_signed(current.certificate):
            issuer = self.issuer(current)
            if issuer is None:
                return found + self._parents(current)
            found.append(issuer.certificate)
            current = issuer
            if len(found) > len(self.authorities):
                raise CredentialsError(f"{issued.name}: its chain goes round in a circle")
        return found

    def chain(self, issued: Issued) -> list[x509.Certificate]:
        """What it is shown with: itself first, the root left out."""
        return [issued.certificate, *(c for c in self.above(issued) if not self_signed(c))]

    def anchors(self) -> list[x509.Certificate]:
        """The roots to trust, newest first: all that are neither expired nor revoked, so that old and new overlap.

        Of several certificates of one key the newest. Where no root is known, the highest that is.
        """
        found: list[x509.Certificate] = []
        for authority in reversed(self.authorities):
            tops = [authority.certificate] if self_signed(authority.certificate) else self._parents(authority)[-1:]
            if not tops and self.issuer(authority) is None:
                tops = [authority.certificate]
            for top in tops:
                same = any(f.public_key() == top.public_key() for f in found)
                if not same and top.not_valid_after_utc > datetime.now(UTC) and self.revocation(authority) is None:
                    found.append(top)
        return found

    def revocation(self, issued: Issued) -> x509.RevokedCertificate | None:
        """The entry of its issuer's revocation list, if it was revoked."""
        issuer = self.issuer(issued)
        if issuer is None:
            return None
        place = issuer.name, issuer.key_number
        if place not in self._revoked:
            self._revoked[place] = self._shelf.crl(*place)
        crl = self._revoked[place]
        return crl.get_revoked_certificate_by_serial_number(issued.certificate.serial_number) if crl else None

    def _parents(self, issued: Issued) -> list[x509.Certificate]:
        """What was imported together with an authority: the certificates above it."""
        try:
            return certificates((issued.folder / PARENTS).read_bytes())
        except FileNotFoundError:
            return []


def self_signed(certificate: x509.Certificate) -> bool:
    return certificate.issuer == certificate.subject and is_signed_by(certificate, certificate)
