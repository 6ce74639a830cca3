"""What each action of `hil pki` does: from the options to an exit code, printing nothing that is secret."""

from __future__ import annotations

import argparse
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hil.credentials import CredentialsError, Flaw
from hil.pki import breaking, eventgrid, importing, listing, openssl
from hil.pki.description import VARIABLE, Passphrase
from hil.pki.filling import load
from hil.pki.hierarchy import Pki
from hil.pki.passphrase import Passphrases
from hil.pki.shelf import Issued


def issue(options: argparse.Namespace) -> int:
    pki = Pki.load(Path(options.pki))
    _told(pki, "issued", pki.issue(options.names), "nothing to do: all of it is there")
    return 0


def renew(options: argparse.Namespace) -> int:
    pki = Pki.load(Path(options.pki))
    if bool(options.names) == (options.within is not None):
        print("hil: found names and --within, or neither; expected one of them", file=sys.stderr)
        return 2
    within = None if options.within is None else timedelta(days=options.within)
    _told(pki, "renewed", pki.renew(options.names, within=within), "nothing to do: nothing ends so soon")
    return 0


def rotate(options: argparse.Namespace) -> int:
    pki = Pki.load(Path(options.pki))
    made = pki.rotate(options.names)
    _told(pki, "rotated", made, "")
    for issued in made:
        below = [entry.name for entry in pki.plan.below(issued.name) if entry.name not in options.names]
        if below:
            print(f"below {issued.name}, still signed by its old key: {', '.join(below)}; hil pki renew changes that")
    return 0


def revoke(options: argparse.Namespace) -> int:
    pki = Pki.load(Path(options.pki))
    gone = pki.revoke(options.name, serial=options.serial, superseded=options.superseded, reason=options.reason)
    for issued in gone:
        print(f"revoked {issued.name} {issued.label}")
    for path in sorted({path for issued in gone if (path := pki.crl_of(issued)) is not None}):
        print(f"revocation list: {path}")
    return 0


def crl(options: argparse.Namespace) -> int:
    for path in Pki.load(Path(options.pki)).refresh_crls(options.names):
        print(path)
    return 0


def list_(options: argparse.Namespace) -> int:
    rows = listing.rows(Pki.load(Path(options.pki)), soon=timedelta(days=options.within), everything=options.all)
    now = datetime.now(UTC)
    lines = [("name", "no.", "issuer", "key", "ends", "days", "state", "serial")]
    for row in rows:
        ends, days = (f"{row.ends:%Y-%m-%d}", str((row.ends - now).days)) if row.ends else ("", "")
        number = row.issued.label if row.issued else ""
        lines.append((row.name, number, row.issuer, row.key, ends, days, row.state, listing.serial(row)))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:  # never shortened, as a table for the screen would be: people copy names and serial numbers
        print("  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip())
    return int(any(row.attention for row in rows))


def tree(options: argparse.Namespace) -> int:
    print(listing.tree(Pki.load(Path(options.pki))))
    return 0


def import_(options: argparse.Namespace) -> int:
    pki = Pki.load(Path(options.pki))
    if options.passphrase_env is not None and not VARIABLE.fullmatch(options.passphrase_env):
        print("hil: --passphrase-env: expected the name of an environment variable, never its value", file=sys.stderr)
        return 2
    source = Passphrase(env=options.passphrase_env) if options.passphrase_env else Passphrase(prompt=True)
    key = None if options.key is None else Path(options.key)
    issued = importing.bring(
        pki, options.name, Path(options.certificate), key, lambda: Passphrases().get(source, f"{key}")
    )
    print(f"imported {issued.name} {issued.label}: {issued.certificate.subject.rfc4514_string()}")
    if issued.has_key and pki.plan.named(options.name).passphrase is None:
        print("its key lies there unencrypted: the file names no passphrase for it")
    return 0


def break_(options: argparse.Namespace) -> int:
    flaws = [Flaw.named(name) for name in options.flaw or Flaw]
    for folder in breaking.write(Pki.load(Path(options.pki)), options.name, flaws, Path(options.to)):
        print(folder)
    return 0


def write_openssl(options: argparse.Namespace) -> int:
    target = Path(options.to)
    openssl.write(load(Path(options.pki)), target)
    print(f"{target / openssl.CONFIGURATION}\n{target / openssl.COMMANDS}")
    return 0


def event_grid(options: argparse.Namespace) -> int:
    pki = Pki.load(Path(options.pki))
    found = [eventgrid.registration(pki, name) for name in options.names or [e.name for e in pki.plan.of("devices")]]
    for path, name in sorted({(r.upload, r.upload_name) for r in found if r.upload is not None}):
        print(f"upload as CA certificate {name}: {os.path.relpath(path)}")
    for r in found:
        print(f"{r.device}: authentication name {r.authentication_name}, {r.scheme}, thumbprint {r.thumbprint}")
        for fault in r.faults:
            print(f"  wrong: {fault}")
    if not found:
        raise CredentialsError(f"{pki.plan.path}: describes no devices")
    return int(any(r.faults for r in found))


def _told(pki: Pki, what: str, made: list[Issued], nothing: str) -> None:
    for issued in made:
        ends = issued.certificate.not_valid_after_utc
        wanted = pki.plan.entries[issued.name].days
        early = ends < datetime.now(UTC) + timedelta(days=wanted) - timedelta(minutes=10)
        note = ", when its issuer ends" if early else ""
        print(f"{what} {issued.name} {issued.label}, until {ends:%Y-%m-%d}{note}: {issued.folder}")
    if not made:
        print(nothing)


ALL = {
    "issue": issue,
    "renew": renew,
    "rotate": rotate,
    "revoke": revoke,
    "crl": crl,
    "list": list_,
    "tree": tree,
    "import": import_,
    "break": break_,
    "openssl": write_openssl,
    "eventgrid": event_grid,
}
