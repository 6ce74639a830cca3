"""Which scenarios apply to a board without a network: docs/serial-link.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from hil import catalogue, needs
from hil.rig import load

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/serial-link.md"
TABLE = re.compile(r"(<!-- applies: .*? -->\n).*?(<!-- end -->)", re.DOTALL)

#: What a mosquitto of today can, and the needs that the virtual Uno's bench meets by itself.
CAPABILITIES = {"mqtt5", "will-on-keep-alive", "will-on-takeover", "persistent-sessions", "retain", "log"}


def reason(scenario: catalogue.Scenario) -> str | None:
    """Why it does not apply to the virtual Uno, by its markers and its contract; None if it does."""
    rig = load(ROOT / "rigs/virtual-uno.toml")
    (board,) = rig.boards.values()
    bench: Any = SimpleNamespace(
        broker=SimpleNamespace(capabilities=CAPABILITIES, kind="mosquitto"), gateway=object(), rig=rig
    )
    made: Any = SimpleNamespace(
        name="the board",
        config=board.config,
        contract=board.contract,
        provisioner=None,
        power=SimpleNamespace(can_cut=True),
    )
    assert needs.speaks(bench, made) is None
    found = [needs.lacks(bench, made, need) for need in sorted(scenario.needs, key=lambda n: not n.startswith("own-"))]
    return next((each for each in found if each is not None), None)


def applicable() -> list[catalogue.Scenario]:
    """The scenarios that a virtual Uno is judged by."""
    return [scenario for scenario in catalogue.scenarios() if reason(scenario) is None]


def table() -> str:
    """The page's two tables."""
    listed = catalogue.scenarios()
    lines = ["| applies | rule |", "|---|---|"]
    lines += [f"| {s.title} | {s.rule} |" for s in listed if reason(s) is None]
    why: dict[str, list[str]] = {}
    for scenario in listed:
        if (because := reason(scenario)) is not None:
            why.setdefault(because, []).append(scenario.title)
    lines += ["", "| does not, because | scenarios |", "|---|---|"]
    lines += [f"| {because} | {'; '.join(titles)} |" for because, titles in why.items()]
    return "\n".join(lines) + "\n"


def test_the_page_says_which_scenarios_apply() -> None:
    written = PAGE.read_text()
    made = TABLE.sub(lambda found: found[1] + table() + found[2], written)
    assert written == made, "make it anew: python tests/harness/test_uno_scenarios.py"


def test_those_that_apply_are_about_the_board() -> None:
    names = {scenario.name for scenario in applicable()}
    assert {
        "test_telemetry",
        "test_command",
        "test_last_will_after_a_power_cut",
        "test_comes_back_when_it_hangs",
    } <= names
    assert not [s.name for s in applicable() if s.group in ("tls", "time", "soak")]


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda found: found[1] + table() + found[2], PAGE.read_text()))
