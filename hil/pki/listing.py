"""What a hierarchy has: a table with what each certificate's days are, and a tree of who issued whom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from hil.credentials import CredentialsError, store
from hil.credentials.identity import serial_of
from hil.credentials.issue import Algorithm, PublicKey, extensions, name_of
from hil.pki.chains import Chains
from hil.pki.hierarchy import Pki
from hil.pki.plan import Kind, Planned
from hil.pki.shelf import KEY, Issued

#: With less time left than this, a certificate is said to end soon.
SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Row:
    """One certificate, or one that the file wants and that is not there (`issued` None)."""

    kind: Kind
    name: str
    issued: Issued | None
    newest: bool
    issuer: str
    state: str
    key: str

    @property
    def ends(self) -> datetime | None:
        return self.issued.certificate.not_valid_after_utc if self.issued else None

    @property
    def attention(self) -> bool:
        """Whether somebody should do something."""
        return self.newest and self.state != "good"


def rows(pki: Pki, *, soon: timedelta = SOON, everything: bool = False) -> list[Row]:
    """The newest certificate of each entry in the file's order, then what the file does not have any more.

    `everything`: the older ones that are still good or were revoked as well.
    """
    chains = Chains(pki.shelf)
    kinds: tuple[Kind, ...] = ("authorities", "devices")
    wanted = [(entry.kind, entry.name) for entry in pki.plan.entries.values()]
    left = [(kind, name) for kind in kinds for name in pki.shelf.names(kind) if (kind, name) not in wanted]
    found = []
    for kind, name in wanted + left:
        entry = pki.plan.entries.get(name) if (kind, name) in wanted else None
        issued = pki.shelf.all(kind, name)
        if not issued and entry is not None:
            state = "to be imported" if entry.imported else "not issued"
            found.append(Row(kind, name, None, True, entry.issuer or "itself", state, entry.algorithm))
        for one in issued if everything else issued[-1:]:
            issuer = chains.issuer(one)
            by = (
                issuer.name
                if issuer
                else "itself"
                if one.certificate.issuer == one.certificate.subject
                else "elsewhere"
            )
            state = _state(entry, one, chains, soon, newest=one is issued[-1])
            found.append(Row(kind, name, one, one is issued[-1], by if by != name else "itself", state, _key(one)))
    return found


def tree(pki: Pki) -> str:
    """The authorities and devices as a tree, with what each is for, its path length and its end."""
    state = {(row.kind, row.name): row for row in rows(pki)}
    lines: list[str] = []

    def grow(entry: Planned, before: str, here: str, below: str) -> None:
        row = state[entry.kind, entry.name]
        lines.append(f"{before}{here}{_words(entry, row)}")
        children = pki.plan.below(entry.name)
        for number, child in enumerate(children, start=1):
            last = number == len(children)
            grow(child, before + below, "└── " if last else "├── ", "    " if last else "│   ")

    for entry in pki.plan.entries.values():
        if entry.issuer is None:
            grow(entry, "", "", "")
    return "\n".join(lines)


def _words(entry: Planned, row: Row) -> str:
    constraints = [f"pathlen:{entry.usage.path_length}"] if entry.usage.path_length is not None else []
    constraints += [f"only {name}" for name in entry.usage.permitted] + [f"no {name}" for name in entry.usage.excluded]
    said = [", ".join(f"{k} {v}" for k, v in entry.places.items()), *constraints, row.key]
    said.append(f"until {row.ends:%Y-%m-%d}" if row.ends else "")
    said.append("" if row.state == "good" else row.state.upper())
    return f"{entry.name}  " + ", ".join(word for word in said if word)


def _state(entry: Planned | None, issued: Issued, chains: Chains, soon: timedelta, *, newest: bool) -> str:
    left = issued.certificate.not_valid_after_utc - datetime.now(UTC)
    revoked = chains.revocation(issued)
    if revoked is not None:
        return f"revoked {revoked.revocation_date_utc:%Y-%m-%d}"
    if left <= timedelta():
        return "expired"
    if issued.certificate.not_valid_before_utc > datetime.now(UTC):
        return "not yet valid"
    if left <= soon:
        return f"ends in {left.days} days" if left.days else "ends today"
    if entry is None:
        return "not in the file"
    if newest and (different := list(differences(entry, issued, chains))):
        return f"file differs: {', '.join(different)}"
    return "good"


def differences(entry: Planned, issued: Issued, chains: Chains) -> Iterator[str]:
    """In what the certificate is not what the file asks for; `hil pki renew` mends all but the key."""
    if entry.imported:
        return
    if issued.certificate.subject != name_of(entry.subject):
        yield "subject"
    issuer = chains.issuer(issued)
    if (issuer.name if issuer else None) != (entry.issuer or (entry.name if entry.kind == "authorities" else None)):
        yield "issuer"
    if _algorithm(issued.certificate.public_key()) != entry.algorithm:  # type: ignore[arg-type]
        yield "key"
    wanted = {extension.oid: (extension, critical) for extension, critical in extensions(entry.usage)}
    identifiers = ("subjectKeyIdentifier", "authorityKeyIdentifier")
    has = {e.oid: (e.value, e.critical) for e in issued.certificate.extensions if e.oid._name not in identifiers}
    for oid in {**wanted, **has}:
        if wanted.get(oid) != has.get(oid):
            yield oid._name


def _algorithm(key: PublicKey) -> Algorithm | str:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return {"secp256r1": "ec-p256", "secp384r1": "ec-p384"}.get(key.curve.name, key.curve.name)
    return f"rsa-{key.key_size}" if isinstance(key, rsa.RSAPublicKey) else "unknown"


def _key(issued: Issued) -> str:
    """The key's algorithm, and how it lies there."""
    said = _algorithm(issued.certificate.public_key())  # type: ignore[arg-type]
    try:
        return f"{said}, encrypted" if store.is_encrypted((issued.folder / KEY).read_bytes()) else said
    except FileNotFoundError:
        return f"{said}, key elsewhere"
    except OSError as error:
        raise CredentialsError(f"{issued.folder / KEY}: cannot be read ({error.strerror})") from None


def serial(row: Row) -> str:
    return serial_of(row.issued.certificate) if row.issued else ""
