"""The seven failures from the field, reproduced side by side, each told apart by what the broker's side saw.

On the device most of them are one line: 'MQTT connect failed'.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hil import rig as rigs
from hil.attempts import Attempt, End, attempts
from hil.bench import Bench
from hil.cases import Case, CaseFile, load
from hil.cases.creating import Told, create
from hil.cases.trial import TrialTable
from hil.credentials import Flaw, broken
from hil.gateway import RefuseConnect
from hil.reproduce import Outcome, Trial
from hil.reproduce.regression import CameBack, must_stay_away
from hil.reproduce.scenario import write as write_scenario
from hil.reproduce.series import trials
from hil.reproduce.signature import State, cause_of, matching
from hil.schedule import Schedule
from hil.timeline import Event, where

ROOT = Path(__file__).parents[2]
FIELD = ROOT / "hil" / "cases" / "field"

#: Board, and how its firmware is built.
BOARDS = {
    "foreign-will": ["--with", "foreign-will"],
    "foreign-subscribe": ["--with", "foreign-subscribe"],
    "no-certificate": ["--without", "client-certificate"],
    "partial-chain": ["--with", "partial-chain"],
    "poor-intermediate": [],
    "gives-up": ["--without", "retry"],
    "no-time": ["--without", "time-sync"],
    "good": [],
    "spare": [],
}

#: The board for each of the cases in hil/cases/field: its firmware makes the case's mistake. Two need none.
CASES = {
    "will-topic": "foreign-will",
    "subscribe-topic": "foreign-subscribe",
    "no-client-certificate": "no-certificate",
    "missing-intermediate": "good",
    "intermediate-may-not-sign": "spare",
    "no-retry": "gives-up",
    "no-time": "no-time",
}


PATIENT = "connect_ms = { u32 = 30000 }"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("field")
    # On a busy machine a handshake takes its time; a board that gives it up does not fail as its firmware has it.
    patient = (ROOT / "rigs/contracts/reference.toml").read_text().replace("connect_ms = { u32 = 2000 }", PATIENT)
    assert PATIENT in patient
    (folder / "contract.toml").write_text(patient)
    text = 'name = "field"\n[gateway]\nnamespace = { allowed = ["devices/{board}/#"] }\n'
    for name, options in BOARDS.items():
        text += (
            f'[boards.{name}]\nvirtual = "esp32"\nspeed = 100\nwifi = {{ ssid = "net" }}\noptions = {options}\n'
            'contract = "contract.toml"\n'
        )
    (folder / "rig.toml").write_text(text)
    with Bench(rigs.load(folder / "rig.toml"), artifacts=folder / "run") as opened:
        board = opened.boards["poor-intermediate"]
        for each in opened.boards.values():
            opened.make_ready(each)
        board.provision(broken.device(opened.authority, "poor-intermediate", Flaw.NO_CERT_SIGN))
        board.power_off()
        yield opened


def tried(bench: Bench, name: str, count: int) -> list[Attempt]:
    """Switch the board on; its first `count` connections, once all of them have ended."""
    board, timeline = bench.boards[name], bench.timeline
    mark = timeline.mark()
    board.power_cycle()
    timeline.wait_count(where("gateway", "close", name), count, timeout=60, after=mark)
    return attempts(timeline.events(after=mark), name)[:count]


@pytest.mark.parametrize(
    ("name", "end", "detail"),
    [
        ("foreign-will", End.WILL_DENIED, "foreign/foreign-will/status"),
        ("foreign-subscribe", End.SUBSCRIBE_DENIED, "foreign/foreign-subscribe/cmd"),
        ("no-certificate", End.NO_CERTIFICATE, ""),
        ("partial-chain", End.CERTIFICATE_REFUSED, "verify code 20"),
        ("poor-intermediate", End.CERTIFICATE_REFUSED, "verify code 79"),
        ("no-time", End.SERVER_REFUSED, "alert bad_certificate"),
    ],
)
def test_it_happens_again_and_again_and_can_be_told_apart(bench: Bench, name: str, end: End, detail: str) -> None:
    for attempt in tried(bench, name, 3):
        assert attempt.end is end, attempt
        assert detail in attempt.detail
    # Who is cut off for its topics was let in first; who fails in TLS never was.
    assert attempt.accepted_by_broker == (end in (End.WILL_DENIED, End.SUBSCRIBE_DENIED))


def test_without_time_the_device_never_asked_for_it(bench: Bench) -> None:
    mark = bench.timeline.mark()
    tried(bench, "no-time", 2)
    assert not bench.timeline.events(where("time", "request", "no-time"), after=mark)


def test_one_failed_connect_and_then_silence(bench: Bench) -> None:
    assert bench.gateway is not None
    with bench.gateway.fault(RefuseConnect(), "gives-up", Schedule(count=1)):
        (attempt,) = tried(bench, "gives-up", 1)
    assert attempt.end is End.UNREACHED
    bench.timeline.never(where("gateway", "accept", "gives-up"), seconds=3, after=attempt.events[-1].sequence)
    log = bench.timeline.events(where("console", "line", "gives-up"))
    assert any("giving up" in line["text"] for line in log)


def test_good_firmware_in_the_same_place_stays(bench: Bench) -> None:
    board = bench.boards["good"]
    mark = bench.timeline.mark()
    board.power_cycle()
    board.wait_online(after=mark)

    def ended(event: Event) -> bool:
        return event.board == "good" and event.kind in ("close", "denied", "tls-failed")

    bench.timeline.never(ended, seconds=2, after=mark)


def test_a_retained_will_is_no_foreign_will(bench: Bench) -> None:
    """The retain flag confounds: the same will, retained in one connection and not in the other, stays in both."""
    board, timeline = bench.boards["good"], bench.timeline
    for retain in (0, 1):
        mark = timeline.mark()
        board.provision(settings={"will_retain": str(retain)})
        board.power_cycle()
        connect = timeline.wait(where("gateway", "connect", "good"), timeout=30, after=mark)
        board.wait_online(after=connect.sequence)
        last = timeline.last(where("gateway", "connect", "good"))
        assert last is not None
        assert last["will"]["retain"] is bool(retain)
        assert not timeline.events(where("gateway", "denied", "good"), after=mark)


# -- the same seven as cases -------------------------------------------------------------------------------------------


def field_case(name: str) -> Case:
    """The case, its firmware left to the boards above: each has been flashed with what the case asks for."""
    case = load(FIELD / name)
    options = BOARDS[CASES[name]]
    assert (case.firmware.options or []) == options, "the board's firmware is not the case's"
    return case


@pytest.fixture(scope="module")
def tried_cases(bench: Bench) -> dict[str, Trial]:
    """One trial of each case on its board, all side by side."""

    def one(name: str) -> Trial:
        # Connects fail by chance: that of trial 2 does, the seed says so.
        number = 2 if name == "no-retry" else 1
        (trial,) = trials(field_case(name), bench, [bench.boards[CASES[name]]], times=1, first=number)
        return trial

    with ThreadPoolExecutor(len(CASES)) as pool:
        return dict(zip(CASES, pool.map(one, CASES), strict=True))


@pytest.mark.parametrize("name", CASES)
def test_each_case_reproduces_on_the_virtual_bench(tried_cases: dict[str, Trial], name: str) -> None:
    trial = tried_cases[name]
    assert trial.outcome is Outcome.REPRODUCED, trial
    assert 0 < trial.seconds < load(FIELD / name).trial.limit
    assert trial.why


@pytest.mark.parametrize("signature", CASES)
def test_no_case_is_taken_for_another(bench: Bench, tried_cases: dict[str, Trial], signature: str) -> None:
    """Seven signatures over seven timelines: each fits its own alone."""
    told = load(FIELD / signature).signature
    assert told is not None
    told = told.for_pause(5.0)  # as the reference contract promises
    fits = []
    for name, trial in tried_cases.items():
        events = bench.timeline.events(after=trial.after, before=trial.before)
        # Before the watch began: on a busy host the first cut of its power comes a while behind that.
        start = next(e for e in events if (e.source, e.kind, e.board) == ("test", "start", trial.board)).monotonic
        # What was never seen for so long is told by a clock, and not by an event.
        until = max(events[-1].monotonic, start + trial.seconds + 0.5)
        online = bench.boards[trial.board].online_event()
        found = matching(told, events, trial.board, began=start, until=until, limit=30, online=online)
        everything = bench.timeline.events(before=trial.before)
        if found.state is State.SEEN and cause_of(told, everything, trial.board, trial.after, until) is None:
            fits.append(name)
    assert fits == [signature]


def test_no_case_reproduces_with_good_firmware_and_certificates(bench: Bench, tried_cases: dict[str, Trial]) -> None:
    """What the bench does to the board stays: the broker's rules, and connects that are refused."""

    def on(board: str, names: list[str]) -> list[Trial]:
        found = []
        for name in names:
            case = field_case(name)
            flaws = [condition.name for condition in case.conditions if condition.lasting]
            found += trials(case.without(flaws), bench, [bench.boards[board]], times=1, first=2)
        return found

    names = list(CASES)
    with ThreadPoolExecutor(2) as pool:
        halves = [pool.submit(on, "good", names[::2]), pool.submit(on, "spare", names[1::2])]
        found = [trial for half in halves for trial in half.result()]
    assert [(trial.outcome, trial.why) for trial in found] == [(Outcome.PASSED, "online for 2 s")] * len(CASES)


