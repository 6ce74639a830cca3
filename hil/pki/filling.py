"""From the tables of a file to what is planned: `each` multiplied out, placeholders filled in, fields checked."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path

from hil import templates
from hil.credentials.identity import CredentialsError
from hil.credentials.issue import (
    AUTHORITY_BITS,
    CLIENT_AUTH,
    SERVER_AUTH,
    SUBJECT_FIELDS,
    Algorithm,
    Usage,
    general_name,
)
from hil.pki.description import NAME, PLACES, Authentication, AuthorityEntry, DeviceEntry, PkiFile
from hil.pki.plan import Plan, Planned, connect
from hil.toml import FileError, read

#: RFC 5280, appendix A: the upper bounds, in characters.
_LONGEST = {"C": 2, "ST": 128, "L": 128, "O": 64, "OU": 64, "CN": 64}
_PURPOSES = {"client": (CLIENT_AUTH,), "server": (SERVER_AUTH,), "both": (CLIENT_AUTH, SERVER_AUTH)}

Table = AuthorityEntry | DeviceEntry


def load(path: Path) -> Plan:
    """Read a hierarchy's file, or the pki.toml of a directory. Raises FileError with every fault."""
    path = (path / "pki.toml" if path.is_dir() else path).resolve()
    file = read(path, PkiFile)
    faults: list[str] = []
    entries: dict[str, Planned] = {}
    for key, table, name, values in _expanded(file):
        try:
            planned = _planned(file, table, name, values)
        except (CredentialsError, templates.TemplateError) as error:
            faults.append(f"{key}: {error}")
            continue
        if name in entries:
            faults.append(f"{key}: found the name {name!r} a second time, expected each name once")
        entries[name] = planned
    if not faults:
        entries, faults = connect(entries)
    if faults:
        raise FileError(path, list(dict.fromkeys(faults)))
    directory = (path.parent / Path(file.directory).expanduser()).resolve()
    return Plan(path, file.name, directory, file.defaults.crl_days, entries)


def _expanded(file: PkiFile) -> Iterator[tuple[str, Table, str, dict[str, str]]]:
    """Each table with its key in the file, once for each combination of its `each`."""
    tables: list[tuple[str, str, Table]] = []
    tables += [(f"authorities.{name}", name, a) for name, a in file.authorities.items()]
    tables += [(f"devices.{name}", name, d) for name, d in file.devices.items()]
    for key, stem, table in tables:
        own = {place: value for place in PLACES if (value := getattr(table, place)) is not None}
        lists = {k: v for k, v in table.each if v is not None} if table.each is not None else {}
        for combination in itertools.product(*lists.values()):
            yield key, table, "-".join((stem, *combination)), own | dict(zip(lists, combination, strict=True))


def _planned(file: PkiFile, table: Table, name: str, values: dict[str, str]) -> Planned:
    if not NAME.fullmatch(name):
        raise CredentialsError(f"found name {name!r}, expected letters, digits, '-', '_' or '.', at most 63")
    names = {"name": name} | values
    subject = _subject(file, table, names)
    device = table if isinstance(table, DeviceEntry) else None
    authority = table if isinstance(table, AuthorityEntry) else None
    defaults = file.defaults
    passphrase = table.passphrase or (defaults.passphrase if authority else None)
    algorithm = table.algorithm or defaults.algorithm
    authentication = device.authentication if device else Authentication()
    known_as = templates.fill(authentication.name, names) if authentication.name is not None else subject["CN"]
    return Planned(
        kind="authorities" if authority else "devices",
        name=name,
        issuer=None if table.issuer is None else templates.fill(table.issuer, names),
        subject=subject,
        algorithm=algorithm,
        days=table.days or (defaults.authority_days if authority else defaults.device_days),
        key_format=table.key_format or ("pkcs8" if passphrase else defaults.key_format),
        passphrase=passphrase,
        usage=_device_usage(device, names, algorithm) if device else _authority_usage(table),
        places={k: v for k, v in values.items() if k in PLACES},
        crl_url=templates.fill(authority.crl_url, names) if authority and authority.crl_url else None,
        imported=authority is not None and authority.imported,
        self_signed=device is not None and device.self_signed,
        authentication=authentication.model_copy(update={"name": known_as}),
    )


def _subject(file: PkiFile, table: Table, names: Mapping[str, str]) -> dict[str, str]:
    """The fields of the table, those that all share, and the entry's name as common name where nobody says one."""
    said = {k: v for subject in (file.subject, table.subject) for k, v in subject if v is not None}
    found = {k: templates.fill(v, names) for k, v in ({"CN": "{name}"} | said).items()}
    for key, value in found.items():
        if not 1 <= len(value) <= _LONGEST[key] or not value.isprintable():
            raise CredentialsError(f"found {key} {value!r}, expected 1 to {_LONGEST[key]} printable characters")
        if key == "C" and not (len(value) == 2 and value.isascii() and value.isalpha() and value.isupper()):
            raise CredentialsError(f"found C {value!r}, expected two capital letters (ISO 3166), as in NZ")
    return {k: found[k] for k in SUBJECT_FIELDS if k in found}


def _authority_usage(table: Table) -> Usage:
    assert isinstance(table, AuthorityEntry)
    limits = table.name_constraints
    return Usage(
        authority=True,
        path_length=table.path_length,
        key_usage=AUTHORITY_BITS,
        permitted=tuple(limits.permitted) if limits else (),
        excluded=tuple(limits.excluded) if limits else (),
    )


def _device_usage(table: DeviceEntry, names: Mapping[str, str], algorithm: Algorithm) -> Usage:
    bits: tuple[str, ...] = ("digital_signature",)
    if table.purpose != "client" and algorithm.startswith("rsa"):
        bits += ("key_encipherment",)  # TLS 1.2 without Diffie-Hellman
    alternative = tuple(templates.fill(name, names) for name in table.names)
    for name in alternative:
        general_name(name)
    return Usage(authority=False, key_usage=bits, extended=_PURPOSES[table.purpose], names=alternative)
