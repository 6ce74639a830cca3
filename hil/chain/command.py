"""`hil chain HOST:PORT`: from the command line to a report, files and an exit code."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from hil.chain.endpoint import ChainError, Endpoint

if TYPE_CHECKING:
    from hil.chain.survey import Survey

_FAILED = 1
_LANGUAGES = ("c", "csharp", "python", "pem")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    words = "fetch a server's certificate chain, check it, and write what a device has to trust"
    chain = commands.add_parser("chain", help=words, description=words)
    chain.set_defaults(run=run)
    chain.add_argument("endpoint", metavar="HOST:PORT", type=_endpoint, help="the server, such as broker.example:8883")
    chain.add_argument("--name", metavar="NAME", help="ask for this name (SNI), and expect it (default: HOST)")
    chain.add_argument(
        "--trust", choices=["root", "intermediate"], default="root", help="what to trust (default: root)"
    )
    chain.add_argument(
        "--write",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="write what to trust; by its ending as C or C++ (.h, .ino), C# (.cs), Python (.py) or PEM (.pem); "
        "may be given several times",
    )
    chain.add_argument("--print", dest="language", choices=_LANGUAGES, help="print it; the report goes to stderr")
    chain.add_argument(
        "--chain", metavar="FILE", type=Path, help="write the whole chain as PEM, in order and completed"
    )
    chain.add_argument("--sent", metavar="FILE", type=Path, help="write the chain as PEM just as it was sent")
    chain.add_argument("--constant", metavar="NAME", help="name of the constant (default: TRUST_ANCHORS_PEM)")
    chain.add_argument("--style", choices=["lines", "raw"], default="lines", help="one literal a line, or a raw string")
    chain.add_argument("--store", metavar="FILE", type=Path, help="roots in PEM (default: the system's store)")
    chain.add_argument(
        "--aia", action="store_true", help="fetch issuers that were not sent, from where it says they are"
    )
    chain.add_argument("--tls", choices=["1.2", "1.3"], help="speak this version alone (default: the best of both)")
    chain.add_argument("--timeout", metavar="S", type=_seconds, default=10.0, help="for each step (default: 10 s)")
    chain.add_argument("--force", action="store_true", help="write in spite of faults, and replace files")


def _endpoint(text: str) -> Endpoint:
    try:
        return Endpoint.parse(text)
    except ChainError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected seconds above 0, at most 3600")
    return seconds


def run(options: argparse.Namespace) -> int:
    """Fetch, judge, show, write. 0 if devices can connect with what was chosen, 1 if not, or if nothing was fetched."""
    from hil.chain.report import render

    try:
        survey = _survey(options)
        print(render(survey), end="", file=sys.stderr if options.language else sys.stdout, flush=True)
        _write(survey, options)
    except ChainError as error:
        print(f"hil: {error}", file=sys.stderr)
        return _FAILED
    return _FAILED if survey.faults else 0


def _survey(options: argparse.Namespace) -> Survey:
    from hil.chain import store
    from hil.chain.fetch import fetch
    from hil.chain.survey import survey

    roots = store.of_file(options.store) if options.store else store.system()
    fetched = fetch(options.endpoint, options.name, timeout=options.timeout, version=options.tls)
    wait = options.timeout if options.aia else None
    return survey(fetched, roots, datetime.now(UTC), wanted=options.trust, fetch_issuers=wait)


def _write(survey: Survey, options: argparse.Namespace) -> None:
    from hil.chain.files import CONSTANT, save, text
    from hil.credentials.identity import pem
    from hil.sources import Language

    name = options.constant or CONSTANT
    files = {}
    if options.sent:  # what was seen is worth keeping above all when it is wrong
        save({options.sent: pem(*survey.fetched.certificates).decode()}, replace=options.force)
        print(f"wrote {options.sent}", file=sys.stderr)
    if options.chain:
        files[options.chain] = pem(*survey.path.certificates).decode()
    wanted = options.write or options.language
    if wanted and not survey.choice.anchors:
        raise ChainError("nothing written: there is nothing that a device could trust; see the faults above")
    if (wanted or files) and survey.faults and not options.force:
        raise ChainError("nothing written: devices could not connect; see the faults above, or give --force")
    for path in options.write:
        files[path] = text(survey, Language.of(path), name=name, style=options.style)
    save(files, replace=options.force)
    for path in files:
        print(f"wrote {path}", file=sys.stderr)
    if options.language:
        print(text(survey, options.language, name=name, style=options.style), end="")
