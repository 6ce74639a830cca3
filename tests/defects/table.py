"""The tables of defects: what each broken firmware must be caught by, and where else it may be.

defects.toml is that of the reference firmware, uno.toml that of the reference sketch of the virtual Uno.

    [[defect]]
    options = ["without will"]          # build options of the reference firmware
    contract = "reference-5"            # optional; a file in rigs/contracts; "reference" without
    boards = 2                          # optional; how many boards with this firmware the bench has; 1 without
    spoils = true                       # optional; run only the scenarios meant for it: the board is of no use then
    cause = "no-will"                   # what hil.diagnose must say first; "cannot-tell" where the wire cannot
    caught = [                          # the scenarios meant for it
      { scenario = "test_last_will_after_a_power_cut", words = "the CONNECT carried no will" },
      { scenario = "test_some_rule[a-case]", warn = "words of a warning" },
    ]
    [defect.elsewhere]                  # scenarios that may notice as well, and why; * and ? stand for others
    "test_stays_*" = "it is never online for long enough"

`words`: the failure must hold them; failing for another reason is no catch. `warn`: the verdict must be a warning.
A catch may have a `cause` of its own, where that scenario shows less than others do.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hil.virtual.firmware import options as firmware
from hil.virtual.uno import options as sketch

REFERENCE, UNO = "reference", "uno"
TABLE = Path(__file__).with_name("defects.toml")
TABLES = {REFERENCE: TABLE, UNO: Path(__file__).with_name("uno.toml")}
OPTIONS = {REFERENCE: firmware.OPTIONS, UNO: sketch.OPTIONS}
_FIND = {REFERENCE: firmware.find, UNO: sketch.find}


class TableError(ValueError):
    """A row that is not as it should be; one line that names the row, what was found and what is expected."""


@dataclass(frozen=True, slots=True)
class Catch:
    """A scenario that is meant for a defect. `case` is its parameters' id, '' for all of its cases; the verdict must be
    `verdict`, and its text must hold `words`."""

    scenario: str
    case: str
    verdict: str
    words: str
    cause: str = ""

    def covers(self, scenario: str, case: str) -> bool:
        """Whether that test is the one meant."""
        return scenario == self.scenario and self.case in ("", case)

    def __str__(self) -> str:
        return f"{self.scenario}[{self.case}]" if self.case else self.scenario


@dataclass(frozen=True, slots=True)
class Defect:
    """One row. Good firmware is a defect without options: nothing may catch it."""

    options: tuple[str, ...] = ()
    contract: str = REFERENCE
    firmware: str = REFERENCE
    boards: int = 1
    spoils: bool = False
    cause: str = ""
    caught: tuple[Catch, ...] = ()
    elsewhere: dict[str, str] = field(default_factory=dict)

    @property
    def board(self) -> str:
        """The name of its board: 'without-will', or 'without-will-5' with the contract reference-5."""
        name = "-and-".join(option.replace(" ", "-") for option in self.options) or "good"
        return name + self.contract.removeprefix(self.firmware)

    @property
    def title(self) -> str:
        """For people: 'without will (reference-5)'."""
        name = ", ".join(self.options) or "good firmware"
        return name if self.contract == self.firmware else f"{name} ({self.contract})"

    def why_elsewhere(self, scenario: str) -> str | None:
        """The reason why that scenario may notice it, too; None if there is none."""
        return next((why for pattern, why in self.elsewhere.items() if fnmatchcase(scenario, pattern)), None)


def load(path: Path = TABLE, firmware: str = REFERENCE) -> list[Defect]:
    """The table. Raises TableError for the first row that is not as it should be."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{path.name}: {error}") from error
    if set(raw) != {"defect"}:
        raise TableError(f"{path.name}: found the tables {', '.join(raw) or 'none'}, expected [[defect]] alone")
    defects = [_defect(row, f"{path.name}, row {number}", firmware) for number, row in enumerate(raw["defect"], 1)]
    boards = [defect.board for defect in defects]
    for name in boards:
        if boards.count(name) > 1:
            raise TableError(f"{path.name}: found {name} in two rows, expected one row for each firmware and contract")
    return defects


def good(defects: list[Defect]) -> list[Defect]:
    """Good firmware, once for each contract that the table uses."""
    kind = defects[0].firmware if defects else REFERENCE
    return [Defect(contract=name, firmware=kind) for name in dict.fromkeys([kind, *(d.contract for d in defects)])]


def _defect(row: dict[str, Any], where: str, firmware: str) -> Defect:
    options = row.get("options")
    if not isinstance(options, list) or not options:
        raise TableError(f'{where}: found options = {options!r}, expected a list such as ["without will"]')
    where = f"{where} ({', '.join(map(str, options))})"
    unknown = set(row) - {"options", "contract", "boards", "spoils", "cause", "caught", "elsewhere"}
    if unknown:
        raise TableError(f"{where}: found {', '.join(sorted(unknown))}, expected the keys that table.py lists")
    for option in options:
        kind, _, name = str(option).partition(" ")
        try:
            _FIND[firmware](kind, name)
        except ValueError as error:
            raise TableError(f"{where}: {error}") from None
    return Defect(
        options=tuple(options),
        contract=str(row.get("contract", firmware)),
        firmware=firmware,
        boards=int(row.get("boards", 1)),
        spoils=bool(row.get("spoils", False)),
        cause=str(row.get("cause", "")),
        caught=tuple(_catch(each, where) for each in row.get("caught", [])),
        elsewhere={str(pattern): str(why) for pattern, why in row.get("elsewhere", {}).items()},
    )


def _catch(row: dict[str, Any], where: str) -> Catch:
    if not isinstance(row, dict) or set(row) - {"cause"} not in ({"scenario", "words"}, {"scenario", "warn"}):
        raise TableError(f"{where}: found caught = {row!r}, expected {{ scenario = ..., words (or warn) = ... }}")
    scenario, _, case = str(row["scenario"]).partition("[")
    verdict = "fail" if "words" in row else "warn"
    return Catch(
        scenario,
        case.removesuffix("]"),
        verdict,
        str(row["words" if verdict == "fail" else "warn"]),
        str(row.get("cause", "")),
    )
