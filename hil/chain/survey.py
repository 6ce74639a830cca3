"""A fetched chain with everything that is known about it: its path, what to trust, what was found."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from hil.chain import aia
from hil.chain.check import check, origins
from hil.chain.choose import Choice, Wanted, choose, verdict
from hil.chain.endpoint import ChainError
from hil.chain.fetch import Fetched
from hil.chain.findings import Finding, Level, fault, note, warning
from hil.chain.outlook import outlook
from hil.chain.path import End, Path, ordered
from hil.chain.sent import look
from hil.chain.store import Store

_HOPS = 4  # issuers fetched one after the other: real chains lack one, or two


@dataclass(frozen=True, slots=True)
class Survey:
    """All that is to be shown. `findings` are the worst first."""

    fetched: Fetched
    store: Store
    path: Path
    choice: Choice
    findings: tuple[Finding, ...]
    moment: datetime

    @property
    def faults(self) -> list[Finding]:
        """What keeps devices from connecting."""
        return [finding for finding in self.findings if finding.level is Level.FAULT]


def survey(
    fetched: Fetched, store: Store, now: datetime, *, wanted: Wanted = "root", fetch_issuers: float | None = None
) -> Survey:
    """Put in order, check and judge what was fetched, as of `now`; choose what to trust.

    `fetch_issuers`: seconds to wait for each certificate that was left out and is fetched by HTTP; None fetches none.
    """
    path, further, findings = _completed(fetched, store, now, fetch_issuers)
    choice = choose(path, fetched.certificates, wanted)
    known = [*fetched.certificates, *store.certificates, *further]
    findings += [*check(path, fetched.name, now), *origins(path), *look(fetched, path), *outlook(path, known, now)]
    findings += _second_opinion(fetched, choice, findings, now)
    levels = list(Level)
    ranked = sorted(dict.fromkeys(findings), key=lambda finding: levels.index(finding.level))
    return Survey(fetched, store, path, choice, tuple(ranked), now)


def _completed(
    fetched: Fetched, store: Store, now: datetime, timeout: float | None
) -> tuple[Path, list[x509.Certificate], list[Finding]]:
    further: list[x509.Certificate] = []
    findings: list[Finding] = []
    path = ordered(fetched.certificates, store.certificates, now)
    for _ in range(_HOPS if timeout is not None else 0):
        if path.end is not End.OPEN:
            break
        try:
            found = aia.issuers(path.certificates[-1], timeout or 0.0)
        except ChainError as error:
            findings.append(warning("aia", str(error)))
            break
        if not set(found) - set(further):
            break
        further += found
        path = ordered(fetched.certificates, store.certificates, now, further)
    return path, further, findings


def _second_opinion(fetched: Fetched, choice: Choice, findings: list[Finding], now: datetime) -> list[Finding]:
    """OpenSSL's: it also knows of name constraints, policies and extensions that nobody here has looked at."""
    if not choice.anchors:
        return []
    said = verdict(fetched.certificates, choice.certificates, now)
    if said is None:
        return [note("openssl", "OpenSSL accepts the chain as sent if it trusts what is chosen here, and nothing else")]
    words = f"OpenSSL, trusting what is chosen here, refuses the chain: {said}"
    known = any(finding.level is Level.FAULT for finding in findings)
    return [note("openssl", words) if known else fault("openssl", words)]
