"""JUnit XML, in the dialect that Jenkins, GitLab and GitHub's actions read (testsuites, testsuite, testcase).

A suite is a board, a case is a test; WARN is a pass with its reasons as properties, ERROR an error, and a test that the
run ended before is an error, too. A test that failed and passed when it was run again is skipped, as 'flaky': to who
does not know the word it must not be a pass. What it failed of stands in `flakyFailure`, or `rerunFailure` where it
failed again, as Maven's Surefire writes them. Properties are those of pytest's own file: hil.board, hil.scenario and
so on.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any

from hil.report.evidence import shown_by
from hil.report.failure import message_of
from hil.report.legible import legible, one_line
from hil.report.runs import Run
from hil.report.summary import summary
from hil.report.verdicts import BOARD, FINDING, FLAKY, RETRIED, SCENARIO, WARNING

_SKIPPED = ("n/a", "quarantined", FLAKY)
#: The name of the property.
FLAKY_PROPERTY = "hil.flaky"


def as_junit(run: Run) -> str:
    """The text of junit.xml."""
    told = summary(run)
    earlier: dict[str, list[Mapping[str, Any]]] = {}
    for test in told["tests"]:
        if test["verdict"] == RETRIED:
            earlier.setdefault(test["test"], []).append(test)
    told["tests"] = [test for test in told["tests"] if test["verdict"] != RETRIED]
    root = ET.Element("testsuites", name=_clean(told["run"]), time=f"{told['seconds']:.3f}")
    _count(root, told["tests"])
    for board, tests in groupby(sorted(told["tests"], key=itemgetter("board")), key=itemgetter("board")):
        _suite(root, board, list(tests), told, earlier)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _suite(
    root: ET.Element,
    board: str,
    tests: Sequence[Mapping[str, Any]],
    told: Mapping[str, Any],
    earlier: Mapping[str, Sequence[Mapping[str, Any]]],
) -> None:
    suite = ET.SubElement(root, "testsuite", name=_clean(board), timestamp=tests[0]["began"].removesuffix("Z"))
    suite.set("time", f"{sum(test['seconds'] for test in tests):.3f}")
    if told["host"].get("name"):
        suite.set("hostname", _clean(told["host"]["name"]))
    _count(suite, tests)
    for test in tests:
        _case(suite, test, earlier.get(test["test"], ()))


def _count(element: ET.Element, tests: Iterable[Mapping[str, Any]]) -> None:
    verdicts = [test["verdict"] for test in tests]
    element.set("tests", str(len(verdicts)))
    element.set("failures", str(verdicts.count("FAIL")))
    element.set("errors", str(verdicts.count("ERROR") + verdicts.count("unfinished")))
    element.set("skipped", str(sum(map(verdicts.count, _SKIPPED))))


def _case(suite: ET.Element, test: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> None:
    path, _, name = test["test"].rpartition("::")
    classname = path.replace(".py", "").replace("/", ".").replace("::", ".")
    case = ET.SubElement(suite, "testcase", classname=_clean(classname), name=_clean(name))
    case.set("time", f"{test['seconds']:.3f}")
    if test["file"]:
        case.set("file", _clean(test["file"]))
        case.set("line", str(test["line"] or 0))
    properties = ET.SubElement(case, "properties")
    told = [(BOARD, test["board"]), (SCENARIO, test["scenario"])]
    told += [(FLAKY_PROPERTY, words) for words in test["reasons"] if test["verdict"] == FLAKY]
    told += [(WARNING, words) for words in test["warnings"]] + [(FINDING, words) for words in test["findings"]]
    for key, value in told:
        ET.SubElement(properties, "property", name=key, value=_clean(value))
    _verdict(case, test)
    for one in earlier:
        if one["failure"]:
            again = ET.SubElement(case, "flakyFailure" if test["verdict"] == FLAKY else "rerunFailure")
            again.set("type", "FAIL")
            again.set("message", one_line(message_of(one["failure"])))
            ET.SubElement(again, "stackTrace").text = _clean(one["failure"])


def _verdict(case: ET.Element, test: Mapping[str, Any]) -> None:
    verdict, failure = test["verdict"], test["failure"] or ""
    if verdict in _SKIPPED:
        kind = "not applicable" if verdict == "n/a" else verdict
        skipped = ET.SubElement(case, "skipped", message=_clean("; ".join(test["reasons"])), type=kind)
        skipped.text = _explained(test) if failure else None
    elif verdict in ("FAIL", "ERROR", "unfinished"):
        element = ET.SubElement(case, "failure" if verdict == "FAIL" else "error", type=verdict)
        element.set("message", one_line(message_of(failure)))
        element.text = _explained(test)


def _explained(test: Mapping[str, Any]) -> str:
    """What probably made a test fail, and how pytest shows it."""
    causes = [line for one in test["diagnoses"] for line in _caused(one)]
    return _clean("\n".join([*causes, *([""] if causes else []), test["failure"] or message_of("")]))


def _caused(diagnosis: Mapping[str, Any]) -> Iterable[str]:
    """A cause in two lines: what it is, and what it did here with the numbers of the events that show it."""
    yield f"{diagnosis['title']} [{diagnosis['cause']}, {diagnosis['confidence']:.0%}]"
    shown = shown_by(diagnosis)
    yield f"  {diagnosis['explanation']}{f' ({shown})' if shown else ''}"


def _clean(text: object) -> str:
    """XML 1.0 has no way to write most control characters, not even escaped (section 2.2)."""
    return legible(str(text)).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
