"""A case in words, for a terminal. Titles and texts are the field's: they are printed with nothing in them in force."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hil.cases.case import Case
from hil.cases.cleaning import clean
from hil.cases.conditions import Condition, SettingsCondition
from hil.cases.signature import Never, Seen, Signature
from hil.cases.trial import Step, TrialTable
from hil.report.legible import legible


def shown(case: Case) -> Iterator[str]:
    """What `hil case show` says, line by line."""
    yield f"{case.name}: {_text(case.title)}"
    when = f"reported {case.file.reported}" if case.file.reported is not None else ""
    about = ", ".join(_text(part) for part in (when, case.file.source) if part)
    if about:
        yield f"  {about}"
    for line in case.file.story.strip().splitlines():
        yield f"  {_text(line)}"
    yield from _section("firmware", _pairs(case.firmware.model_dump(exclude_none=True)))
    yield from _section("the field says", _pairs(case.file.field.model_dump(exclude_defaults=True)))
    yield from _section("conditions", [line for c in case.conditions for line in _condition(c)] or ["none"])
    yield from _section("trial", _trial(case.trial))
    yield from _section("signature", _signature(case.signature))
    yield from _section("evidence", [f"{e.file} ({e.kind}) {_text(e.note)}".rstrip() for e in case.file.evidence])


def missing(case: Case) -> list[str]:
    """What a sound case still lacks to be worth reproducing, a line each with the key and what to do."""
    lacks = []
    if case.signature is None:
        lacks.append("signature: found none, and nothing can be tried without one; say what the failure looks like")
    if not case.conditions and case.firmware.options is None and case.firmware.image is None:
        lacks.append("condition: found none, nor a firmware of its own: this is the bench as it ever is")
    lacks += [
        f"evidence.{number}.sha256: found none; write it, so that a changed file is noticed"
        for number, evidence in enumerate(case.file.evidence)
        if evidence.sha256 is None
    ]
    for number, evidence in enumerate(case.file.evidence):
        if evidence.kind != "pcap":
            found = clean(case.resolve(evidence.file).read_bytes().decode("utf-8", "replace")).count
            if found:
                lacks.append(
                    f"evidence.{number}.file: it seems to hold {found} secret(s); take them out before it goes on"
                )
    return lacks


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield title
        yield from (f"  {line}" for line in lines)


def _pairs(values: dict[str, Any]) -> list[str]:
    return [f"{key}: {_value(value)}" for key, value in values.items()]


def _condition(condition: Condition) -> Iterator[str]:
    said = condition.model_dump(exclude_defaults=True, exclude={"name", "kind", "note", "shown_by", "sure"})
    if isinstance(condition, SettingsCondition):
        said["values"] = dict.fromkeys(condition.values, "...")  # one of them may be a password
    facts = ", ".join(f"{key} {_value(value)}" for key, value in said.items())
    sure = f", {condition.sure:.0%} sure" if condition.sure is not None else ""
    yield f"{condition.name}: {condition.kind} {facts}{sure}".rstrip()
    if condition.note:
        yield f"  {_text(condition.note)}"
    if condition.shown_by:
        yield f"  shown by {', '.join(map(_text, condition.shown_by))}"


def _trial(trial: TrialTable) -> list[str]:
    steps = ", ".join(map(_step, trial.steps)) or "nothing"
    good = f", or {trial.settle:g} s after it came online" if trial.good == "online" else ""
    return [f"from {trial.begin}: {steps}", f"over after {trial.limit:g} s{good}"]


def _step(step: Step) -> str:
    text = f" {step.text!r}" if step.text is not None else ""
    seconds = f" {step.seconds:g} s" if step.seconds is not None else ""
    return f"{step.do}{text}{seconds}" + (f" ({step.times} times)" if step.times > 1 else "")


def _signature(signature: Signature | None) -> list[str]:
    if signature is None:
        return ["none: nothing can be tried without one"]
    lines = [_text(signature.summary)] if signature.summary else []
    lines += [f"{number}. {_seen(pattern)}" for number, pattern in enumerate(signature.seen, 1)]
    lines += [f"never {_never(pattern)}" for pattern in signature.never]
    return [*lines, f"hil diagnose says {signature.cause}"] if signature.cause is not None else lines


def _seen(pattern: Seen) -> str:
    times = f", {pattern.count} times" if pattern.count > 1 else ""
    return f"{_text(pattern.words())}{times}" + (f", within {pattern.within:g} s" if pattern.within else "")


def _never(pattern: Never) -> str:
    after = f", after {pattern.after}." if pattern.after else ""
    seconds = f", for {pattern.seconds:g} s" if pattern.seconds else ""
    pauses = f", for {pattern.pauses:g} times the contract's longest pause" if pattern.pauses else ""
    return f"{_text(pattern.words())}{after}{seconds}{pauses}"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} {_value(inner)}" for key, inner in value.items() if inner is not None) + "}"
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return _text(str(value))


def _text(text: str) -> str:
    return legible(text, keep="")
