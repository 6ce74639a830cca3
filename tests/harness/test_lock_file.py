"""A lock of this host: one holder at a time, freed by the kernel, safe in a folder that everybody can write to."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hil.guardian import lock_file
from hil.guardian.lock_file import LockFileError

HOLD = (
    "import os, sys; from pathlib import Path; from hil.guardian import lock_file\n"
    "for user in map(int, sys.argv[2:]): os.setgroups([]), os.setgid(user), os.setuid(user)\n"
    "taken = lock_file.take(Path(sys.argv[1])); print('taken' if taken is not None else 'held', flush=True)\n"
    "sys.stdin.read()"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hil-a.lock"


def test_one_holder_at_a_time_and_nothing_left_behind(path: Path) -> None:
    first = lock_file.take(path)
    assert first is not None
    assert lock_file.is_held(path)
    assert lock_file.take(path) is None
    lock_file.free(path, first)
    assert not lock_file.is_held(path)
    assert not path.exists()
    second = lock_file.take(path)
    assert second is not None
    lock_file.free(path, second)


def test_the_kernel_frees_it_when_its_holder_is_killed(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "taken\n"
        assert lock_file.take(path) is None
        holder.kill()
        holder.wait()
        mine = lock_file.take(path)
    assert mine is not None
    lock_file.free(path, mine)


def test_whoever_got_the_descriptor_holds_it_too_until_one_frees_it(path: Path) -> None:
    mine = lock_file.take(path)
    assert mine is not None
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[mine]) as heir:
        os.close(mine)
        assert lock_file.take(path) is None
        heir.kill()
        heir.wait()
        again = lock_file.take(path)
        assert again is not None
    shared = os.dup(again)
    lock_file.free(path, again)
    assert not lock_file.is_held(path)
    os.close(shared)


def test_many_at_once_never_hold_it_together_though_each_takes_the_file_away(path: Path) -> None:
    inside = threading.Lock()
    taken = [0] * 4

    def fight(number: int) -> None:
        while taken[number] < 100:
            mine = lock_file.take(path)
            if mine is not None:
                assert inside.acquire(blocking=False), "two hold it"
                taken[number] += 1
                inside.release()
                lock_file.free(path, mine)

    with ThreadPoolExecutor(4) as fighters:
        for done in [fighters.submit(fight, number) for number in range(4)]:
            done.result(60)
    assert taken == [100] * 4


@pytest.mark.parametrize("trap", ["symlink", "hard link", "fifo", "folder"])
def test_a_trap_in_its_place_is_refused_and_left_as_it_is(trap: str, path: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if trap == "symlink":
        path.symlink_to(victim)
    elif trap == "hard link":
        path.hardlink_to(victim)
    elif trap == "fifo":
        os.mkfifo(path)
    else:
        path.mkdir()
    with pytest.raises(LockFileError, match=rf"{path} is no file to lock.*belongs to the user with id \d+; remove it"):
        lock_file.take(path)
    assert not lock_file.is_held(path)
    assert victim.read_text() == "precious"


def test_a_link_to_nowhere_creates_nothing(path: Path, tmp_path: Path) -> None:
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(LockFileError):
        lock_file.take(path)
    assert not (tmp_path / "nowhere").exists()


def test_it_is_everybodys_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        mine = lock_file.take(path)
    finally:
        os.umask(before)
    assert mine is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    lock_file.free(path, mine)


def test_where_the_locks_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_LOCKS", str(tmp_path / "new"))
    assert lock_file.directory() == tmp_path / "new"
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o1777
    assert lock_file.path_of("usb 1-1").parent == tmp_path / "new"
    assert lock_file.path_of("usb 1-1") != lock_file.path_of("usb 1-2")
    (tmp_path / "file").touch()
    monkeypatch.setenv("HIL_LOCKS", str(tmp_path / "file"))
    with pytest.raises(LockFileError, match=r"HIL_LOCKS: .*/file is no folder; name one that all users"):
        lock_file.directory()
    monkeypatch.delenv("HIL_LOCKS")
    assert lock_file.directory() in (Path("/run/lock"), Path("/tmp"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_other_users_respect_it_and_can_take_it_next(tmp_path: Path, path: Path) -> None:
    shared = Path("/tmp") / f"hil-test-{os.getpid()}.lock"
    mine = lock_file.take(shared)
    assert mine is not None

    def as_nobody() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", HOLD, str(shared), "65534"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    with as_nobody() as nobody:
        assert nobody.communicate("", 60)[0] == "held\n"
    lock_file.free(shared, mine)
    with as_nobody() as nobody:
        assert nobody.stdout is not None
        assert nobody.stdout.readline() == "taken\n"
        assert shared.stat().st_uid == 65534
        assert lock_file.take(shared) is None
        nobody.kill()
        nobody.wait()
    again = lock_file.take(shared)
    assert again is not None
    lock_file.free(shared, again)
