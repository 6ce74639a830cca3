"""The markers by which tests of boards say what they are, what they need, and to which groups they belong."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

#: Markers that select groups of scenarios, with what they select.
GROUPS = {
    "tls": "scenarios about TLS: server certificates, client certificates, handshakes",
    "mqtt": "scenarios about MQTT: topics, sessions, acknowledgements, connecting again",
    "time": "scenarios about the clock: no time, wrong time, a time server that lies",
    "power": "scenarios that cut the power",
    "soak": "scenarios that last as long as --soak says",
    "long": "scenarios that take a minute or so, mostly for putting other credentials into the board again and again",
    "quick": "a choice of scenarios for each commit: the most telling ones that take little time",
}


def add(config: pytest.Config) -> None:
    """Have pytest know them."""
    for line in (
        "needs(*what): what a test needs of board and bench, such as 'power-cut' or 'gateway'; without it the test is "
        "reported as not applicable, with the reason (docs/writing-tests.md lists them all)",
        "scenario(title, covers=(), waits=''): judges a board by its broker-side behaviour; its line in the summary, "
        "what it covers elsewhere, and how long it waits; see docs/scenarios.md",
        *(f"{name}: {words}" for name, words in GROUPS.items()),
    ):
        config.addinivalue_line("markers", line)


def needs(item: pytest.Item) -> Iterator[str]:
    """What a test needs of board and bench."""
    for mark in item.iter_markers("needs"):
        yield from mark.args


def title(item: pytest.Item) -> str:
    """A test's line in the summary: what its scenario is called, or its function."""
    scenario = item.get_closest_marker("scenario")
    return str(scenario.args[0]) if scenario and scenario.args else getattr(item, "originalname", item.name)


def groups(item: pytest.Item) -> list[str]:
    """The groups that a test belongs to, in the order of `GROUPS`."""
    return [name for name in GROUPS if item.get_closest_marker(name)]
