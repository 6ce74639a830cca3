"""The matrix as a page for people, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tests.defects.judge import Row, reason, what

_SIGN = {"pass": ".", "n/a": "-", "warn": "w", "fail": "F", "error": "!"}
_RANK = ["n/a", "pass", "warn", "fail", "error"]


def markdown(rows: Sequence[Row], problems: Sequence[str], seconds: float) -> str:
    """Counts, problems, each defect with its catches, and the whole grid."""
    verdicts = [verdict for row in rows for verdict in row.verdicts]
    caught = sum(1 for row in rows if row.defect.options and not list(row.problems()))
    broken = sum(1 for row in rows if row.defect.options)
    lines = [
        "# Defect matrix",
        "",
        f"{broken} broken variants of the firmware, {caught} of them as the table says. {len(verdicts)} verdicts in "
        f"{seconds / 60:.1f} minutes.",
        "",
        "## Problems",
        "",
        *(
            [f"- {problem}" for problem in problems]
            or ["None: each defect was caught as meant, good firmware is clean."]
        ),
        "",
        *_overruled(rows),
        "## Defects",
        "",
        "| firmware | caught by the scenario meant for it | diagnosis | noticed elsewhere |",
        "|---|---|---|---|",
    ]
    lines += [_line(row) for row in rows]
    return "\n".join([*lines, "", *_grid(rows)]) + "\n"


def _overruled(rows: Sequence[Row]) -> list[str]:
    """First verdicts that were not as expected, and that a second try did not confirm: a busy host, or a rare fault."""
    lines = [f"- {row.defect.title}: {v.scenario} {what(v)}" for row in rows for v in row.overruled]
    return ["## Not confirmed by a second try", "", *lines, ""] if lines else []


def _line(row: Row) -> str:
    meant = [f"{catch} ({catch.verdict}: {catch.words})" for catch in row.defect.caught]
    elsewhere: dict[str, list[str]] = {}
    for verdict in row.elsewhere():
        why = row.defect.why_elsewhere(verdict.scenario) or "unexplained"
        elsewhere.setdefault(why, []).append(verdict.scenario)
    words = [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in elsewhere.items()]
    causes = list(dict.fromkeys(row.diagnoses.values())) or ["-"]
    cells = (row.defect.title, "<br>".join(meant) or "-", ", ".join(causes), "<br>".join(words) or "-")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _grid(rows: Sequence[Row]) -> list[str]:
    """A line a firmware, a column a scenario."""
    scenarios = sorted({v.scenario for row in rows for v in row.verdicts if v.case or v.scenario.startswith("test_")})
    width = max((len(row.defect.title) for row in rows), default=0)
    lines = ["## All verdicts", "", "`.` pass, `w` warn, `F` fail, `-` not applicable, `!` the bench failed", "", "```"]
    lines += [f"{number:3} {name}" for number, name in enumerate(scenarios, 1)]
    lines.append("")
    for digit in (100, 10, 1):
        numbers = "".join(str(number // digit % 10) for number in range(1, len(scenarios) + 1))
        lines.append(" " * (width + 2) + numbers)
    for row in rows:
        signs = "".join(_SIGN.get(_worst(row, name), " ") for name in scenarios)
        lines.append(f"{row.defect.title.ljust(width)}  {signs}")
    return [*lines, "```"]


def _worst(row: Row, scenario: str) -> str:
    outcomes = [verdict.outcome for verdict in row.verdicts if verdict.scenario == scenario]
    return max(outcomes, key=_RANK.index, default="")


def as_json(rows: Sequence[Row], problems: Sequence[str], seconds: float) -> str:
    """Everything, for other programs."""
    return json.dumps(
        {"seconds": round(seconds, 1), "problems": list(problems), "rows": [_facts(row) for row in rows]}, indent=1
    )


def _facts(row: Row) -> dict[str, Any]:
    return {
        "firmware": row.defect.title,
        "options": row.defect.options,
        "contract": row.defect.contract,
        "cause": row.defect.cause,
        "meant": [asdict(catch) for catch in row.defect.caught],
        "diagnoses": row.diagnoses,
        "verdicts": [
            {
                "board": v.board,
                "scenario": v.scenario,
                "case": v.case,
                "outcome": v.outcome,
                "seconds": v.seconds,
                "words": reason(v.text) if v.text else "",
                "timeline": str(v.timeline) if v.timeline else None,
            }
            for v in row.verdicts
        ],
    }
