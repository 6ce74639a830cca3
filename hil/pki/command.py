"""`hil pki`: the parser alone; what the commands do is in `hil.pki.actions`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable

_WORDS = "a hierarchy of certificates described in a file: make it, renew, revoke, list, import, hand over"

_New = Callable[[str, str], argparse.ArgumentParser]
"""Makes the parser of an action, from its name and what it does."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `hil pki` and its actions."""
    actions = commands.add_parser("pki", help=_WORDS, description=_WORDS).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )
    every = argparse.ArgumentParser(add_help=False)
    every.add_argument(
        "--pki",
        metavar="FILE",
        default=os.environ.get("HIL_PKI", "pki.toml"),
        help="the file that describes it, or its directory (default: $HIL_PKI, or pki.toml)",
    )

    def new(name: str, words: str) -> argparse.ArgumentParser:
        # Abbreviations are off: '--passphrase WORD' must not be taken for --passphrase-env.
        parser = actions.add_parser(name, help=words, description=words, parents=[every], allow_abbrev=False)
        parser.set_defaults(run=run)
        return parser

    _add_keeping(new)
    _add_showing(new)
    _add_exchange(new)


def _add_keeping(new: _New) -> None:
    """What makes certificates, and ends them."""
    issue = new("issue", "make what is described and not there yet, or was revoked")
    issue.add_argument("names", nargs="*", metavar="NAME", help="only these, and the authorities above them")
    renew = new("renew", "a new certificate of the same key")
    renew.add_argument("names", nargs="*", metavar="NAME")
    renew.add_argument("--within", type=float, metavar="DAYS", help="all that end within so many days")
    rotate = new("rotate", "a new key and certificate; the old ones stay good until they end or are revoked")
    rotate.add_argument("names", nargs="+", metavar="NAME")
    revoke = new("revoke", "put certificates into their issuer's revocation list (CRL)")
    revoke.add_argument("name", metavar="NAME", help="all its good certificates, unless one of these says otherwise:")
    which = revoke.add_mutually_exclusive_group()
    which.add_argument("--serial", metavar="HEX", help="the one with this serial number")
    which.add_argument("--superseded", action="store_true", help="all but the newest")
    revoke.add_argument("--reason", metavar="REASON", help="such as keyCompromise, superseded, cessationOfOperation")
    crl = new("crl", "sign the revocation lists anew, before they expire")
    crl.add_argument("names", nargs="*", metavar="AUTHORITY", help="only of these")


def _add_showing(new: _New) -> None:
    """What only shows."""
    listing = new(
        "list", "list the certificates with what is left of their days; exit code 1 if something is to be done"
    )
    listing.add_argument("--within", type=float, default=30, metavar="DAYS", help="what counts as soon (default: 30)")
    listing.add_argument("--all", action="store_true", help="older certificates as well")
    new("tree", "show who issued whom")


def _add_exchange(new: _New) -> None:
    """What brings from elsewhere, and what is written for others."""
    bring = new("import", "bring an authority that was made elsewhere")
    bring.add_argument("name", metavar="NAME", help="its name in the file, where it has imported = true")
    bring.add_argument("--certificate", required=True, metavar="PEM", help="its certificate, then those above it")
    bring.add_argument("--key", metavar="PEM", help="its key; without it, it is trusted but cannot sign")
    bring.add_argument(
        "--passphrase-env", metavar="NAME", help="environment variable that opens the key (default: asks, if it must)"
    )
    breaking = new("break", "make certificates that are wrong on purpose, as NAME would show them; keep none of them")
    breaking.add_argument("name", metavar="NAME", help="a device or server of the file")
    breaking.add_argument(
        "--flaw", action="append", metavar="FLAW", help="such as expired; may be repeated (default: all)"
    )
    breaking.add_argument("--to", required=True, metavar="DIR", help="gets a directory for each flaw")
    openssl = new("openssl", "write openssl's configuration and commands for the same hierarchy")
    openssl.add_argument("--to", required=True, metavar="DIR", help="a new or empty directory")
    grid = new("eventgrid", "what Azure Event Grid is to be told; exit code 1 if it would not know a device")
    grid.add_argument("names", nargs="*", metavar="DEVICE", help="only these (default: all)")


def run(options: argparse.Namespace) -> int:
    """Do it; returns the exit code. Raises CredentialsError and hil.toml.FileError."""
    from hil.pki import actions

    return actions.ALL[options.action](options)
