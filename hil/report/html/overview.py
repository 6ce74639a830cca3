"""The first page of a report: what failed, the matrix, notes, boards, the rig. Plain HTML, legible without scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from hil.report.alike import BAD, Alike, alike
from hil.report.failure import message_of
from hil.report.html.chunks import TITLE
from hil.report.html.markup import Html, element, joined
from hil.report.legible import one_line
from hil.report.outside import Outside
from hil.report.summary import VERDICTS
from hil.report.verdicts import in_order, worse

SIGNS = {
    **{"FAIL": "✕", "ERROR": "⚡", "flaky": "≈", "quarantined": "Q", "WARN": "!", "pass": "✓", "n/a": "–"},
    **{"unfinished": "…", "retried": "↻"},
}
"""Verdicts have a sign as well as a colour."""

_TIMELESS = ("n/a", "unfinished")
"""Verdicts of tests of which nobody wants to know how long they took."""

Told = Mapping[str, Any]


class Seen(NamedTuple):
    """What was seen outside of tests: of which board ('' for none), on which bench, and how many events it is."""

    board: str
    bench: str
    events: int

    @classmethod
    def of(cls, found: Outside) -> Seen:
        """The same of what was found."""
        return cls(found.board, found.part.name, len(found.events))


def counts(told: Told) -> Html:
    """A button for each verdict that there is, with its number: it filters the matrix."""
    return joined(
        element(
            *("button", element("span", SIGNS[verdict], class_="sign", aria_hidden="true"), f" {number} {verdict}"),
            type="button",
            class_="count",
            data_verdict=verdict,
            aria_pressed="true",
        )
        for verdict in VERDICTS
        if (number := told["verdicts"][verdict])
    )


def facts(told: Told) -> Html:
    """When, how long, on what."""
    day, _, time = told["began"].rstrip("Z").partition("T")
    said = [f"{day} {time[:8]} UTC", length(told["seconds"]), *told["brokers"], f"{told['events']:,} events"]
    return joined(element("li", words) for words in said)


def length(seconds: float) -> str:
    """A length of time for people."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def failures(told: Told) -> Html:
    """A card for each test that is not as it should be, or for all that have one cause on a board; nothing if all is
    well."""
    cards = [
        element("li", _card(one.numbers[0], one.tests[0]))
        if len(one.numbers) == 1
        else element("li", _card_of_several(one), class_="wide")
        for one in alike(told["tests"])
    ]
    if not cards:
        return Html("")
    return element(
        "section", element("h2", "What failed"), element("ul", cards, class_="cards"), aria_label="What failed"
    )


def _card_of_several(one: Alike) -> Html:
    cause = one.cause or {}
    about = f"{one.tests[0]['board']} · {len(one.tests)} tests · {cause['confidence']:.0%}"
    links = (
        element(
            "li",
            element(
                *("a", element("span", SIGNS[test["verdict"]], class_="sign", aria_hidden="true")),
                f" {test['scenario']}{_parameters(test)}",
                href=f"#test-{number}",
                class_="chip",
                data_verdict=test["verdict"],
                title=one_line(message_of(test["failure"] or ""), 300),
            ),
        )
        for number, test in zip(one.numbers, one.tests, strict=True)
    )
    return element(
        *("div", element("span", badge(one.verdict), element("b", cause["title"]), element("i", about), class_="top")),
        [element("p", words, class_="since") for words in one.since],
        element("p", one_line(cause["explanation"], 400), class_="guess"),
        element("ul", links, class_="chips"),
        class_="card",
        data_verdict=one.verdict,
    )


def _card(number: int, test: Told) -> Html:
    causes = test["diagnoses"][:1]
    return element(
        "a",
        element(
            "span", badge(test["verdict"]), element("b", test["scenario"]), element("i", _where(test)), class_="top"
        ),
        element("span", test["since"], class_="since") if test["since"] else None,
        element("span", one_line(message_of(test["failure"] or ""), 300), class_="why"),
        [
            element("span", element("b", one["title"]), f" {one['confidence']:.0%}", class_="guess")
            for one in causes
            if one["cause"] != "cannot-tell"
        ],
        href=f"#test-{number}",
        class_="card",
        data_verdict=test["verdict"],
    )


def _where(test: Told) -> str:
    """The board, and with what parameters, where a test has more than its board."""
    return str(test["board"]) + _parameters(test)


def _parameters(test: Told) -> str:
    """' · future' of 'test_it[esp32-a-future]'."""
    inside = test["test"].rpartition("::")[2].partition("[")[2].removesuffix("]")
    found = inside.replace(test["board"], "", 1).strip("-")
    return f" · {found}" if found else ""


