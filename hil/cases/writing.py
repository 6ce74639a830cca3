"""A case as TOML, and as a folder."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.items import Item

from hil.cases.case import FILE, Case, CaseFile
from hil.cases.conditions import PolicyCondition
from hil.gateway import policies


def write(case: Case, folder: Path) -> Case:
    """Write `case` into `folder`, with copies of those of its files that lie in its own folder. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    there = _moved(case, folder)
    if folder != case.folder:
        for path in _own_files(case):
            _copy(case.folder / path, folder / path)
    place(folder / FILE, text(there.file).encode())
    return there


def text(file: CaseFile) -> str:
    """case.toml: what is not as by default, tables within tables on one line."""
    document = tomlkit.document()
    plain = _plain(file.model_dump(exclude_defaults=True))
    if "condition" in plain:
        plain["condition"] = [_what_first(table) for table in plain["condition"]]
    late: dict[str, Any] = {}
    for key, value in plain.items():
        if isinstance(value, dict) or _is_tables(value):
            late[key] = value
        else:
            document.add(key, _item(value))
    for key, value in late.items():
        document.add(key, _tables(value) if isinstance(value, list) else _table(value))
    return tomlkit.dumps(document)


def place(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file at once or not at all; `mode` before the first byte. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
    new.replace(path)


def _moved(case: Case, folder: Path) -> Case:
    """The case as it is in another folder: paths that lead out of its own are written anew."""
    if folder == case.folder:
        return case
    firmware = case.firmware.model_copy(
        update={
            key: _from(case, folder, path)
            for key in ("image", "contract")
            if (path := getattr(case.firmware, key)) is not None
        }
    )
    conditions = [
        condition.model_copy(update={"policy": _from(case, folder, condition.policy)})
        if isinstance(condition, PolicyCondition) and condition.policy not in policies.names()
        else condition
        for condition in case.conditions
    ]
    evidence = [each.model_copy(update={"file": _from(case, folder, each.file)}) for each in case.file.evidence]
    update = {"firmware": firmware, "condition": conditions, "evidence": evidence}
    return replace(case, folder=folder, file=case.file.model_copy(update=update))


def _from(case: Case, folder: Path, path: str) -> str:
    target = case.resolve(path)
    if target.is_relative_to(case.folder):
        return str(target.relative_to(case.folder))
    return os.path.relpath(target, folder)


def _own_files(case: Case) -> Iterator[Path]:
    """What the case names and has in its own folder, as paths in it."""
    named = [evidence.file for evidence in case.file.evidence]
    named += [path for path in (case.firmware.image, case.firmware.contract) if path is not None]
    named += [
        condition.policy
        for condition in case.conditions
        if isinstance(condition, PolicyCondition) and condition.policy not in policies.names()
    ]
    for path in named:
        target = case.resolve(path)
        if target.is_relative_to(case.folder):
            yield target.relative_to(case.folder)


def _copy(source: Path, target: Path) -> None:
    """The mode goes along: a log that nobody else may read stays so."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                place(target / path.relative_to(source), path.read_bytes(), path.stat().st_mode & 0o777)
    else:
        place(target, source.read_bytes(), source.stat().st_mode & 0o777)


def _what_first(table: dict[str, Any]) -> dict[str, Any]:
    """A condition as a person would write it: what it is, and then where that is from."""
    late = {key: table[key] for key in ("note", "shown_by", "sure") if key in table}
    early = {key: table[key] for key in ("name", "kind")}
    return early | {key: value for key, value in table.items() if key not in late} | late


# -- TOML ----------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Values as TOML has them; None, which it has not, is left out."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(inner, dict) for inner in value)


def _table(value: Mapping[str, Any]) -> Item:
    table = tomlkit.table()
    late = {}
    for key, inner in value.items():
        if _is_tables(inner):
            late[key] = inner
        else:
            table.add(key, _item(inner))
    for key, inner in late.items():
        table.add(key, _tables(inner))
    return table


def _tables(values: list[Mapping[str, Any]]) -> Item:
    array = tomlkit.aot()
    for value in values:
        table = tomlkit.table()
        for key, inner in value.items():
            table.add(key, _item(inner))
        array.append(table)
    return array


def _item(value: Any) -> Item:
    if isinstance(value, dict):
        inline = tomlkit.inline_table()
        for key, inner in value.items():
            inline.add(key, _item(inner))
        return inline
    if isinstance(value, list):
        array = tomlkit.array()
        for inner in value:
            array.append(_item(inner))
        return array
    if isinstance(value, str) and "\n" in value:
        return tomlkit.string(value, multiline=True)
    made: Item = tomlkit.item(value)
    return made
