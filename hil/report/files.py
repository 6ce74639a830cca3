"""The report files of a run: each made from its folder alone, and written whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hil.report.html import as_html
from hil.report.junit import as_junit
from hil.report.markdown import as_markdown
from hil.report.runs import Run
from hil.report.summary import as_json
from hil.report.terminal import as_terminal


@dataclass(frozen=True, slots=True)
class Form:
    """A form of report: its text from a run, and the name of its file in the run's folder (None: it has none)."""

    render: Callable[[Run], str]
    file: str | None


FORMS: Mapping[str, Form] = {
    "html": Form(as_html, "report.html"),
    "json": Form(as_json, "summary.json"),
    "junit": Form(as_junit, "junit.xml"),
    "markdown": Form(as_markdown, "summary.md"),
    "terminal": Form(as_terminal, None),
}


DEFAULT = tuple(name for name, form in FORMS.items() if form.file is not None)
"""What a run leaves in its folder, unless --reports says otherwise."""


def write(run: Run, forms: Iterable[str] = DEFAULT) -> list[Path]:
    """Write these forms into the run's folder, for its owner alone; returns the files. Raises OSError."""
    written = []
    for form in (FORMS[name] for name in forms):
        if form.file is not None:
            put(run.folder / form.file, form.render(run))
            written.append(run.folder / form.file)
    return written


def put(path: Path, text: str) -> None:
    """Write a file with mode 0600, in place of one that may be there; nobody ever sees half of it.

    Raises OSError that names `path`.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(text.encode("utf-8", "backslashreplace"))
        draft.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            draft.unlink()
