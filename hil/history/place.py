"""Where the history lies: a file, or a database server, or nowhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

if TYPE_CHECKING:
    from hil.rig import Rig

OFF: Final = "off"
VARIABLE: Final = "HIL_HISTORY"
KEY: Final = "history"
"""The rig's key."""
FILE: Final = "history.sqlite"
"""The file's name, where nobody says otherwise: it lies in the rig's artifacts folder, beside those of the runs."""


_SECRET: Final = ("password", "sslpassword")
"""Parameters of a PostgreSQL URL that hold secrets."""


class PlaceError(ValueError):
    """A place that cannot be. One line: who says it, what was found, what is expected."""


@dataclass(frozen=True, slots=True)
class Place:
    """`url`: as SQLAlchemy takes it. `shown`: the same for people, without a password."""

    url: str = field(repr=False)
    shown: str

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database."""
        return Path(self.url.removeprefix("sqlite:///")) if self.url.startswith("sqlite:") else None


def of_rig(rig: Rig, option: str | None = None, environment: Mapping[str, str] | None = None) -> Place | None:
    """The place that --history, $HIL_HISTORY or the rig's key names, in this order; else a file beside its artifacts.

    None where one of them says 'off'. Paths of the rig are taken from its folder. Raises PlaceError.
    """
    said, by = _said(option, rig.file.history, environment)
    if said is None:
        return _file(rig.resolve(rig.file.artifacts) / FILE)
    return None if said == OFF else parse(said, by, rig.path.parent if by == KEY else Path.cwd())


def of_command(rig_file: Path, option: str | None = None, environment: Mapping[str, str] | None = None) -> Place | None:
    """As `of_rig`; but the rig is read only if nobody else says where. Raises PlaceError and hil.toml.FileError."""
    said, by = _said(option, None, environment)
    if said is None:
        from hil import rig as rigs

        return of_rig(rigs.load(rig_file))
    return None if said == OFF else parse(said, by, Path.cwd())


def parse(said: str, by: str, folder: Path) -> Place:
    """The place that `by` names: a path from `folder` on, sqlite:///path, or postgresql://user@host/name.

    Only the environment may hold a password: an option stands in the list of processes, a rig file in a repository.
    Raises PlaceError.
    """
    if "://" not in said:
        return _file((folder / Path(said).expanduser()).absolute())
    parts = _parts(said, by)
    if (parts.password is not None or _hidden(parts.query) != parts.query) and by != VARIABLE:
        raise PlaceError(
            f"{by}: found a password in the URL, expected none; put it into $PGPASSWORD or ~/.pgpass, or the whole URL "
            f"into ${VARIABLE}"
        )
    match parts.scheme:
        case "sqlite":
            path = said.removeprefix("sqlite://")
            if not path.startswith("/") or len(path) < 2:
                raise PlaceError(f"{by}: found {said!r}, expected sqlite:///path/of/a/file")
            return _file((folder / path[1:]).absolute())
        case "postgresql" | "postgres":
            shown = urlunsplit(parts._replace(netloc=_without_password(parts), query=_hidden(parts.query)))
            return Place(urlunsplit(parts._replace(scheme="postgresql+psycopg")), shown)
    raise PlaceError(f"{by}: found {parts.scheme}://, expected a path, sqlite:///path or postgresql://user@host/name")


def _parts(said: str, by: str) -> SplitResult:
    """The URL's parts. What a password with a bare / ? # or @ in it makes of a URL is refused, and not repeated."""
    try:
        parts = urlsplit(said)
        odd = parts.port == 0 or parts.netloc.count("@") > 1 or "@" in parts.path + parts.query + parts.fragment
    except ValueError:
        odd = True
    if odd:
        raise PlaceError(
            f"{by}: found a URL that cannot be read, expected postgresql://user@host/name; in a password write / as "
            "%2F, ? as %3F, # as %23, @ as %40"
        )
    return parts


def _hidden(query: str) -> str:
    """A query without what is secret in it."""
    return "&".join(part for part in query.split("&") if unquote(part.partition("=")[0]).lower() not in _SECRET)


def _said(option: str | None, rig_key: str | None, environment: Mapping[str, str] | None) -> tuple[str | None, str]:
    variable = (os.environ if environment is None else environment).get(VARIABLE)
    for said, by in ((option, "--history"), (variable, VARIABLE), (rig_key, KEY)):
        if said:
            return said, by
    return None, ""


def _file(path: Path) -> Place:
    return Place(f"sqlite:///{path}", str(path))


def _without_password(parts: SplitResult) -> str:
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return f"{name}@{host}" if name else host
