"""Which certificates a device has to trust, as few as will do, and why these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cryptography import x509
from OpenSSL import crypto

from hil.chain.describe import day, subject
from hil.chain.path import End, Path

Wanted = Literal["root", "intermediate"]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A certificate to trust, and what it is: `root`, `intermediate`, or `server` for one that signed itself."""

    certificate: x509.Certificate
    role: str


@dataclass(frozen=True, slots=True)
class Choice:
    """What to trust (nothing, if nothing would help), in the chain's order, and why, in sentences."""

    anchors: tuple[Anchor, ...]
    why: tuple[str, ...]

    @property
    def certificates(self) -> tuple[x509.Certificate, ...]:
        """The certificates alone."""
        return tuple(anchor.certificate for anchor in self.anchors)


def choose(path: Path, sent: Sequence[x509.Certificate], wanted: Wanted = "root") -> Choice:
    """What a device needs to trust so that it takes this server: the root or the intermediate, as `wanted`.

    Where a device would not find the way up from what the server sends, the missing certificates are added.
    """
    if len(path.links) == 1:
        leaf = path.certificates[0]
        if path.end is End.OPEN:
            return Choice((), ("nothing: only the server's own certificate is known, which is no anchor to devices",))
        why = "the server signed its certificate itself: it is its own anchor, and each renewal needs a new firmware"
        return Choice((Anchor(leaf, "server"),), (why,))
    place, why = _wanted(path, wanted)
    chosen = {place}
    reasons = [why]
    while (gap := _gap(path, sent, chosen)) is not None:
        chosen.add(gap)
        reasons.append(_why_added(path, gap))
    anchors = tuple(Anchor(path.certificates[place], _role(path, place)) for place in sorted(chosen))
    return Choice(anchors, tuple(reasons))


def _role(path: Path, place: int) -> str:
    return "root" if place == len(path.links) - 1 and path.end is not End.OPEN else "intermediate"


def _wanted(path: Path, wanted: Wanted) -> tuple[int, str]:
    top = len(path.links) - 1
    ends = day(path.certificates[1].not_valid_after_utc)
    if path.end is End.OPEN:
        return top, (
            f"the highest certificate known, because the root is not: it stops when the server's issuer changes, by "
            f"{day(path.certificates[top].not_valid_after_utc)} at the latest; give the root with --store, or try --aia"
        )
    if wanted == "intermediate" and top > 1:
        return 1, (
            f"the intermediate, as asked for: nothing else that the root signs is trusted, but devices lose the server "
            f"when its next certificate comes from another intermediate, by {ends} at the latest and often unannounced"
        )
    asked = "there is no intermediate: " if wanted == "intermediate" else ""
    return top, (
        f"{asked}the root, good until {day(path.certificates[top].not_valid_after_utc)}: renewals of the server's "
        f"certificate and of its intermediate need no new firmware, but everything below that root is trusted, so the "
        f"device must check the name; --trust intermediate trusts less and breaks sooner"
    )


def _gap(path: Path, sent: Sequence[x509.Certificate], chosen: set[int]) -> int | None:
    """The place in the path that a device lacks, None if it finds an anchor.

    As mbedTLS walks (x509_crt_find_parent): from the server's certificate, an issuer is looked for among the anchors,
    then among the certificates sent after the one in hand, never before it.
    """
    remaining = list(sent)
    for place, link in enumerate(path.links[:-1]):
        if place + 1 in chosen:
            return None
        issuer = path.certificates[place + 1]
        after = remaining[remaining.index(link.certificate) + 1 :] if link.certificate in remaining else []
        if issuer not in after:
            return place + 1
        remaining = after
    return None


def _why_added(path: Path, place: int) -> str:
    link = path.links[place]
    if link.place is None:
        return f"{subject(link.certificate)} as well, because the server does not send it, and devices fetch nothing"
    return (
        f"{subject(link.certificate)} as well, because the server sends it before the certificate that it signed, and "
        f"mbedTLS does not look back"
    )


def verdict(sent: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], now: datetime) -> str | None:
    """What OpenSSL says of the chain as sent if it trusts the anchors alone; None if it accepts it.

    The name and the purpose are not looked at. Anchors need be no roots (X509_V_FLAG_PARTIAL_CHAIN), as with mbedTLS.
    """
    store = crypto.X509Store()
    for certificate in anchors:
        store.add_cert(crypto.X509.from_cryptography(certificate))
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    store.set_time(now)
    leaf, *others = [crypto.X509.from_cryptography(certificate) for certificate in sent]
    try:
        crypto.X509StoreContext(store, leaf, others).verify_certificate()
    except crypto.X509StoreContextError as error:
        code, depth, words = error.errors
        return f"verify code {code} at depth {depth} ({words})"
    return None