def worst(told: Told) -> Html:
    """How many tests were not as they should be; where there are none, the worst verdict; nothing without tests."""
    worst = worst_of(told["verdicts"])
    found = [verdict for verdict in BAD if told["verdicts"][verdict]] or ([worst] if worst else [])
    badges = [badge(verdict, f" {told['verdicts'][verdict]}") for verdict in found]
    return joined(*badges, element("span", f"of {len(told['tests'])}", class_="quiet")) if badges else Html("")


def worst_of(verdicts: Mapping[str, int]) -> str | None:
    """The verdict that says most of a run; a run that was ended early is none that passed."""
    order = sorted(VERDICTS, key=lambda verdict: verdict not in BAD)
    return next((verdict for verdict in order if verdicts[verdict]), None)


def badge(verdict: str, more: str = "") -> Html:
    """A verdict with its sign."""
    return element(
        *("span", element("span", SIGNS[verdict], class_="sign", aria_hidden="true"), f" {verdict}{more}"),
        class_="badge",
        data_verdict=verdict,
    )


def matrix(told: Told, others: Sequence[Seen] = ()) -> Html:
    """Scenario by board; each cell leads to its test, to the worst where there are several. Below: outside of tests."""
    tested = {test["board"] for test in told["tests"]}
    boards = [board["name"] for board in told["boards"] if board["name"] in tested]
    boards += [one.board for one in others if one.board and one.board not in boards]
    rows: dict[str, dict[str, list[int]]] = {}
    for number, test in enumerate(told["tests"]):
        rows.setdefault(test["scenario"], {}).setdefault(test["board"], []).append(number)
    head = element("tr", element("th", "scenario", scope="col"), (element("th", b, scope="col") for b in boards))
    return element(
        "table",
        element("thead", head),
        element("tbody", (_row(told["tests"], scenario, row, boards) for scenario, row in rows.items())),
        element("tbody", _row_outside(len(told["tests"]), others, boards), class_="outside") if others else None,
        id="matrix",
    )


def _row_outside(first: int, others: Sequence[Seen], boards: Sequence[str]) -> Html:
    """What lies outside of tests: a cell for each board; before them, what had to do with none."""
    of: dict[str, list[int]] = {}
    for number, one in enumerate(others):
        of.setdefault(one.board, []).append(number)

    def link(numbers: Sequence[int], words: str) -> Html:
        count = sum(others[number].events for number in numbers)
        return element(
            *("a", element("span", f"{words}{count:,} event{'s' * (count != 1)}", class_="several")),
            href=f"#test-{first + numbers[0]}",
            data_tests=" ".join(str(first + number) for number in numbers),
            data_verdict="",
            aria_label=f"{TITLE}: {others[numbers[0]].board or others[numbers[0]].bench}, {count:,} events",
        )

    boardless = [link([number], f"{others[number].bench or 'no board'}: ") for number in of.get("", ())]
    cells = (element("td", link(of[board], "") if board in of else None) for board in boards)
    return element("tr", element("th", TITLE, [[" ", one] for one in boardless], scope="row"), cells)


def _row(tests: Sequence[Told], scenario: str, row: Mapping[str, list[int]], boards: Sequence[str]) -> Html:
    cells = (element("td", _cell(tests, row[board]) if board in row else None) for board in boards)
    return element("tr", element("th", scenario, scope="row"), cells)


def _cell(tests: Sequence[Told], numbers: Sequence[int]) -> Html:
    verdict = ""
    for number in numbers:
        verdict = worse(verdict, tests[number]["verdict"])
    first = next(number for number in numbers if tests[number]["verdict"] == verdict)
    seconds = sum(tests[number]["seconds"] for number in numbers)
    notes = sum(len(tests[number][key]) for number in numbers for key in ("warnings", "findings"))
    several = f" {len(numbers)} tests" if len(numbers) > 1 else ""
    reasons = "; ".join(reason for number in numbers for reason in tests[number]["reasons"])
    return element(
        "a",
        badge(verdict),
        element("span", several.strip(), class_="several") if several else None,
        element("span", f"{notes} note{'s' * (notes > 1)}", class_="several") if notes else None,
        element("span", length(seconds), class_="seconds") if verdict not in _TIMELESS else None,
        href=f"#test-{first}",
        data_verdict=verdict,
        data_tests=" ".join(map(str, numbers)),
        title=reasons or None,
        aria_label=f"{verdict}: {tests[first]['scenario']}, {tests[first]['board']}, {length(seconds)}{several}",
    )


def notes(told: Told) -> Html:
    """Warnings, findings, what the quarantine list says, what ran again, and what was not applicable and why.

    What is said of several boards alike stands there once.
    """
    blocks: dict[str, dict[tuple[str, str], dict[str, int]]] = {heading: {} for heading in _HEADINGS}
    for number, test in enumerate(told["tests"]):
        for heading, words in _said(test):
            blocks[heading].setdefault((test["scenario"], words), {}).setdefault(test["board"], number)
    order = [board["name"] for board in told["boards"]]
    return joined(_notes(heading, said, order) for heading, said in blocks.items())


