"""Runs are killed, and what they promise is kept by their guardian: power, processes, locks, the timeline."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killed_runs import CONTRACT, PATIENCE, ROOT, Run, eventually, relay, rig, switched
from power_devices import PASSWORD, Tasmota

from hil import rig as rigs
from hil.guardian import children, lock_file, locks, making_safe, mark
from hil.guardian.guardian import follow_parent
from hil.guardian.holder import Holder
from hil.guardian.locks import Locks, Taken, held
from hil.timeline import load, where


@pytest.fixture(autouse=True)
def _a_host_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_LOCKS", str(tmp_path / "locks"))


@pytest.fixture
def run() -> Iterator[Callable[..., Run]]:
    """Starts runs; whatever of them is left at the end is killed."""
    started: list[Run] = []

    def start(*words: object, **variables: str) -> Run:
        started.append(Run(*words, **variables))
        return started[-1]

    yield start
    for one in started:
        with one.process:
            one.kill()
        if one.mark:
            children.end(one.mark)


def all_free() -> bool:
    return not held()


# -- what is done ------------------------------------------------------------------------------------------------------


def test_a_killed_run_leaves_power_as_the_rig_says_no_process_and_no_lock(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    # Two boards on one outlet: it is switched once.
    path = rig(tmp_path, f"{relay(tmp_path)}\n---\n{relay(tmp_path, '/dev/zero')}")
    dying = run("hold", path, "a", "--child", "--fork")
    said = dying.hears()
    assert {holder.guardian for holder in held()} == {said["guardian"]}
    assert "guardian" in held()[0].words
    dying.kill()
    eventually(all_free)
    assert switched(tmp_path) == ["off"], "before the locks were freed, and once"
    assert children.find(dying.mark) == []
    os.kill(said["children"][1], signal.SIGKILL)  # the fork, which did not keep the guardian waiting
    eventually(lambda: not Path("/proc", str(said["guardian"])).exists())


def test_what_was_just_being_started_is_waited_for_and_killed_too(tmp_path: Path, run: Callable[..., Run]) -> None:
    dying = run("hold", rig(tmp_path, relay(tmp_path)), "a", "--late")
    (late,) = dying.hears()["children"]
    dying.kill()
    eventually(lambda: "on" in switched(tmp_path) or Holder("", pid=late).has_died)
    eventually(lambda: all_free() and Holder("", pid=late).has_died)
    assert switched(tmp_path)[-1] == "off"


def test_power_that_is_to_be_on_is_switched_on(tmp_path: Path, run: Callable[..., Run]) -> None:
    dying = run("hold", rig(tmp_path, relay(tmp_path, idle="on")), "a")
    dying.hears()
    dying.kill()
    eventually(all_free)
    assert switched(tmp_path) == ["on"]


def test_after_an_orderly_end_nothing_is_done(tmp_path: Path, run: Callable[..., Run]) -> None:
    ending = run("hold", rig(tmp_path, relay(tmp_path)), "a", "--child")
    said = ending.hears()
    ending.end()
    assert not Path("/proc", str(said["guardian"])).exists()
    assert all_free()
    assert switched(tmp_path) == [], "a person's commands leave the power as it is"
    assert [child.pid for child in children.find(ending.mark)] == said["children"], "left on purpose"


def test_a_run_that_dies_after_it_has_closed_its_bench_leaves_power_to_whoever_has_the_board_by_then(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    dying = run("hold", rig(tmp_path, relay(tmp_path)), "a", "--closed")
    guardian = Holder("", pid=dying.hears()["guardian"])
    assert dying.process.stdin is not None
    dying.process.stdin.close()
    dying.hears("closed")
    dying.kill()
    eventually(lambda: guardian.has_died)
    assert switched(tmp_path) == []


def test_signals_that_end_a_run_do_not_end_its_guardian(tmp_path: Path, run: Callable[..., Run]) -> None:
    dying = run("hold", rig(tmp_path, relay(tmp_path)), "a")
    said = dying.hears()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(said["guardian"], number)
    assert os.getsid(said["guardian"]) != os.getsid(0)
    dying.process.send_signal(signal.SIGHUP)  # nobody handles it in this run
    dying.process.wait(PATIENCE)
    eventually(all_free)
    assert switched(tmp_path) == ["off"]


def test_a_run_that_is_stopped_is_not_dead(tmp_path: Path, run: Callable[..., Run]) -> None:
    stopped = run("hold", rig(tmp_path, relay(tmp_path)), "a")
    stopped.hears()
    stopped.process.send_signal(signal.SIGSTOP)
    path = Path("/proc", str(stopped.process.pid), "stat")
    eventually(lambda: " T " in path.read_text())
    assert not held()[0].has_died
    assert switched(tmp_path) == []
    stopped.process.send_signal(signal.SIGCONT)
    stopped.end()
    assert switched(tmp_path) == []


def test_whoever_waits_for_a_lock_and_is_killed_disturbs_nobody(tmp_path: Path, run: Callable[..., Run]) -> None:
    path = rig(tmp_path, relay(tmp_path))
    holding = run("hold", path, "a")
    holding.hears()
    waiting = run("hold", path, "a", "--wait")
    assert waiting.process.stderr is not None
    assert "waiting up to" in waiting.process.stderr.readline()
    waiting.kill()
    assert [holder.pid for holder in held()] == [holding.process.pid] * 2
    assert switched(tmp_path) == []
    holding.kill()
    eventually(all_free)
    assert switched(tmp_path) == ["off"]


def test_a_worker_does_not_outlive_the_process_that_hands_out_the_tests(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    path = rig(tmp_path, relay(tmp_path))
    words = [sys.executable, str(Path(__file__).with_name("guarded.py")), "hold", str(path), "a", "--worker"]
    controller = (
        "import subprocess, sys\n"
        f"worker = subprocess.Popen({words!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "print(worker.stdout.readline(), flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", controller], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        worker = json.loads(process.stdout.readline())
        process.kill()
    eventually(all_free)
    assert Holder("", pid=worker["pid"]).has_died
    assert switched(tmp_path) == ["off"]


def test_a_worker_whose_controller_has_ended_before_it_could_look_is_told(tmp_path: Path) -> None:
    over = subprocess.Popen([sys.executable, "-c", ""])
    over.wait()
    assert not follow_parent(over.pid)
    other = subprocess.Popen(["sleep", "1000"])  # another program that has got its number
    assert not follow_parent(other.pid)
    other.kill()
    other.wait()


def test_a_switch_that_fails_is_tried_once_more(tmp_path: Path, run: Callable[..., Run]) -> None:
    busy = f"mkdir {tmp_path}/seen && exit 1; "  # at the first try alone
    dying = run("hold", rig(tmp_path, relay(tmp_path, off=busy)), "a")
    dying.hears()
    dying.kill()
    eventually(all_free)
    assert switched(tmp_path) == ["off"]


# -- the guardian itself -----------------------------------------------------------------------------------------------


def test_a_guardian_that_is_killed_is_replaced_and_the_new_one_knows_all(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    dying = run("hold", rig(tmp_path, relay(tmp_path)), "a")
    first = dying.hears()["guardian"]
    os.kill(first, signal.SIGKILL)
    assert dying.process.stderr is not None
    line = dying.process.stderr.readline()
    assert line.startswith(f"hil: its guardian, process {first}, was ended by somebody; another one was started, ")
    assert {holder.guardian for holder in held()} == {int(line.rpartition(", ")[2])}
    dying.kill()
    eventually(all_free)
    assert switched(tmp_path) == ["off"]


def test_killed_together_the_kernel_frees_the_locks(tmp_path: Path, run: Callable[..., Run]) -> None:
    dying = run("hold", rig(tmp_path, relay(tmp_path)), "a")
    guardian = dying.hears()["guardian"]
    dying.process.send_signal(signal.SIGSTOP)  # it must not start another one
    os.kill(guardian, signal.SIGKILL)
    dying.kill()
    eventually(all_free)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_a_switch_gets_its_password_and_nobody_else_sees_it(tmp_path: Path, run: Callable[..., Run]) -> None:
    device = Tasmota({1: True}, login="basic")
    try:
        power = f'kind = "tasmota", host = "127.0.0.1", port = {device.port}, password = {{ env = "LATE_SECRET" }}'
        dying = run("hold", rig(tmp_path, f'port = "/dev/null"\npower = {{ {power} }}'), "a", SECRET_TO_COME=PASSWORD)
        said = dying.hears()
        seen = Path("/proc", str(said["guardian"]), "cmdline").read_bytes()
        assert b"hil.guardian.process" in seen
        assert PASSWORD.encode() not in seen
        dying.kill()
        eventually(all_free)
        assert device.relays == {1: False}
    finally:
        device.close()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PASSWORD.encode() not in written


# -- a bench -----------------------------------------------------------------------------------------------------------


def test_a_bench_that_is_killed_while_it_writes_to_a_board_is_in_order_for_the_next(
    tmp_path: Path, run: Callable[..., Run]
) -> None:
    path = tmp_path / "rig.toml"
    wifi = 'wifi = { ssid = "hil-bench" }'
    path.write_text(f'name = "v"\n[boards.v]\nvirtual = "esp32"\nspeed = 400\ncontract = "{CONTRACT}"\n{wifi}\n')
    for number, event in enumerate(("flash.start", "provision.start", "online")):
        folder = tmp_path / str(number)
        dying = run("bench", path, folder, tmp_path / "state")
        dying.hears(event)
        dying.kill()  # and the next one starts at once
    eventually(all_free)
    for number in range(3):
        events = load(tmp_path / str(number) / "timeline.jsonl")
        assert [event.sequence for event in events] == list(range(len(events)))
        assert (events[-1].source, events[-1].kind) == ("guardian", "ended")
        assert events[-1]["power"] == ["v off"]
        assert events[-1]["pid"]
        assert [event for event in events if where("power", "off", "v")(event)]
        log = tmp_path / str(number) / "guardian.log"
        assert log.stat().st_mode & 0o777 == 0o600
        assert "ended without a farewell" in log.read_text()
    assert not (tmp_path / "state" / "v.json").exists(), "no virtual board is left"
    assert children.find(dying.mark) == []


# -- the next run ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def lock_of_a_dead_run(path: Path) -> Iterator[Callable[[], None]]:
    """The locks of a rig held by a guardian, its run being dead; a function that frees them."""
    with subprocess.Popen(["true"]) as process:
        process.wait(PATIENCE)
        taken = Locks(rigs.load(path))
        taken.take(["a"])
        for lock in lock_file.everywhere():
            lock.write_bytes(Holder("the port", pid=process.pid, guardian=os.getpid()).as_json())
        yield taken.free
    taken.free()


def test_the_next_run_waits_for_the_guardian_of_a_dead_one_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = rig(tmp_path, relay(tmp_path))
    with lock_of_a_dead_run(path) as free:
        glance = threading.Event()
        monkeypatch.setattr(locks.time, "sleep", lambda _: glance.set() or glance.wait(0.01))
        follower = threading.Thread(target=lambda: glance.wait(PATIENCE) and free())
        follower.start()
        mine = Locks(rigs.load(path))
        mine.take(["a"])
        follower.join()
        assert glance.is_set()
        mine.free()


def test_a_guardian_that_does_not_end_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = rig(tmp_path, relay(tmp_path))
    monkeypatch.setattr(locks, "CLEANING", 0.0)
    with lock_of_a_dead_run(path), pytest.raises(Taken, match=r"its run has died.*kill -9 \d+"):
        Locks(rigs.load(path)).take(["a"])


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def test_a_switch_that_hangs_keeps_nobody_from_the_bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_GUARDED", "restored afterwards")
    # This process has opened benches, and may have a mark of its own: a guardian's has none.
    monkeypatch.setattr(mark, "_ours", "")
    monkeypatch.setattr(making_safe, "SWITCHING", 5.0)
    tried = tmp_path / "tried"
    good, hanging = (
        {
            "key": name,
            "boards": [name],
            "idle": "off",
            "table": ["hil.power.command", "CommandPower"],
            "config": {"kind": "command", "on": "true", "off": off, "timeout": 100},
            "folder": "/",
            "secrets": {},
        }
        for name, off in (("good", "true"), ("hanging", f"echo once >> {tried}; exec sleep 1000"))
    )
    path = tmp_path / "timeline.jsonl"
    path.touch()
    lock = lock_file.path_of("x")
    descriptor = lock_file.take(lock)
    assert descriptor is not None
    duties = making_safe.Duties({"x": (lock, descriptor)}, {"g": good, "h": hanging}, {"t": path, "u": tmp_path / "u"})
    log: list[str] = []
    making_safe.make_safe(duties, 7, "a-mark-of-this-test", "for a test", log.append)
    assert not lock_file.is_held(lock)
    assert children.find("a-mark-of-this-test") == [], "nothing switches behind the next run's back"
    told = load(path)
    assert [(event.source, event.kind, event.board) for event in told] == [
        ("power", "off", "good"),
        ("guardian", "ended", None),
    ]
    assert told[-1]["power"] == ["good off", "hanging not off: no answer within 5 s"]
    assert "FileNotFoundError" in log[-1], "and the rest was done"
    deadline = time.monotonic() + PATIENCE
    while any(thread.name.startswith("switching ") for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert not tried.exists() or tried.read_text() == "once\n", "what was given up is not begun again"


def test_only_this_users_marked_processes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_GUARDED", "one-mark")
    with subprocess.Popen(["sleep", "1000"]) as first:
        monkeypatch.setenv("HIL_GUARDED", "another-mark:last")
        with subprocess.Popen(["sleep", "1000"]) as second:
            assert children.names(children.find("one-mark")) == [f"sleep {first.pid}"]
            assert children.find("another-mark", last=False) == []
            assert children.find("another") == []
            ended = children.end("another-mark", last=True, polite=PATIENCE)
            assert [child.pid for child in ended] == [second.pid]
            assert second.wait(PATIENCE) == -signal.SIGTERM
        assert first.poll() is None
        children.end("one-mark", patience=PATIENCE)
        assert first.wait(PATIENCE) == -signal.SIGKILL
