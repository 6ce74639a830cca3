"""The run as Markdown, for the job summary of GitHub Actions, a merge request, a chat."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hil.report.alike import Alike, alike
from hil.report.evidence import shown_by
from hil.report.failure import message_of
from hil.report.legible import one_line
from hil.report.runs import Run
from hil.report.summary import VERDICTS, summary
from hil.report.verdicts import FLAKY, together, worse

_SIGN = {
    **{"FAIL": "❌", "ERROR": "💥", "flaky": "🎲", "quarantined": "🚧", "WARN": "⚠️", "pass": "✅", "n/a": "➖"},
    **{"unfinished": "⏹️", "retried": "🔁"},
}
_MOST_FAILURES = 20
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$@:-])")


def as_markdown(run: Run) -> str:
    """The text of summary.md: counts, what failed and why, the matrix, warnings and findings, what was tested."""
    told = summary(run)
    lines = [f"## hil: {plain(told['rig']['name'] or told['run'])}", "", _counts(told), ""]
    bad = alike(told["tests"])
    if bad:
        lines += ["### What failed", "", *(line for one in bad[:_MOST_FAILURES] for line in _failure(one)), ""]
    if len(bad) > _MOST_FAILURES:
        lines += [f"and {sum(len(one.tests) for one in bad[_MOST_FAILURES:])} more.", ""]
    flaky = [test for test in told["tests"] if test["verdict"] == FLAKY]
    if flaky:
        lines += ["### Flaky", "", *(f"- {_named(test)}: {plain('; '.join(test['reasons']))}" for test in flaky), ""]
    boards = [board["name"] for board in told["boards"]]
    lines += [*_matrix(told["tests"], boards), ""] if told["tests"] else []
    for key in ("warnings", "findings"):
        said = list(together(((test["board"], words) for test in told["tests"] for words in test[key]), boards))
        lines += [f"### {key.capitalize()}", "", *(f"- {plain(words)}" for words in said), ""] if said else []
    lines += ["### What was tested", "", *(f"- {_tested(board)}" for board in told["boards"]), ""]
    lines += [f"With {', '.join(map(_tool, told['tools']))}.", ""] if told["tools"] else []
    return "\n".join(lines)


def _counts(told: Mapping[str, Any]) -> str:
    counts = [f"{_SIGN[v]} **{told['verdicts'][v]}** {v}" for v in VERDICTS if told["verdicts"][v]]
    return f"{' · '.join(counts) or 'no tests'} · {told['seconds']:.0f} s · began {told['began']}"


def _failure(one: Alike) -> list[str]:
    """A test, and what probably made it fail; or what probably made several fail, and which."""
    test = one.tests[0]
    if one.cause is None or len(one.tests) == 1:
        why = one_line(message_of(test["failure"] or ""))
        head = f"- {_named(test)}{_since(one)}: {plain(why)}"
        return [head, *(f"  - {_caused(each)}" for each in test["diagnoses"][:2])]
    tests = dict.fromkeys(f"{_SIGN[each['verdict']]} {plain(each['scenario'])}" for each in one.tests)
    head = f"- {_SIGN[one.verdict]} **{len(one.tests)} tests** on {plain(test['board'])}{_since(one)}"
    return [f"{head}: {_caused(one.cause)}", f"  - {', '.join(tests)}"]


def _since(one: Alike) -> str:
    return f" ({plain('; '.join(one.since))})" if one.since else ""


def _caused(diagnosis: Mapping[str, Any]) -> str:
    why = f"{plain(diagnosis['title'])} ({diagnosis['confidence']:.0%}): {plain(diagnosis['explanation'])}"
    shown = shown_by(diagnosis)
    return f"{why} {plain(shown.capitalize())}." if shown else why


def _named(test: Mapping[str, Any]) -> str:
    return f"{_SIGN[test['verdict']]} **{plain(test['scenario'])}** on {plain(test['board'])}"


def _matrix(tests: Sequence[Mapping[str, Any]], order: Sequence[str]) -> Iterable[str]:
    cells: dict[str, dict[str, str]] = {}
    seconds: dict[tuple[str, str], float] = {}
    for test in tests:
        row = cells.setdefault(test["scenario"], {})
        row[test["board"]] = worse(row.get(test["board"], ""), test["verdict"])
        key = (test["scenario"], test["board"])
        seconds[key] = seconds.get(key, 0.0) + test["seconds"]
    tested = {test["board"] for test in tests}
    boards = [name for name in order if name in tested]
    yield f"| scenario | {' | '.join(map(plain, boards))} |"
    yield "|---|" + "---|" * len(boards)
    for scenario, row in cells.items():
        shown = [f"{_SIGN[row[b]]} {row[b]} {seconds[scenario, b]:.1f} s" if b in row else "" for b in boards]
        yield f"| {plain(scenario)} | {' | '.join(shown)} |"


def _tested(board: Mapping[str, Any]) -> str:
    facts = [plain(board[key]) for key in ("chip", "contract") if board[key]]
    facts += [
        f"firmware {plain(one['version'] or '')} `{one['sha256'][:12]}`".replace("  ", " ") for one in board["firmware"]
    ]
    return f"**{plain(board['name'])}**: {', '.join(facts) or 'nothing is known'}"


def _tool(tool: Mapping[str, Any]) -> str:
    return plain(f"{tool['name']} {tool['version'] or '(' + str(tool['trouble']) + ')'}")


def plain(words: object) -> str:
    """Text that Markdown leaves as it is: no link, no markup, no mention of anybody."""
    return _SPECIAL.sub(r"\\\1", one_line(str(words), 500))
