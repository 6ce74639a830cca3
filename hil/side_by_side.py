"""Tests side by side with pytest-xdist: what the process that hands them out does, and what its workers are told.

Each worker has a bench of its own, with those boards alone whose tests it gets. The controller has none: it names the
run's folder, and merges what the workers leave there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hil import run_folder

if TYPE_CHECKING:
    from hil.bench import Bench
    from hil.broker import SharedBroker
    from hil.rig import Rig

#: Keys of what a worker is told (`config.workerinput`): the folder of the whole run, xdist's --dist, and a folder of
#: the controller in which the workers say which test is in which group.
RUN, DIST, GROUPS = "hil_run", "hil_dist", "hil_groups"
#: The controller's process, for workers that it has started itself.
PARENT = "hil_parent"
#: And the broker that all workers use, where the rig says so.
BROKER = "hil_broker"
#: What the process that hands out the tests is called among the workers' folders.
CONTROLLER = "controller"
#: The name of the plugin in each of these processes.
NAME = "hil-side-by-side"
#: What a worker tells (`config.workeroutput`): why it runs no test.
FAULT = "hil_fault"


def told(config: pytest.Config) -> dict[str, Any]:
    """What xdist tells this process if it is one of its workers; its environment is inherited, and tells nothing."""
    return getattr(config, "workerinput", {})


def run_of(config: pytest.Config) -> Path | None:
    """The folder of the whole run, in a worker that was told; else None."""
    run = told(config).get(RUN)
    return Path(run) if run else None


def folder_of(config: pytest.Config) -> Path | None:
    """The folder in which this worker writes; None for a process that is no worker."""
    run = run_of(config)
    return run_folder.worker_folder(run, str(told(config)["workerid"])) if run is not None else None


def broker_of(config: pytest.Config) -> SharedBroker | None:
    """The broker that this worker shares with others; None where each has its own."""
    said = told(config).get(BROKER)
    if said is None:
        return None
    from hil.broker import SharedBroker

    return SharedBroker.of(said)


def is_left_alone(config: pytest.Config) -> bool:
    """Whether the process that hands out the tests has ended; if not, this worker will not outlive it."""
    parent = told(config).get(PARENT)
    if parent is None:
        return False
    from hil.guardian.guardian import follow_parent

    return not follow_parent(parent)


def left_behind(config: pytest.Config, bench: Bench) -> tuple[Path, Path]:
    """The folder of the run, and its timeline, where people find them afterwards: those of all workers."""
    run = run_of(config) or bench.artifacts
    return run, run / run_folder.TIMELINE


def auto_workers(rig_of: Callable[[], Rig], boards: Sequence[str] | None) -> int | None:
    """What `-n auto` means on a bench: a worker for each board, for boards on one outlet one.

    None where there is no rig, or where the environment says otherwise (PYTEST_XDIST_AUTO_NUM_WORKERS, xdist's own).
    """
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    from hil.sharing import lanes

    try:
        rig = rig_of()
        names = [board.name for board in rig.select(list(boards) if boards else None)]
    except ValueError:  # told when tests ask for a board
        return None
    return len(set(lanes(rig, names).values()))


def take_part(
    config: pytest.Config,
    rig_of: Callable[[], Rig],
    on_boards: Callable[[Sequence[pytest.Item]], Mapping[pytest.Item, str]],
) -> None:
    """In a process that hands out tests to others, or gets them: see to the run's folder, and to who gets which board.

    `-n 4` alone means `--dist loadgroup` then: to xdist it means `load`, which knows no boards. For tests without a
    board the two are alike. `rig_of` reads the rig; it raises ValueError if there is none. `on_boards` tells which of
    the tests are for which board.
    """
    if told(config):
        config.pluginmanager.register(Worker(rig_of, on_boards), NAME)
    elif config.getoption("tx", None) and config.getoption("dist", "no") != "no":
        if config.option.dist == "load":
            config.option.dist = "loadgroup"
        given = config.getoption("--artifacts")
        controller = Controller(rig_of, Path(given) if given else None, config.option.dist)
        config.pluginmanager.register(controller, NAME)


def refuse(config: pytest.Config, items: list[pytest.Item], fault: str) -> None:
    """End a run for a fault in its command line or its rig, told in one line.

    Raises pytest.UsageError; in a worker that would show as an internal error of xdist, so there the controller is
    told, and nothing is run.
    """
    if not told(config):
        raise pytest.UsageError(fault)
    output: dict[str, Any] = getattr(config, "workeroutput", {})
    output[FAULT] = fault
    items.clear()


def outcome(config: pytest.Config) -> list[str]:
    """What became of the timelines of several workers, in lines for the summary; none where there was one process."""
    controller = config.pluginmanager.get_plugin(NAME)
    merged = controller.merged if isinstance(controller, Controller) else None
    return [] if merged is None else [f"merged: {line}" for line in str(merged).split("\n")]


class Worker:
    """A plugin for a process that gets tests. For its arguments see `take_part`."""

    def __init__(
        self, rig_of: Callable[[], Rig], on_boards: Callable[[Sequence[pytest.Item]], Mapping[pytest.Item, str]]
    ) -> None:
        self._rig_of = rig_of
        self._on_boards = on_boards
        self._groups: dict[pytest.Item, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Say which tests have to run in one worker."""
        chosen = self._on_boards(items)
        if not chosen:
            return
        from hil import sharing

        rig, boards = self._rig_of(), list(chosen.values())
        workers = int(told(config)["workercount"])
        names = sharing.groups(boards, sharing.lanes(rig, boards), sharing.copied(rig), workers)
        self._groups = dict(zip(chosen, names, strict=True))
        for item, name in self._groups.items():
            item.add_marker(pytest.mark.xdist_group(name))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """See that no board is to be opened by several workers, and tell the groups. Deselected tests do not count."""
        chosen = self._on_boards(session.items)
        if not chosen:
            return
        from hil import sharing

        said = told(session.config)
        mode = str(said.get(DIST, "no"))
        if GROUPS in said:
            groups = {item.nodeid: self._groups[item] for item in session.items if item in self._groups}
            file = Path(said[GROUPS]) / str(said["workerid"])
            file.write_text(json.dumps(groups), encoding="utf-8")
        fault = sharing.refusal(mode, list(chosen.values()), sharing.copied(self._rig_of()))
        if fault is not None:
            refuse(session.config, session.items, fault)


class Controller:
    """A plugin for the process that hands out the tests. `rig_of`: see `take_part`.

    `given`: the folder that the command line names for the run. `dist`: how tests are shared out.
    """

    def __init__(self, rig_of: Callable[[], Rig], given: Path | None, dist: str) -> None:
        self._dist = dist
        self._rig_of = rig_of
        self._given = given
        self._run: Path | None = None
        self._made = False
        self._fault: str | None = None
        self._groups: Path | None = None
        self._group_of: dict[str, str] | None = None
        self._broker: dict[str, Any] | None = None
        self._closing = contextlib.ExitStack()
        self._diagnosed: list[pytest.TestReport] = []
        self.merged: run_folder.MergedRun | str | None = None  # or why it could not be merged

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Before a worker starts."""
        if self._run is None:
            with contextlib.suppress(ValueError):  # a faulty rig is told by the first worker that needs it
                self._begin()
        if node.gateway.spec.popen:
            node.workerinput[PARENT] = os.getpid()
        if self._run is not None:
            self._groups = self._groups or Path(tempfile.mkdtemp(prefix="hil-groups-"))
            node.workerinput |= {RUN: str(self._run), DIST: self._dist, GROUPS: str(self._groups)}
            if self._broker is not None:
                node.workerinput[BROKER] = self._broker

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """Hand out tests by the groups that the workers tell; another --dist is xdist's own business."""
        if self._dist != "loadgroup":
            return None
        from hil.scheduling import GroupScheduling

        return GroupScheduling(config, log, self._group)

    def _group(self, nodeid: str) -> str | None:
        if self._group_of is None:
            # Each worker has written this before it told which tests it has; all of them have the same.
            files = sorted(self._groups.iterdir()) if self._groups is not None else []
            self._group_of = json.loads(files[0].read_text(encoding="utf-8")) if files else {}
        return self._group_of.get(nodeid)

    def _begin(self) -> None:
        from hil.folders import new_run_folder

        if self._given is not None:
            run_folder.make_room(self._given)
            self._run = self._given.absolute()
        else:
            self._run = new_run_folder(self._rig_of())
            self._made = True
        self._share_broker(self._rig_of(), run_folder.worker_folder(self._run, CONTROLLER))

    def _share_broker(self, rig: Rig, folder: Path) -> None:
        """Start the broker here where the rig has the workers share one: it outlives each of them."""
        from hil.broker import BrokerError
        from hil.guardian.guardian import Watch
        from hil.parts.broker_side import make_broker, shared_broker
        from hil.rig_file import ExternalBroker
        from hil.timeline import Timeline

        if isinstance(rig.file.broker, ExternalBroker) or not rig.file.broker.shared:
            return
        watch = Watch()
        self._closing.callback(watch.close)
        timeline = Timeline(folder / run_folder.TIMELINE)
        watch.timeline(folder / run_folder.TIMELINE)
        self._closing.callback(timeline.close)
        broker = make_broker(rig, timeline, folder)
        self._closing.callback(broker.close)
        try:
            broker.start()
        except BrokerError as error:
            self._closing.close()
            pytest.exit(f"hil: {error}", returncode=pytest.ExitCode.USAGE_ERROR)
        self._broker = shared_broker(broker).plain()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """A worker has ended."""
        self._fault = self._fault or getattr(node, "workeroutput", {}).get(FAULT)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what names events by a worker's numbers, until those of the whole run are known."""
        if report.failed:
            from hil.report.numbers import holds_diagnosis

            if holds_diagnosis(report):
                self._diagnosed.append(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """All workers have ended."""
        if self._fault is not None:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            print(f"ERROR: {self._fault}", file=sys.stderr)
        self._closing.close()
        if self._groups is not None:
            shutil.rmtree(self._groups, ignore_errors=True)
        if self._run is None:
            return
        try:
            self.merged = run_folder.merge(self._run)
        except run_folder.NoRun:  # no test had a board
            if self._made:
                with contextlib.suppress(OSError):
                    self._run.rmdir()
        except (ValueError, OSError) as error:
            self.merged = f"the workers' timelines were not merged: {error}"
        if self._diagnosed:
            self._renumber()

    def _renumber(self) -> None:
        """Before the failures are printed, which is next."""
        from hil.report.numbers import renumber

        whole = isinstance(self.merged, run_folder.MergedRun)
        try:
            renumber(self._diagnosed, self._run / run_folder.TIMELINE if self._run is not None and whole else None)
        except (ValueError, OSError) as error:
            self.merged = f"the numbers of events in diagnoses are those of each worker: {error}"
