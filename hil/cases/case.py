"""A case: what the field knew of a failure, as a folder that a bench can play.

    case = load(Path("cases/foreign-will"))
    case.without(["policy"]).write(Path("smaller"))

The folder holds case.toml, described in docs/cases.md, and the files that it names.
"""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil import contract as contracts
from hil.cases.conditions import Condition, PolicyCondition, policy_path
from hil.cases.signature import Signature
from hil.cases.trial import TrialTable
from hil.gateway import policies
from hil.toml import FileError, Strict, read

FILE = "case.toml"
"""The file's name in its folder."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class FirmwareTable(Strict):
    """The firmware that failed.

    `version`, `revision`: as the field told them. `image`: an image, or a folder with the images that the contract
    names; `sha256` of that one file. `options`: how a virtual board's firmware is built, in place of the rig's.
    `contract`: in place of the rig's.
    """

    version: str | None = None
    revision: str | None = None
    image: str | None = None
    sha256: Digest | None = None
    contract: str | None = None
    options: list[str] | None = None


class FieldTable(Strict):
    """What the field said, in words for people; what a bench can play of it stands in the conditions."""

    device: str = ""
    credentials: str = ""
    broker: str = ""
    network: str = ""
    clock: str = ""
    power: str = ""


class EvidenceTable(Strict):
    """A file that the field sent, or a part of one.

    `kind`: what it is. `sha256`: of the file as it lies here, without its secrets. `board`: its board, in a timeline.
    """

    file: str
    kind: Literal["timeline", "broker-log", "console", "pcap", "chain", "other"]
    sha256: Digest | None = None
    board: str | None = None
    note: str = ""


class CaseFile(Strict):
    """case.toml as it stands."""

    title: Annotated[str, Field(min_length=1)]
    reported: datetime.date | None = None
    source: str = ""
    story: str = ""
    firmware: FirmwareTable = FirmwareTable()
    field: FieldTable = FieldTable()
    condition: list[Condition] = Field(default_factory=list)
    trial: TrialTable = TrialTable()
    signature: Signature | None = None
    evidence: list[EvidenceTable] = Field(default_factory=list)

    @model_validator(mode="after")
    def _told_apart(self) -> CaseFile:
        names = [condition.name for condition in self.condition]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"condition: found the name {twice!r} twice, expected each name once")
        return self


@dataclass(frozen=True)
class Case:
    """A case that was read and found sound. `folder` is where the paths of `file` start."""

    folder: Path
    file: CaseFile

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def title(self) -> str:
        """What the case is called."""
        return self.file.title

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """What holds in each trial, in the order in which it comes into force."""
        return tuple(self.file.condition)

    @property
    def firmware(self) -> FirmwareTable:
        """The firmware that failed."""
        return self.file.firmware

    @property
    def trial(self) -> TrialTable:
        """What is done in each trial."""
        return self.file.trial

    @property
    def signature(self) -> Signature | None:
        """What the failure looks like; None while nobody has said."""
        return self.file.signature

    def resolve(self, path: str) -> Path:
        """A path from the file, taken from the case's folder."""
        return (self.folder / Path(path).expanduser()).resolve()

    def without(self, names: Iterable[str]) -> Case:
        """This case without the conditions of these names. Raises KeyError for a name that it does not have."""
        gone = set(names)
        unknown = gone - {condition.name for condition in self.conditions}
        if unknown:
            known = ", ".join(condition.name for condition in self.conditions) or "none"
            raise KeyError(f"case {self.name}: no condition {', '.join(sorted(unknown))}; it has: {known}")
        return self.with_conditions([condition for condition in self.conditions if condition.name not in gone])

    def with_conditions(self, conditions: Sequence[Condition]) -> Case:
        """This case with these conditions in place of its own."""
        return replace(self, file=self.file.model_copy(update={"condition": list(conditions)}))

    def with_firmware(self, image: Path, *, version: str | None = None) -> Case:
        """This case with another firmware: an image, or a folder of images. What was known of the first is left out.

        The contract stays.
        """
        table = FirmwareTable(version=version, image=str(image.resolve()), contract=self.firmware.contract)
        return replace(self, file=self.file.model_copy(update={"firmware": table}))

    def write(self, folder: Path) -> Case:
        """Write it as a case of its own, and return that: case.toml, and copies of the files that lie in this folder.

        What lies elsewhere is named by its path from there. Comments of this case's file are not kept. Raises OSError.
        """
        from hil.cases.writing import write

        return write(self, folder)


def load(folder: Path) -> Case:
    """Read a case: its folder, or its case.toml. Raises FileError, one line a fault, with file, key and cure."""
    path = folder if folder.name == FILE and not folder.is_dir() else folder / FILE
    if folder.is_dir() and not path.exists():
        raise FileError(path, [f"no such file: {folder} is no case; hil case new {folder} makes one"])
    if folder.name != FILE and folder.is_file():
        raise FileError(folder, ["is a file, and no case, which is a folder; hil case new NAME --from makes one of it"])
    file = read(path, CaseFile)
    case = Case(path.parent.resolve(), file)
    faults = [*_evidence_faults(case), *_policy_faults(case), *_firmware_faults(case)]
    if faults:
        raise FileError(path, faults)
    return case


def digest(path: Path) -> str:
    """The SHA-256 of a file, in hex. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _evidence_faults(case: Case) -> list[str]:
    faults = []
    for number, evidence in enumerate(case.file.evidence):
        key = f"evidence.{number}.file"
        path = case.resolve(evidence.file)
        if not path.is_file():
            faults.append(f"{key}: found {evidence.file!r}, which is no file here; copy it into the case")
        elif not os.access(path, os.R_OK):
            faults.append(f"{key}: {evidence.file!r} may not be read by this user; check its mode and owner")
        elif evidence.sha256 is not None and evidence.sha256 != (found := digest(path)):
            faults.append(
                f"evidence.{number}.sha256: {evidence.file!r} has changed since it was noted: it has {found}; "
                "bring the file back, or write that"
            )
    return faults


def _policy_faults(case: Case) -> list[str]:
    faults = []
    for number, condition in enumerate(case.conditions):
        if isinstance(condition, PolicyCondition):
            try:
                policies.load(policy_path(case.folder, condition.policy))
            except ValueError as error:
                faults += [f"condition.{number}.policy: {line}" for line in str(error).split("\n")]
    return faults


def _firmware_faults(case: Case) -> list[str]:
    firmware = case.firmware
    faults = []
    if firmware.image is not None:
        path = case.resolve(firmware.image)
        if not path.exists():
            faults.append(f"firmware.image: found {firmware.image!r}, which does not exist; copy it into the case")
        elif firmware.sha256 is not None and path.is_dir():
            faults.append("firmware.sha256: found it beside a folder of images, expected it with a single file")
        elif firmware.sha256 is not None and firmware.sha256 != (found := digest(path)):
            faults.append(f"firmware.sha256: {firmware.image!r} is another file than was noted: it has {found}")
    if firmware.contract is not None:
        try:
            contracts.load(case.resolve(firmware.contract))
        except FileError as error:
            faults += [f"firmware.contract: {line}" for line in str(error).split("\n")]
    return faults
