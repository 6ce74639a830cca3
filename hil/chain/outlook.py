"""What is about to change: certificates that end, and a server whose next certificate must come from another issuer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from hil.chain.describe import day, issuer, subject
from hil.chain.findings import Finding, note, warning
from hil.chain.path import Path, self_issued
from hil.credentials.store import is_signed_by

_SOON = timedelta(days=30)  # most servers have renewed by then; shorter-lived certificates when a quarter is left
_SHORT_LIVED = timedelta(days=100)  # renewed by machines, each time possibly by another intermediate
_ROOT_SOON = timedelta(days=3 * 365)  # devices live longer than that


def outlook(path: Path, known: Sequence[x509.Certificate], now: datetime) -> list[Finding]:
    """What will change, and by when. `known` are the certificates around: all that were sent or are in the store."""
    each = (_leaf(path.certificates[0], now), _successor(path, now), _root(path, now), _crossed(path, known))
    return [finding for findings in each for finding in findings]


def _lifetime(certificate: x509.Certificate) -> timedelta:
    return certificate.not_valid_after_utc - certificate.not_valid_before_utc


def _leaf(leaf: x509.Certificate, now: datetime) -> Iterator[Finding]:
    left, whole = leaf.not_valid_after_utc - now, _lifetime(leaf)
    if timedelta(0) <= left < min(_SOON, whole / 4):
        words = f"ends on {day(leaf.not_valid_after_utc)}, in {_span(left)}, and has not been renewed yet"
        yield warning("ends-soon", f"{subject(leaf)}: {words}")
    if whole < _SHORT_LIVED:
        words = f"lives {_span(whole)}, so it is renewed often: trust nothing below the root, or follow each change"
        yield note("short-lived", f"{subject(leaf)}: {words}")


def _successor(path: Path, now: datetime) -> Iterator[Finding]:
    """An issuer signs nothing that outlives it, so one that ends too early does not sign the next certificate."""
    leaf = path.certificates[0]
    next_end = leaf.not_valid_after_utc + _lifetime(leaf)
    for certificate in path.certificates[1:]:
        ends = certificate.not_valid_after_utc
        if now <= ends < next_end:
            renewed = f"the server's next certificate, due by {day(leaf.not_valid_after_utc)}, would outlive it"
            words = "expect another issuer then: have its root on the devices before"
            yield warning("issuer-changes", f"{subject(certificate)}: ends on {day(ends)}; {renewed}; {words}")
            return


def _root(path: Path, now: datetime) -> Iterator[Finding]:
    root = path.certificates[-1]
    ends = root.not_valid_after_utc
    if len(path.links) > 1 and self_issued(root) and now <= ends < now + _ROOT_SOON:
        words = f"ends on {day(ends)}, in {_span(ends - now)}: devices need its successor before"
        yield warning("root-ends", f"{subject(root)}: the root {words}")


def _crossed(path: Path, known: Sequence[x509.Certificate]) -> Iterator[Finding]:
    """Other certificates of the same authority's key: there is more than one way up."""
    for certificate in path.certificates[1:]:
        others = [other for other in dict.fromkeys(known) if other != certificate and _same_key(certificate, other)]
        for other in others:
            by = "itself" if is_signed_by(other, other) else issuer(other)
            here = "itself" if is_signed_by(certificate, certificate) else issuer(certificate)
            words = f"signed by {here} in this chain, and also by {by} (until {day(other.not_valid_after_utc)})"
            end = "a server may change from one to the other at any renewal"
            yield warning("cross-signed", f"{subject(certificate)}: {words}; {end}")


def _same_key(one: x509.Certificate, other: x509.Certificate) -> bool:
    """Whether both certify the same authority and key, on different authority."""
    if one.subject != other.subject or one.issuer == other.issuer:
        return False
    try:
        return one.public_key() == other.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False


def _span(span: timedelta) -> str:
    if span < timedelta(days=2):
        return f"{span.total_seconds() / 3600:.0f} hours"
    return f"{span.days} days" if span < timedelta(days=730) else f"{span.days / 365.25:.0f} years"
