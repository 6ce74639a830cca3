"""From a server's certificate up to a root: which certificate signed which, whatever the order they came in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import pairwise

from cryptography import x509

from hil.chain.describe import in_date
from hil.credentials.store import is_signed_by


class End(StrEnum):
    """Where a path ends."""

    STORE = "store"  # at a certificate that the store vouches for
    SELF_SIGNED = "self-signed"  # at one that only vouches for itself
    OPEN = "open"  # at one whose issuer is not to be found


@dataclass(frozen=True, slots=True)
class Link:
    """One certificate of a path. `place` is where it stood in what was sent (from 1), None if it was not sent.

    `stored` tells that the store has it. `signed`: the link above signed it (or it itself); False where only the name
    fits, None at an open end.
    """

    certificate: x509.Certificate
    place: int | None
    stored: bool
    signed: bool | None


@dataclass(frozen=True, slots=True)
class Path:
    """The server's certificate, then the issuer of each, as far as it is known."""

    links: tuple[Link, ...]
    end: End

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates alone."""
        return tuple(link.certificate for link in self.links)


def self_issued(certificate: x509.Certificate) -> bool:
    """Whether subject and issuer are the same name."""
    return certificate.subject == certificate.issuer


def ordered(
    sent: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
    now: datetime,
    further: Sequence[x509.Certificate] = (),
) -> Path:
    """The best path from the first certificate sent, which is the server's (RFC 8446 section 4.4.2), upwards.

    Preferred are paths that end in `trusted`, then those in date, those whose signatures hold, and short ones.
    `further` are certificates from elsewhere that may fill gaps. Each certificate is looked at once, however they are
    entangled.
    """
    pool = list(dict.fromkeys([*trusted, *sent, *further]))
    vouched = set(trusted)
    finished: list[list[x509.Certificate]] = []
    waiting = deque([[sent[0]]])
    seen = {sent[0]}
    while waiting:
        way = waiting.popleft()
        last = way[-1]
        above = [] if last in vouched or is_signed_by(last, last) else _issuers(last, pool, now)
        fresh = [candidate for candidate in above if candidate not in seen]
        seen.update(fresh)
        waiting.extend([*way, candidate] for candidate in fresh)
        if not fresh:
            finished.append(way)

    def rank(way: list[x509.Certificate]) -> tuple[bool, bool, bool, bool, int]:
        sound = all(is_signed_by(child, parent) for child, parent in pairwise(way))
        dated = all(in_date(certificate, now) for certificate in way)
        return (way[-1] not in vouched, not sound, not dated, not is_signed_by(way[-1], way[-1]), len(way))

    return _path(min(finished, key=rank), sent, vouched)


def _issuers(certificate: x509.Certificate, pool: Sequence[x509.Certificate], now: datetime) -> list[x509.Certificate]:
    """Who signed it, those in date first; where nobody did, whoever bears the issuer's name."""
    named = [other for other in pool if other.subject == certificate.issuer and other != certificate]
    signers = [other for other in named if is_signed_by(certificate, other)] or named
    return sorted(signers, key=lambda other: not in_date(other, now))


def _path(way: list[x509.Certificate], sent: Sequence[x509.Certificate], vouched: set[x509.Certificate]) -> Path:
    top = way[-1]
    end = End.STORE if top in vouched else End.SELF_SIGNED if is_signed_by(top, top) else End.OPEN
    links = []
    for certificate, above in zip(way, [*way[1:], None], strict=True):
        signed = is_signed_by(certificate, above or certificate)
        place = sent.index(certificate) + 1 if certificate in sent else None
        links.append(Link(certificate, place, certificate in vouched, signed if above else signed or None))
    return Path(tuple(links), end)
