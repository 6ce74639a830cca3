"""The described hierarchy worked out: every authority and device by name, its fields filled in, and its issuer found.

Nothing is read here but the file: what was really issued lies on the shelf.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hil.credentials.identity import CredentialsError
from hil.credentials.issue import Algorithm, KeyFormat, Usage
from hil.pki.constraints import breaches
from hil.pki.description import Authentication, Passphrase

Kind = Literal["authorities", "devices"]


@dataclass(frozen=True, slots=True)
class Planned:
    """One certificate that the file wants. `issuer` None: self-signed. `path_length` in `usage` None: any number.

    `places` are its device type, geography and so on; `crl_url` is where the revocation list of an authority lies.
    """

    kind: Kind
    name: str
    issuer: str | None
    subject: Mapping[str, str]
    algorithm: Algorithm
    days: float
    key_format: KeyFormat
    passphrase: Passphrase | None
    usage: Usage
    places: Mapping[str, str]
    crl_url: str | None = None
    imported: bool = False
    self_signed: bool = False
    authentication: Authentication = field(default_factory=Authentication)

    @property
    def key(self) -> str:
        """The entry's key, for messages."""
        return f"{self.kind}.{self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that the file at `path` wants. Issuers come before what they issue."""

    path: Path
    name: str
    directory: Path
    crl_days: float
    entries: Mapping[str, Planned]

    def of(self, kind: Kind) -> list[Planned]:
        return [entry for entry in self.entries.values() if entry.kind == kind]

    def below(self, name: str) -> list[Planned]:
        """What this authority issues."""
        return [entry for entry in self.entries.values() if entry.issuer == name]

    def named(self, name: str) -> Planned:
        """The entry of that name. Raises CredentialsError with the names there are."""
        if name not in self.entries:
            known = ", ".join(self.entries)
            raise CredentialsError(f"{self.path}: found no authority or device {name!r}; the file has {known}")
        return self.entries[name]


def above(entry: Planned, entries: Mapping[str, Planned]) -> Iterator[Planned]:
    """Its issuer, that one's issuer, up to the root."""
    while entry.issuer is not None:
        entry = entries[entry.issuer]
        yield entry


def connect(entries: dict[str, Planned]) -> tuple[dict[str, Planned], list[str]]:
    """The entries with their issuers and path lengths, issuers first; and what is wrong with that, one line a fault."""
    faults: list[str] = []
    found = {name: _with_issuer(entry, entries, faults) for name, entry in entries.items()}
    if faults:
        return found, faults
    faults = [
        f"{entry.key}.issuer: found a circle, which no root ends" for entry in found.values() if _circles(entry, found)
    ]
    if faults:
        return found, faults
    depth = {name: len(list(above(entry, found))) for name, entry in found.items()}
    ordered = dict(sorted(found.items(), key=lambda item: depth[item[0]]))
    ordered = {name: _with_path_length(entry, ordered) for name, entry in ordered.items()}
    return ordered, [f"{entry.key}{fault}" for entry in ordered.values() for fault in _misfits(entry, ordered)]


def _with_issuer(entry: Planned, entries: Mapping[str, Planned], faults: list[str]) -> Planned:
    """The entry with its issuer: the one that it names, or the authority of its type, geography and so on."""
    issuers = {name: e for name, e in entries.items() if e.kind == "authorities"}
    issuer = entry.issuer
    if issuer is not None and entry.self_signed:
        faults.append(f"{entry.key}.issuer: found {issuer!r} beside self_signed, expected one of them")
        return entry
    if issuer is None:
        if entry.self_signed or entry.kind == "authorities":
            return entry
        fitting = [e for e in issuers.values() if e.places and e.places.items() <= entry.places.items()]
        most = max((len(e.places) for e in fitting), default=0)
        best = [e.name for e in fitting if len(e.places) == most] or (list(issuers) if len(issuers) == 1 else [])
        if len(best) != 1:
            which = f"{', '.join(best)} fit equally" if best else "no authority is for its type and places"
            faults.append(f"{entry.key}: {which}, expected issuer = one of: {', '.join(issuers)}")
            return entry
        issuer = best[0]
    if issuer not in issuers:
        faults.append(f"{entry.key}.issuer: found {issuer!r}, expected one of: {', '.join(issuers)}")
        return entry
    return replace(entry, issuer=issuer, usage=replace(entry.usage, crl_url=issuers[issuer].crl_url))


def _circles(entry: Planned, entries: Mapping[str, Planned]) -> bool:
    """Whether its issuers lead back to itself."""
    seen, current = set(), entry
    while current.issuer is not None and current.name not in seen:
        seen.add(current.name)
        current = entries[current.issuer]
        if current is entry:
            return True
    return False


def _with_path_length(entry: Planned, entries: Mapping[str, Planned]) -> Planned:
    """An intermediate without a path length gets as much as it needs, so that a stolen key cannot make authorities.

    A root gets none: it is to last, and hierarchies grow.
    """
    if entry.kind == "devices" or entry.issuer is None or entry.imported or entry.usage.path_length is not None:
        return entry
    return replace(entry, usage=replace(entry.usage, path_length=_levels_below(entry, entries)))


def _levels_below(entry: Planned, entries: Mapping[str, Planned]) -> int:
    """How many levels of authorities the file has below this one."""
    deepest = 0
    for other in entries.values():
        if other.kind == "authorities":
            names = [e.name for e in above(other, entries)]
            deepest = max(deepest, names.index(entry.name) + 1 if entry.name in names else 0)
    return deepest


def _misfits(entry: Planned, entries: Mapping[str, Planned]) -> Iterator[str]:
    """What the certificates above this one forbid, before anybody finds out by a refused handshake."""
    length = entry.usage.path_length
    if entry.kind == "authorities" and length is not None and length < (needed := _levels_below(entry, entries)):
        yield f".path_length: found {length}, expected at least {needed}: so many levels of authorities are below it"
    for issuer in above(entry, entries):
        for name in breaches(entry.usage.names, issuer.usage.permitted, issuer.usage.excluded):
            yield f".names: found {name!r}, which the name constraints of {issuer.name} do not allow"
