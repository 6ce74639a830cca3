"""The tests of the harness itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from gateway_bench import Bench

    from hil.broker import Mosquitto

# Started in the background by a shell without job control, a process ignores SIGINT, and so do its children: the tests
# that interrupt something would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What tests run on virtual boards is no history of a lab; those that test the history say where it is.
os.environ["HIL_HISTORY"] = "off"

# How long an example takes says nothing on a busy machine. The examples are the same in each run: what fails then fails
# for a change, not by chance; `make fuzz` looks for new ones.
settings.register_profile(
    "shared-machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("shared-machine")


#: Files that take longest, by far the most of it in waits: they begin first, or the last of them runs alone at the end.
LONGEST = (
    "test_defects.py",
    "test_plugin.py",
    "test_virtual_esptool.py",
    "test_nightly_whole.py",
    "test_stores.py",
    "test_field_failures.py",
    "test_defects_uno.py",
    "test_side_by_side.py",
    "test_cli.py",
    "test_docs.py",
    "test_other_rigs.py",
    "test_guardian.py",
    "test_history_database.py",
    "test_virtual_usb.py",
    "test_virtual_uno.py",
    "test_watch_screen.py",
    "test_watch_ssh.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `--no-loadscope-reorder`, pytest-xdist hands files out in this order."""
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


#: For pytest in processes that tests start: plugins that none of them needs, whose imports take half of its start.
LEAN = "-p no:hypothesispytest -p no:anyio"


@pytest.fixture(scope="session", autouse=True)
def _lean_runs_below() -> Iterator[None]:
    """Set only now: the workers that run these tests, and use hypothesis, have been started by then."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_ADDOPTS", LEAN)
        yield


@pytest.fixture(scope="session", autouse=True)
def _locks_of_their_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """These tests make up ports and outlets, and a whole bench of somebody may stand on the same host."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HIL_LOCKS", str(tmp_path_factory.mktemp("locks")))
        yield


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One real mosquitto for all tests of a file."""
    from gateway_bench import mosquitto

    with mosquitto(tmp_path_factory.mktemp("broker")) as made:
        yield made


@pytest.fixture
def bench(broker: Mosquitto, tmp_path: Path) -> Iterator[Bench]:
    """A gateway before that broker, with a monitor, for the files that have no other bench."""
    from gateway_bench import Bench

    with Bench(tmp_path, (broker.host, broker.port)) as made:
        yield made
