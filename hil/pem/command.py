"""`hil pem`: check certificates and keys in files, and write the clean form."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.pem.check import Report


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command's arguments."""
    words = "check certificates and keys in PEM files and sources: what each TLS stack will make of them"
    parser = commands.add_parser("pem", help=words, description=words)
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="PEM, C, C++, Arduino, C# or Python; keys and certificates may be apart",
    )
    parser.add_argument("--fix", action="store_true", help="write the clean form in place; all else stays as it is")
    parser.add_argument("--json", action="store_true", help="as JSON, for other programs")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check the files; 0 where there are warnings at most, 1 where there are errors, 2 where a file cannot be read."""
    from hil.pem.check import PemError, check, fix, load

    try:
        sources = [load(Path(name)) for name in dict.fromkeys(options.files)]
        fixed = []
        if options.fix:
            for source in sources:
                text = fix(source)
                if text != source.text:
                    replace(Path(source.name), text.encode("utf-8", "surrogateescape"))
                    fixed.append(source.name)
            sources = [load(Path(source.name)) for source in sources] if fixed else sources
    except PemError as error:
        print(f"hil: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        what = (
            "is a directory, expected files: name those in it" if Path(str(error.filename)).is_dir() else error.strerror
        )
        print(f"hil: {error.filename}: {what}", file=sys.stderr)
        return 2
    report = check(sources)
    print(_json(report, fixed) if options.json else _text(report, len(sources), fixed))
    return 1 if report.errors else 0


def replace(path: Path, data: bytes) -> None:
    """Write a file anew, all or nothing; its mode stays, and a symbolic link stays one."""
    path = path.resolve()
    mode = path.stat().st_mode
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, mode & 0o7777)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _text(report: Report, files: int, fixed: list[str]) -> str:
    lines = [f"{name}: written in the clean form" for name in fixed]
    for finding in report.findings:
        detail = f" ({finding.detail})" if finding.detail else ""
        rule = finding.rule
        lines.append(
            f"{finding.file}:{finding.line}:{finding.column}: {rule.level}: {rule.words}{detail} [{rule.name}]"
        )
        lines.append(f"    {finding.what}: {finding.verdict}" + ("; --fix mends it" if rule.fixable else ""))
    errors = len(report.errors)
    warnings = len(report.findings) - errors
    lines.append(f"{report.blocks} blocks in {files} files: {errors} errors, {warnings} warnings")
    return "\n".join(lines)


def _json(report: Report, fixed: list[str]) -> str:
    findings = [
        {
            "file": finding.file,
            "line": finding.line,
            "column": finding.column,
            "level": finding.rule.level,
            "rule": finding.rule.name,
            "block": finding.what,
            "words": finding.rule.words,
            "detail": finding.detail,
            "mbedtls": None if finding.rule.mbedtls is None else -finding.rule.mbedtls,
            "openssl": finding.rule.openssl,
            "verdict": finding.verdict,
            "fixable": finding.rule.fixable,
        }
        for finding in report.findings
    ]
    return json.dumps({"blocks": report.blocks, "fixed": fixed, "findings": findings}, indent=2)
