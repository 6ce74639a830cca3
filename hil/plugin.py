"""The pytest plugin: options, fixtures and markers. Thin: what they do lives in hil.bench, hil.needs and hil.report.

It is loaded in every pytest run of an environment that has hil installed, so it imports nothing of weight until a test
asks for a board.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hil import plugin_markers as markers
from hil import plugin_options as options
from hil.plugin_summary import Summary
from hil.report import verdicts as reports

if TYPE_CHECKING:
    from hil.bench import Bench
    from hil.board import Board
    from hil.broker.monitor import Monitor
    from hil.gateway import Gateway
    from hil.rig import Rig
    from hil.timeline import Timeline
    from hil.timeserver import TimeServer

#: Seconds that a test with a board may take, unless it, the command line or pytest.ini says otherwise.
TEST_TIMEOUT = 180

_rig_key: pytest.StashKey[Rig] = pytest.StashKey()
_bench_key: pytest.StashKey[Bench] = pytest.StashKey()
_fault_key: pytest.StashKey[str] = pytest.StashKey()
_mark_key: pytest.StashKey[int] = pytest.StashKey()

FIXTURES = {"rig", "bench", "board", "online_board", "monitor", "gateway", "time_server", "timeline", "finding", "warn"}


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    markers.add(config)
    if not hasattr(config, "workerinput"):  # a worker's reports go to the process that started it
        config.pluginmanager.register(Summary(config, lambda: _rig(config)), "hil-summary")
    if (config.getoption("tx", None) or hasattr(config, "workerinput")) and _rig_may_be_there(config):
        from hil.side_by_side import take_part

        take_part(config, lambda: _rig(config), _on_boards)


@pytest.hookimpl(optionalhook=True, tryfirst=True)  # before xdist counts the processors
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """`-n auto` on a bench: a worker for each board."""
    if config.option.numprocesses != "auto" or not _rig_may_be_there(config):
        return None
    from hil.side_by_side import auto_workers

    return auto_workers(lambda: _rig(config), config.getoption("--board"))


def _rig_path(config: pytest.Config) -> tuple[Path, bool]:
    """The rig file, and whether somebody named it."""
    given = config.getoption("--rig") or os.environ.get("HIL_RIG")
    return (Path(given), True) if given else (config.rootpath / "rigs" / "virtual.toml", False)


def _rig_may_be_there(config: pytest.Config) -> bool:
    path, named = _rig_path(config)
    return named or path.exists()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if _is_ours(metafunc.definition, "board") and not _parametrized(metafunc, "board"):
        names: list[str] = []
        try:
            names = [board.name for board in _rig(metafunc.config).select(metafunc.config.getoption("--board"))]
        except ValueError as error:
            metafunc.config.stash[_fault_key] = str(error)  # told when all is collected: here it would be a traceback
        metafunc.parametrize("board", names, indirect=True, scope="function")


def _is_ours(item: pytest.Item, name: str) -> bool:
    """Whether a test gets the fixture `name` from here; other projects have fixtures of these names, too."""
    fixtures: Any = getattr(item, "_fixtureinfo", None)
    found: Any = fixtures.name2fixturedefs.get(name) if fixtures is not None else None
    return bool(found) and found[-1].func.__module__ == __name__


def _parametrized(metafunc: pytest.Metafunc, name: str) -> bool:
    return any(name in str(mark.args[0]).split(",") for mark in metafunc.definition.iter_markers("parametrize"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if _fault_key in config.stash:
        from hil.side_by_side import refuse

        refuse(config, items, config.stash[_fault_key])
    for item in items:
        if not any(_is_ours(item, name) for name in FIXTURES):
            continue
        if item.get_closest_marker("timeout") is None and not _timeout_is_set(config):
            # signal, not thread: the thread method ends the process, and no fixture would switch the power off.
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT, method="signal"))


def _on_boards(items: Sequence[pytest.Item]) -> dict[pytest.Item, str]:
    """The tests that are for one board, with its name."""
    named = {item: getattr(getattr(item, "callspec", None), "params", {}).get("board") for item in items}
    return {item: name for item, name in named.items() if isinstance(name, str) and _is_ours(item, "board")}


def _timeout_is_set(config: pytest.Config) -> bool:
    return bool(config.getoption("timeout", None) or config.getini("timeout") or os.environ.get("PYTEST_TIMEOUT"))


def _rig(config: pytest.Config) -> Rig:
    """The rig of this run, read once. Raises hil.toml.FileError, a ValueError with a line for each fault."""
    if _rig_key not in config.stash:
        from hil import rig as rigs
        from hil.firmware_given import with_firmware
        from hil.toml import FileError

        path, named = _rig_path(config)
        if not named and not path.exists():
            raise FileError(path, ["no such rig file; say --rig FILE or set HIL_RIG"])
        rig = rigs.load(path).waiting(config.getoption("--wait"))
        config.stash[_rig_key] = with_firmware(rig, config.getoption("--firmware") or ())
    return config.stash[_rig_key]


@pytest.fixture(scope="session")
def rig(request: pytest.FixtureRequest) -> Rig:
    """The rig file of this run, read and checked; nothing is opened."""
    return _rig(request.config)


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The opened rig: boards, broker, gateway, monitor and time server, for the whole session."""
    from hil import side_by_side
    from hil.bench import Bench, BenchError, BoardUnavailable
    from hil.signals import terminated_as
    from hil.toml import FileError

    config = request.config
    given = config.getoption("--artifacts")
    # With xdist each worker has a bench of its own, with those boards alone whose tests it gets.
    if side_by_side.is_left_alone(config):
        pytest.exit("the process that hands out the tests has ended", returncode=3)

    def end() -> None:
        pytest.exit("terminated; the bench has been closed", returncode=143)

    with terminated_as(end), contextlib.ExitStack() as closing:
        try:
            artifacts = side_by_side.folder_of(config) or (Path(given) if given else None)
            opened = closing.enter_context(
                Bench(_rig(config), boards=[], artifacts=artifacts, broker=side_by_side.broker_of(config))
            )
            for board in [] if side_by_side.told(config) else _rig(config).select(config.getoption("--board")):
                with contextlib.suppress(BoardUnavailable):  # told by each of its tests
                    opened.open_board(board.name)
        except (BenchError, FileError) as error:
            closing.close()
            pytest.exit(f"hil: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
        config.stash[_bench_key] = opened
        yield opened


@pytest.fixture
def board(request: pytest.FixtureRequest, bench: Bench) -> Iterator[Board]:
    """One board of the rig: flashed, with good credentials, without power, and all faults cleared.

    Tests that use it run once for each board. Flashing and provisioning happen once a session, and again only if a
    test left something else on the board.
    """
    from hil.bench import BenchError, BoardUnavailable

    problem: str | None = None
    try:
        chosen = bench.open_board(request.param)
        _skip_if_not_applicable(request, bench, request.param)
        bench.make_ready(chosen)
    except BoardUnavailable as error:
        pytest.skip(f"not applicable: {error}")
    except BenchError as error:
        problem = str(error)
    if problem is not None:  # outside of the except block, or pytest shows where the error came from as well
        pytest.fail(problem, pytrace=False)
    request.node.stash[_mark_key] = bench.timeline.mark()
    bench.timeline.record("test", "start", chosen.name, name=request.node.name)
    yield chosen
    bench.timeline.record("test", "end", chosen.name, name=request.node.name)
    bench.calm(chosen)


@pytest.fixture
def soak_seconds(request: pytest.FixtureRequest) -> float:
    """How long a soak scenario lasts, from --soak; without that it is not applicable."""
    minutes = request.config.getoption("--soak")
    if minutes is None:
        pytest.skip("not applicable: it takes as long as one says: --soak MINUTES")
    return float(minutes) * 60


@pytest.fixture
def online_board(board: Board) -> Board:
    """`board`, switched on and online in the broker's eyes."""
    board.power_cycle()
    board.wait_online()
    return board


@pytest.fixture
def timeline(bench: Bench) -> Timeline:
    """Everything that was and will be seen on the bench."""
    return bench.timeline


@pytest.fixture
def monitor(bench: Bench) -> Monitor:
    """The client that sees on the broker what every other subscriber would."""
    return bench.monitor


@pytest.fixture
def gateway(bench: Bench) -> Gateway:
    """The endpoint that boards connect to; records, plays policies, injects faults."""
    if bench.gateway is None:
        pytest.skip(f"not applicable: {bench.lacks(None, 'gateway')}")
    return bench.gateway


@pytest.fixture
def time_server(bench: Bench) -> TimeServer:
    """The SNTP server that boards ask; it can lie, stay silent or refuse."""
    return bench.time_server


@pytest.fixture
def finding(request: pytest.FixtureRequest, bench: Bench) -> Callable[[str], None]:
    """Call it with what a scenario learned that is neither pass nor fail; shown in the summary."""
    return _teller(request, bench, "finding", reports.FINDING)


@pytest.fixture
def warn(request: pytest.FixtureRequest, bench: Bench) -> Callable[[str], None]:
    """Call it with what is not wrong enough to fail; the verdict is then WARN, with this reason, and no pass."""
    return _teller(request, bench, "warn", reports.WARNING)


def _teller(request: pytest.FixtureRequest, bench: Bench, kind: str, name: str) -> Callable[[str], None]:
    parameters = getattr(request.node, "callspec", None)
    board = parameters.params.get("board") if parameters else None

    def tell(text: str) -> None:
        bench.timeline.record("test", kind, board, text=text, name=request.node.name)
        request.node.user_properties.append((name, text))

    return tell


def _skip_if_not_applicable(request: pytest.FixtureRequest, bench: Bench, board: str) -> None:
    from hil import needs

    if (reason := needs.speaks(bench, bench.boards[board])) is not None:
        pytest.skip(f"not applicable: {reason}")
    for need in markers.needs(request.node):
        reason = bench.lacks(bench.boards[board], need)
        if reason is not None:
            pytest.skip(f"not applicable: {reason}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    ended = time.monotonic()  # what follows takes its time: a diagnosis above all
    report = yield
    bench = item.config.stash.get(_bench_key, None)
    if bench is not None and _is_ours(item, "board"):
        from hil import plugin_phase

        plugin_phase.tell(item, call, report, bench, ready=item.stash.get(_mark_key, None), ended=ended)
    return report


def pytest_report_teststatus(report: pytest.TestReport) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    if report.when == "call" and report.passed and reports.told(report, reports.WARNING):
        return "warned", "w", ("WARN", {"yellow": True})
    if hasattr(report, "wasxfail") and reports.told(report, reports.QUARANTINED):
        return "quarantined", "q", ("QUARANTINED", {"yellow": True})
    return None