_HEADINGS = ("Warnings", "Findings", "Quarantine", "Ran again", "Not applicable")


def _said(test: Told) -> Iterable[tuple[str, str]]:
    yield from (("Warnings", words) for words in test["warnings"])
    yield from (("Findings", words) for words in test["findings"])
    for words in test["reasons"]:
        about_quarantine = words.startswith(("quarantined until", "its quarantine expired"))
        heading = "Not applicable" if test["verdict"] == "n/a" else "Quarantine" if about_quarantine else "Ran again"
        yield heading, words


def _notes(heading: str, said: Mapping[tuple[str, str], Mapping[str, int]], order: Sequence[str]) -> Html:
    if not said:
        return Html("")
    lines = (
        element(
            *("li", element("span", ", ".join(in_order(of, order)), class_="board")),
            element("span", words, class_="words"),
            element("a", scenario, href=f"#test-{next(iter(of.values()))}"),
        )
        for (scenario, words), of in said.items()
    )
    return element(
        *("section", element("h2", heading), element("ul", lines, class_="notes")),
        aria_label=heading,
    )


def boards(told: Told) -> Html:
    """What each board is, what was flashed into it, which certificates it got, which faults it met."""
    return joined(_board(board) for board in told["boards"])


def _board(board: Told) -> Html:
    about = [board[key] for key in ("chip", "contract", "where") if board[key]]
    idle = not any(board[key] for key in ("firmware", "credentials", "faults"))
    return element(
        "article",
        element("h3", board["name"]),
        element("p", " · ".join(about), class_="quiet"),
        element("p", "Nothing was flashed, put in or injected in this run.", class_="quiet") if idle else None,
        [_firmware(one) for one in board["firmware"]],
        table(("certificate", "serial number", "put in by"), _credentials(board["credentials"])),
        _faults(board["faults"]),
        class_="board-card",
    )


def _faults(faults: Mapping[str, int]) -> Html:
    if not faults:
        return Html("")
    chips = (element("li", f"{name} ", element("b", f"×{times}"), class_="chip") for name, times in faults.items())
    return joined(element("h4", "Injected faults"), element("ul", chips, class_="chips"))


def _firmware(one: Told) -> Html:
    told = " ".join(str(one[key]) for key in ("project", "version") if one[key])
    rows = ((i["file"], f"0x{i['offset']:x}", f"{i['bytes']:,}", i["sha256"]) for i in one["images"])
    return joined(
        element(
            "h4", "Firmware ", element("b", told or "of no known version"), " ", element("code", one["sha256"][:16])
        ),
        table(("image", "offset", "bytes", "SHA-256"), rows, class_="images"),
    )


def _credentials(credentials: Iterable[Told]) -> Iterable[tuple[str, ...]]:
    return ((one["subject"] or "", one["serial"], one["method"] or "") for one in credentials)


def about(told: Told, rig: Mapping[str, Any]) -> Html:
    """Tools, packages, host and rig; of the rig what is said of boards with a column for each."""
    host = [(key, str(value)) for key, value in told["host"].items() if value is not None]
    tools = [element("h3", "Tools"), table(("", "", ""), map(_tool, told["tools"]))] if told["tools"] else []
    boards = rig.get("boards") or {}
    return joined(
        element("div", tools, element("h3", "Host"), table(("", ""), host)),
        element("div", element("h3", "Packages"), table(("", ""), told["versions"].items())),
        element("div", element("h3", "Rig"), table(("", ""), _flat({k: v for k, v in rig.items() if k != "boards"}))),
        element("div", element("h3", "Boards of the rig"), _side_by_side(boards), class_="wide") if boards else None,
    )


def _side_by_side(boards: Mapping[str, Any]) -> Html:
    """What the rig says of its boards: a column for each, a line for each key that one of them has."""
    columns = {name: dict(_flat(board)) for name, board in boards.items()}
    keys = dict.fromkeys(key for column in columns.values() for key in column)
    return table(("key", *columns), ((key, *(column.get(key, "") for column in columns.values())) for key in keys))


def _tool(tool: Told) -> tuple[str, str, str]:
    """A line of the tools' table; most troubles say of which program they are."""
    said = tool["version"] or tool["trouble"] or ""
    return tool["name"], said, "" if tool["program"] in said else tool["program"]


def _flat(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    """A nested table as lines of its keys."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else str(key))
    elif value not in ({}, [], ""):
        yield path, ", ".join(map(_plain, value)) if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> str:
    """A value of a rig as people write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], class_: str = "") -> Html:
    """A table of texts; nothing without rows."""
    lines = [element("tr", (element("td", cell) for cell in row)) for row in rows]
    if not lines:
        return Html("")
    head = element("thead", element("tr", (element("th", words, scope="col") for words in heads)))
    return element(
        "div",
        element("table", head if any(heads) else None, element("tbody", lines)),
        class_=f"scroll {class_}".strip(),
    )
