"""What a device has to trust, as PEM and as source constants, written to files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hil.chain.describe import day, fingerprint, issuer, key, printable, subject
from hil.chain.endpoint import ChainError
from hil.chain.survey import Survey
from hil.credentials.identity import pem
from hil.sources import Constant, Language, SourceError, Style, write

CONSTANT = "TRUST_ANCHORS_PEM"
CLASS = "TrustAnchors"


def constant(survey: Survey, name: str = CONSTANT) -> Constant:
    """The trust anchors as one constant, which all TLS stacks take together; who they are stands in its comments."""
    fetched = survey.fetched
    asked = "" if fetched.name == fetched.endpoint.host else f", asked for {printable(fetched.name)}"
    comments = [f"What to trust to reach {fetched.endpoint}{asked}, as of {day(survey.moment)}."]
    for anchor in survey.choice.anchors:
        certificate = anchor.certificate
        dates = f"{day(certificate.not_valid_before_utc)} to {day(certificate.not_valid_after_utc)}"
        comments += [
            f"{anchor.role}: {subject(certificate)}",
            f"  signed by {issuer(certificate)}",
            f"  {key(certificate)}, {dates}",
            f"  SHA-256 {fingerprint(certificate)}",
        ]
    return Constant(name, pem(*survey.choice.certificates), comments)


def text(survey: Survey, language: Language | str, *, name: str = CONSTANT, style: Style | str = Style.LINES) -> str:
    """The trust anchors in a language. Raises ChainError for a name that is no identifier."""
    try:
        return write(language, [constant(survey, name)], style=style, name=CLASS)
    except SourceError as error:
        raise ChainError(str(error)) from None


def save(files: Mapping[Path, str], *, replace: bool = False) -> None:
    """Write the files, all or none as far as can be foreseen. Raises ChainError where one would be lost."""
    for path in files:
        if path.exists() and not replace:
            raise ChainError(f"{path}: exists; give another name, or --force to replace it")
        if not path.parent.is_dir():
            raise ChainError(f"{path}: there is no directory {path.parent}; make it first")
    for path, content in files.items():
        try:
            path.write_bytes(content.encode())
        except OSError as error:
            raise ChainError(f"{path}: cannot be written ({error.strerror})") from None
