"""What a case makes of what the field's files show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from hil.cases.candidates import NoSuchCandidate
from hil.cases.conditions import Condition
from hil.cases.drafting import draft
from hil.cases.proposing import from_broker_log, from_console
from hil.cases.proposing.outranking import OUTRANKS
from hil.cases.proposing.remedies import REMEDIES
from hil.cases.proposing.sighting import Sighting, together
from hil.cases.signature import Signature
from hil.diagnose import CAUSES
from hil.gateway import policies


def details_for(what: str) -> dict[str, Any]:
    injected = {"condition": {"name": "cut", "kind": "gateway-fault", "fault": "cut"}}
    return injected if what == "injected" else {"cause": "no-retry"} if what == "other-cause" else {}


@pytest.mark.parametrize("what", REMEDIES)
def test_each_remedy_makes_a_case_that_can_be(what: str) -> None:
    made = draft([Sighting(what=what, sure=0.9, words="so", where=("log:1",), details=details_for(what))])
    for condition in made.conditions:
        assert condition.shown_by == ["log:1"]
        assert condition.sure == 0.9
    if what != "injected":
        assert isinstance(made.signature, Signature)
    for hypothesis in REMEDIES[what].hypotheses(details_for(what)):
        for table in hypothesis.tables:
            TypeAdapter(Condition).validate_python(table)


def test_remedies_know_all_that_is_looked_for() -> None:
    rules = [*from_broker_log._RULES, *from_console._RULES]
    looked_for = {rule.what for rule in rules} | {what for what, _, _ in from_console.CODES.values()}
    assert looked_for <= set(REMEDIES)
    diagnosed = {name for name, remedy in REMEDIES.items() if remedy.diagnosed} - {"other-cause"}
    assert diagnosed <= {cause.slug for cause in CAUSES}
    assert set(OUTRANKS) | {name for names in OUTRANKS.values() for name in names} <= set(REMEDIES)


def test_files_that_agree_make_it_surer() -> None:
    one, two = (Sighting(what="crash", sure=0.5, words="x", where=(f"{name}:1",)) for name in ("a", "b"))
    again = Sighting(what="crash", sure=0.4, words="x", where=("a:2",))
    (both,) = together([one, again, two])
    assert (both.sure, both.where, both.times) == (0.75, ("a:1", "a:2", "b:1"), 3)


def test_one_failure_at_a_time_unless_somebody_says_so() -> None:
    seen = [
        Sighting(what="connect-refused", sure=0.9, words="refused", where=("log:1",)),
        Sighting(what="network-silent", sure=0.7, words="silent", where=("log:2",)),
        Sighting(what="brown-out", sure=0.1, words="perhaps", where=("log:3",)),
    ]
    assert [c.name for c in draft(seen).conditions] == ["refused"]
    assert any('fault = "black-hole"' in hint for hint in draft(seen).hints)
    asked: list[str] = []

    def accept(sentence: str, candidates: Sequence[str], apart: str) -> int | None:
        asked.append(sentence)
        return 0 if "silent" in sentence else None

    chosen = draft(seen, accept)
    assert [c.name for c in chosen.conditions] == ["hole"]
    assert chosen.signature is not None
    assert chosen.signature.summary.startswith("the network is silent")
    assert asked[0] == "the broker refuses the CONNECT, 90% sure: refused (log:1)"
    assert len(asked) == 2, "what is next to nothing is not asked about"


def test_what_the_bench_did_is_not_done_twice() -> None:
    armed = {"name": "half", "kind": "gateway-fault", "fault": "refuse-connect", "when": {"probability": 0.5}}
    seen = [
        Sighting(what="no-retry", sure=0.99, words="silent", where=("t:#9",)),
        Sighting(what="injected", sure=0.95, words="armed", where=("t:#1",), details={"condition": armed}),
    ]
    made = draft(seen)
    assert [condition.name for condition in made.conditions] == ["half"], "its rate is that of the run"
    assert made.signature is not None
    assert made.signature.summary == "one connection fails, and it does not try again"
    assert [condition.name for condition in draft(seen[:1]).conditions] == ["one-failure"]


def test_another_candidate_can_be_chosen() -> None:
    seen = [
        Sighting(what="client-certificate-refused", sure=0.6, words="refused", where=("log:1",)),
        Sighting(what="network-silent", sure=0.4, words="silent", where=("log:2",)),
        Sighting(what="injected", sure=0.9, words="armed", where=("log:3",), details=details_for("injected")),
    ]
    names = {n: [c.name for c in draft(seen, choose=n).conditions] for n in (None, 1, 2, 3, 6)}
    assert names == {
        None: ["cut", "chain"],
        1: ["cut", "chain"],
        2: ["cut", "chain"],
        3: ["cut", "unregistered"],
        6: ["cut", "hole"],
    }
    assert draft(seen, choose=2).conditions[1].flaw == "no-key-cert-sign"
    silent = draft(seen, choose=6)
    assert silent.signature is not None
    assert silent.signature.summary == "the network is silent: no answers, no end"
    assert "6. taken: the network is silent: no answers, no end, 40% sure: silent (log:2)" in silent.told
    with pytest.raises(NoSuchCandidate, match=r"--choose: found 7, expected a number from 1 to 6: 1\. it comes"):
        draft(seen, choose=7)
    with pytest.raises(NoSuchCandidate, match="found 1, but the files show nothing that could be chosen"):
        draft([], choose=1)


def test_for_a_real_board_mistakes_of_a_virtual_one_s_firmware_are_no_candidates() -> None:
    cut_off = [Sighting(what="cut-off", sure=0.6, words="x", where=("log:1",))]
    real = draft(cut_off)
    assert real.candidates == 2, "the broker's rules, and a line that is cut"
    assert real.told[1].startswith("  1. the topic of its last will is not allowed, or a topic that it subscribes ")
    assert sum(hint.startswith("options = ") for hint in real.hints) == 3
    assert draft(cut_off, virtual=True).candidates == 4
    assert draft(cut_off, virtual=True, choose=2).options == ["--with", "foreign-subscribe"]


def test_the_policy_that_is_written_can_be_played(tmp_path: Path) -> None:
    made = draft([Sighting(what="cut-off", sure=0.9, words="x", where=("log:1",))])
    (tmp_path / "policy.toml").write_bytes(made.files["policy.toml"])
    policy = policies.load(tmp_path / "policy.toml")
    assert set(policy.rules) == {"will", "subscribe", "publish"}


@pytest.mark.parametrize(
    ("settle", "what"), [(2, "connect-refused"), (10, "cut-off"), (None, "keep-alive-missed"), (None, "crash")]
)
def test_a_trial_is_no_longer_than_what_is_looked_for_asks(settle: float | None, what: str) -> None:
    made = draft([Sighting(what=what, sure=0.9, words="so", where=("log:1",))])
    assert made.trial.get("settle") == settle
    assert made.trial.get("good") == ("online" if settle else None)
