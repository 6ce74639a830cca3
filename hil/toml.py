"""Read a TOML file into a pydantic model, with errors a person can act on.

Each fault becomes one line: the file, the key, what was found there, and what is expected.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from hil.file_error import FileError as FileError

Model = TypeVar("Model", bound=BaseModel)

#: Keys under which somebody may have written a secret by mistake; an error must not print it.
SECRET_KEY = re.compile(r"pass|secret|token|community|(key|auth|priv)$", re.IGNORECASE)


class Strict(BaseModel):
    """What every table of a rig or contract file is: no unknown keys, no silent conversions of one type to another."""

    # What a table consists of is worked out when a file is read: once, with those around it, and not at each start.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def read(path: Path, model: type[Model]) -> Model:
    """The file at `path` as a `model`. Raises FileError, for a file that is missing or not TOML as well."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileError(path, [f"no such file{_similar_file(path)}"]) from None
    except IsADirectoryError:
        raise FileError(path, ["is a directory, expected a TOML file"]) from None
    except PermissionError:
        raise FileError(path, ["may not be read by this user; check its mode and owner"]) from None
    except UnicodeDecodeError as error:
        raise FileError(path, [f"is not UTF-8 text (byte {error.start})"]) from None
    except tomllib.TOMLDecodeError as error:
        raise FileError(path, [f"is not valid TOML: {error}"]) from None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise FileError(path, [_fault(e, model, raw) for e in error.errors(include_url=False)]) from None


def _fault(error: ErrorDetails, model: type[BaseModel], raw: object) -> str:
    location = [str(part) for part in error["loc"]]
    key = ".".join(_in_file(location, raw)) or "the file"
    found = _show(error.get("input")) if not SECRET_KEY.search(key) else "a text that is not shown"
    match error["type"]:
        case "missing":
            return f"{key}: found nothing, expected this key to be set"
        case "extra_forbidden":
            known = _keys_at(model, location[:-1])
            near = difflib.get_close_matches(location[-1], known, n=1)
            meant = f"; did you mean '{near[0]}'?" if near else f"; known keys here: {', '.join(sorted(known))}"
            return f"{key}: found a key that is not known{meant}"
        case "too_short":
            return f"{key}: found {found}, expected at least {error.get('ctx', {}).get('min_length')} entry"
        case "union_tag_invalid":
            context = error.get("ctx", {})
            tag_key = str(context.get("discriminator", "kind")).strip("'")
            return f"{key}.{tag_key}: found {context.get('tag')!r}, expected one of {context.get('expected_tags')}"
        case "union_tag_not_found":
            tag_key = str(error.get("ctx", {}).get("discriminator", "kind")).strip("'")
            return f"{key}: found no key '{tag_key}', expected one that says which kind this is"
        case "value_error":
            return f"{key}: {error['msg'].removeprefix('Value error, ')}"
    expected = error["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}: found {found}, expected {expected[0].lower() + expected[1:]}"


def _in_file(location: list[str], raw: object) -> list[str]:
    """`location` without the parts that are not in the file: a union puts its tag or type there."""
    kept: list[str] = []
    current = raw
    for number, part in enumerate(location):
        last = number == len(location) - 1
        if isinstance(current, dict) and (part in current or (last and not _added(part, current))):
            current = current.get(part)
        elif isinstance(current, list) and part.isdigit() and int(part) < len(current):
            current = current[int(part)]
        else:
            continue
        kept.append(part)
    return kept


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return "a table" if value else "an empty table"
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _keys_at(model: type[BaseModel], location: list[str]) -> list[str]:
    """The keys a table at `location` may have, followed through nested models as far as annotations tell."""
    current: list[type[BaseModel]] = [model]
    for part in location:
        following: list[type[BaseModel]] = []
        for candidate in current:
            field = candidate.model_fields.get(part)
            following += _models_in(field.annotation) if field is not None else []
            following += [m for m in [candidate] if _tag(m) == part]
        current = following or current
    return [name for candidate in current for name in candidate.model_fields]


#: The keys that say which of a union's models a table is.
_DISCRIMINATORS = ("kind", "method")


def _added(part: str, table: dict[str, Any]) -> bool:
    """Whether this part of a location is a union's tag, or the index of a table that stands alone for a list."""
    return part.isdigit() or " " in part or part in [table[key] for key in _DISCRIMINATORS if key in table]


def _tag(model: type[BaseModel]) -> str | None:
    for key in _DISCRIMINATORS:
        field = model.model_fields.get(key)
        if field is not None and get_origin(field.annotation) is Literal:
            return str(get_args(field.annotation)[0])
    return None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, BaseModel) else []
    found: list[type[BaseModel]] = []
    for inner in getattr(annotation, "__args__", ()) or ():
        found += _models_in(inner)
    return found


def _similar_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"; the folder {path.parent} does not exist either"
    near = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.toml")], n=1, cutoff=0.75)
    return f"; did you mean {path.parent / near[0]}?" if near else ""