@pytest.mark.parametrize(
    ("log", "board", "choose"),
    [
        ("foreign-will", "foreign-will", None),
        ("foreign-subscribe", "foreign-subscribe", None),
        ("poor-intermediate", "spare", None),
        ("poor-intermediate", "spare", 2),
    ],
)
def test_a_case_of_a_device_s_log_fails_as_the_log_reports(
    bench: Bench, tmp_path: Path, log: str, board: str, choose: int | None
) -> None:
    """What the log leaves open is chosen: 'unknown ca' is a chain without its intermediate, or one that is poor."""
    file = Path(__file__).parent / "field_files" / f"{log}.console.log"
    made = create(tmp_path / "case", Told(title=log, files=[file], virtual=True, choose=choose))
    assert made.case.firmware.options == (BOARDS[board] or None), "the board's firmware is not the case's"
    case = online_is_good(made.case)
    (trial,) = trials(case, bench, [bench.boards[board]], times=1)
    assert trial.outcome is Outcome.REPRODUCED, trial
    failed = bench.timeline.events(where("gateway", "tls-failed", board), after=trial.after)
    codes = {event["verify_code"] for event in failed}
    assert codes == ({20 if choose is None else 79} if "intermediate" in log else set())


def test_a_case_of_a_log_passes_on_good_firmware(bench: Bench, tmp_path: Path) -> None:
    file = Path(__file__).parent / "field_files" / "foreign-will.console.log"
    made = create(tmp_path / "case", Told(title="will", files=[file]))
    (trial,) = trials(online_is_good(made.case), bench, [bench.boards["good"]], times=1)
    assert (trial.outcome, trial.why) == (Outcome.PASSED, "online for 2 s")


