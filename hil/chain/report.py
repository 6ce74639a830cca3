"""A survey as text: what was sent, the chain, what a device has to trust and why, what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from cryptography import x509

from hil.chain.describe import day, fingerprint, key, printable, subject
from hil.chain.path import End, Link, Path
from hil.chain.sent import size_of
from hil.chain.survey import Survey


def render(survey: Survey) -> str:
    """The whole report, each line ended."""
    return "\n".join([*_head(survey), *_sent(survey), *_chain(survey), *_trust(survey), *_findings(survey)]) + "\n"


def _head(survey: Survey) -> Iterator[str]:
    fetched = survey.fetched
    count = len(fetched.certificates)
    certificates = "1 certificate" if count == 1 else f"{count} certificates"
    yield (
        f"{fetched.endpoint}, asked for {printable(fetched.name)}: {fetched.version}, {fetched.cipher}, "
        f"{certificates} of {size_of(fetched.certificates)} bytes"
    )


def _sent(survey: Survey) -> Iterator[str]:
    yield "\nsent"
    for place, certificate in enumerate(survey.fetched.certificates, 1):
        yield f"  {place}. {subject(certificate)}"


def _chain(survey: Survey) -> Iterator[str]:
    path = survey.path
    yield "\nchain"
    for number, link in enumerate(path.links):
        yield f"  {_role(path, number):12} {subject(link.certificate)}"
        yield f"  {'':12} {key(link.certificate)}, {_dates(link.certificate, survey.moment)}, {_origin(survey, link)}"
    if path.end is End.OPEN:
        yield f"  {'?':12} {printable(path.certificates[-1].issuer.rfc4514_string())}"
        yield f"  {'':12} neither sent nor in {survey.store.where}"


def _role(path: Path, number: int) -> str:
    if number == 0:
        return "server"
    return "root" if number == len(path.links) - 1 and path.end is not End.OPEN else "intermediate"


def _dates(certificate: x509.Certificate, now: datetime) -> str:
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    left = (ends - now).days
    remaining = f"{left} days left" if ends >= now else "expired"
    return f"{day(begins)} to {day(ends)} ({remaining})"


def _origin(survey: Survey, link: Link) -> str:
    if link.place is not None:
        return f"sent as {link.place}" + (f", and in {survey.store.where}" if link.stored else "")
    return f"from {survey.store.where}" if link.stored else "fetched from the address in the certificate below"


def _trust(survey: Survey) -> Iterator[str]:
    yield "\ntrust"
    for anchor in survey.choice.anchors:
        yield f"  {anchor.role:12} {subject(anchor.certificate)}"
        yield f"  {'':12} SHA-256 {fingerprint(anchor.certificate)}"
    for reason in survey.choice.why:
        yield f"  why: {reason}" if survey.choice.anchors else f"  {reason}"


def _findings(survey: Survey) -> Iterator[str]:
    yield "\nfound" if survey.findings else "\nnothing wrong found"
    for finding in survey.findings:
        yield f"  {finding.level}: {finding.words}"
