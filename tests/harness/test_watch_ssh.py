"""`hil watch` over ssh: a real sshd and a real ssh, with terminals of several kinds, and connections that are lost."""

from __future__ import annotations

import contextlib
import shlex
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hil.bench import Bench
from hil.rig import load
from hil.timeline import Timeline
from tests.harness.rig_of_one import rig_of_one
from tests.harness.sshd import MISSING, Sshd, refused, sshd
from tests.harness.terminal import LONG, terminal

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with sshd(tmp_path_factory.mktemp("sshd")) as running:
        if why_not := refused(running):
            pytest.skip(why_not)
        yield running


@pytest.fixture
def asking(server: Sshd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """A server that asks a silent client after two seconds whether it is there, and does not wait for long."""
    with sshd(tmp_path_factory.mktemp("asking"), alive=2) as running:
        yield running


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that goes on."""
    folder = tmp_path_factory.mktemp("run")
    with contextlib.closing(Timeline(folder / "timeline.jsonl")) as timeline:
        for number in range(100):
            timeline.record("console", "line", "esp32-a", text=f"I ({number}) app: 21 °C")
        timeline.record("gateway", "connack", "esp32-a", connection=1, code=0, session_present=False)
        yield folder


def watch(server: Sshd, pid: Path, *arguments: str, locale: str = "C.UTF-8") -> list[str]:
    """The command that watches on the other side; there, `pid` says which process does."""
    hil = shlex.join([sys.executable, "-m", "hil.cli", "watch", *arguments])
    line = f"cd {shlex.quote(str(ROOT))} && echo $$ > {shlex.quote(str(pid))} && exec {hil}"
    return server.command("sh", "-c", line, env=[f"LC_ALL={locale}"])


def watching(pid: Path) -> psutil.Process:
    """The process that watches."""
    return psutil.Process(int(pid.read_text()))


def serving(process: psutil.Process) -> psutil.Process:
    """The process of sshd that holds the terminal of another."""
    return next(parent for parent in process.parents() if parent.name().startswith("sshd"))


def ends(process: psutil.Process) -> None:
    """Wait until it has ended. It is nobody's child here, and may stay a zombie where nobody else buries it either."""
    deadline = time.monotonic() + LONG
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, f"still running: {process}"
            time.sleep(0.02)


def test_a_run_is_watched_through_ssh_in_windows_of_any_size(server: Sshd, run: Path, tmp_path: Path) -> None:
    with terminal(watch(server, tmp_path / "pid", str(run)), env={"TERM": "screen"}) as screen:
        screen.wait("▸1 esp32-a .*online", "21 °C", "connack code=0", "q quit")
        screen.resize(34, 10)
        screen.wait("(?m)^ hil watch .{12,16}▶ live$", "connack", without="q quit")
        screen.resize(200, 60)
        screen.wait(r"(?m)^ hil watch .{170,185}▶ live$", r"I \(60\)", "q quit")
        screen.press("q")
        assert screen.ended() == 0
    assert b"\x1b[?1049l" in screen.raw


@pytest.mark.parametrize(
    ("term", "locale", "only_ascii"),
    [("xterm-256color", "C", True), ("linux", "C.UTF-8", False), ("vt100", "C.UTF-8", True)],
)
def test_a_terminal_is_shown_what_it_knows(
    term: str, locale: str, only_ascii: bool, server: Sshd, run: Path, tmp_path: Path
) -> None:
    command = watch(server, tmp_path / "pid", str(run), locale=locale)
    with terminal(command, env={"TERM": term}) as screen:
        screen.wait(*((">1 esp32-a", r"21 \? C|21 \?C") if only_ascii else ("▸1 esp32-a", "21 °C")), "q quit")
        screen.press("\x03")
        assert screen.ended() == 0
    assert screen.raw.isascii() == only_ascii


def test_a_terminal_that_cannot_move_its_cursor_is_told_so_through_ssh(server: Sshd, run: Path, tmp_path: Path) -> None:
    with terminal(watch(server, tmp_path / "pid", str(run)), env={"TERM": "dumb"}) as screen:
        assert screen.ended() == 1
    assert b"found TERM=dumb" in screen.raw
    assert b"\x1b" not in screen.raw


def test_it_ends_when_the_client_does(server: Sshd, tmp_path: Path) -> None:
    with contextlib.closing(Timeline(tmp_path / "timeline.jsonl")) as quiet:
        quiet.record("console", "line", "esp32-a", text="the last for a while")
        with terminal(watch(server, tmp_path / "pid", str(tmp_path))) as screen:
            screen.wait("the last for a while", "q quit")
            process = watching(tmp_path / "pid")
            screen.process.kill()
            ends(process)


def test_it_ends_when_the_client_falls_silent_behind_a_busy_screen(asking: Sshd, tmp_path: Path) -> None:
    """sshd asks whether the client is there only while it has nothing to tell it: no more is drawn until it answers."""
    over = threading.Event()
    with contextlib.closing(Timeline(tmp_path / "timeline.jsonl")) as timeline:

        def chatter() -> None:
            number = 0
            while not over.wait(0.02):
                timeline.record("console", "line", "esp32-a", text=f"line {(number := number + 1)} of many")

        chattering = threading.Thread(target=chatter)
        chattering.start()
        try:
            with terminal(watch(asking, tmp_path / "pid", str(tmp_path))) as screen:
                screen.answers = True
                screen.wait(r"line \d+ of many", "q quit")
                screen.answer(3)
                process = watching(tmp_path / "pid")
                # As when its machine sleeps: no byte comes any more, and no end.
                screen.process.send_signal(signal.SIGSTOP)
                ends(process)
        finally:
            over.set()
            chattering.join()


def test_a_bench_whose_connection_is_lost_is_safe_and_free(server: Sshd, tmp_path: Path) -> None:
    rig = rig_of_one(tmp_path)
    with terminal(watch(server, tmp_path / "pid", "--rig", str(rig), "--as-is")) as screen:
        screen.wait("▸1 esp32-a +power", "p power")
        screen.press("p")
        screen.wait("esp32-a power on")
        process = watching(tmp_path / "pid")
        children = process.children(recursive=True)
        serving(process).kill()
        for one in (process, *children):
            ends(one)
    with Bench(load(rig), broker_side=False, artifacts=tmp_path / "next") as bench:
        assert list(bench.boards) == ["esp32-a"]  # nobody else has it any more