LOSSES: dict[str, dict[str, Any]] = {
    "second-client": {
        "condition": [{"name": "rival", "kind": "second-client", "times": 2, "pause": 0.2}],
        "trial": {"limit": 30, "good": "online"},
        "signature": {
            "summary": "thrown out, and not back",
            "seen": [{"source": "gateway", "kind": "close", "data": {"by": "broker"}}],
            "never": [{"online": True, "after": 1, "seconds": 5}],
        },
    },
    "wifi-loss": {
        "condition": [{"name": "wifi", "kind": "wifi-loss", "off": 4.0, "at": {"online": True}}],
        "trial": {"limit": 40, "good": "online", "settle": 5},
        "signature": {
            "summary": "its Wi-Fi was away, and it is not back",
            "seen": [{"source": "power", "kind": "fault", "data": {"name": "wifi-loss", "state": "restored"}}],
            "never": [{"online": True, "after": 1, "seconds": 5}],
        },
    },
    "dns-outage": {
        "condition": [{"name": "names", "kind": "dns-outage", "off": 1.0}],
        "trial": {"limit": 40, "good": "online"},
        "signature": {
            "summary": "the broker's name was not found, and it does not look again",
            "seen": [{"source": "power", "kind": "fault", "data": {"name": "dns-outage", "state": "restored"}}],
            "never": [{"source": "gateway", "kind": "accept", "after": 1, "seconds": 5}],
        },
    },
}


@pytest.mark.parametrize("what", LOSSES)
def test_what_good_firmware_comes_back_from(bench: Bench, tmp_path: Path, what: str) -> None:
    """No names, or no Wi-Fi, for a while, a second client with its id: firmware without a retry stays away."""
    case = Case(tmp_path, CaseFile.model_validate({"title": what, **LOSSES[what]}))
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda name: trials(case, bench, [bench.boards[name]], times=1), ["gives-up", "good"])
        bad, good = (list(each) for each in found)
    assert [trial.outcome for trial in bad] == [Outcome.REPRODUCED], bad
    assert [trial.outcome for trial in good] == [Outcome.PASSED], good
    assert good[0].why.startswith("online for ")


def online_is_good(case: Case) -> Case:
    """The case, whose trials end once the board is online."""
    return replace(case, file=case.file.model_copy(update={"trial": TrialTable(good="online", limit=30)}))


def test_a_case_s_scenario_fails_on_its_firmware_and_passes_on_good_firmware(bench: Bench, tmp_path: Path) -> None:
    path = write_scenario(load(FIELD / "will-topic"), tmp_path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with pytest.raises(CameBack, match=r"trial 1 of 1 of will-topic failed, as was reported: gateway\.denied"):
        module.test_will_topic_stays_away(bench.boards["foreign-will"], bench)
    module.test_will_topic_stays_away(bench.boards["good"], bench)


def test_a_scenario_is_not_content_with_another_failure(bench: Bench) -> None:
    case = load(FIELD / "no-time")
    short = case.trial.model_copy(update={"limit": 3.0})
    impatient = replace(case, file=case.file.model_copy(update={"trial": short}))
    with pytest.raises(CameBack, match="failed, but not as was reported: "):
        must_stay_away(impatient, bench, bench.boards["no-certificate"])
