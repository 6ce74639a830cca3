"""The locks of a bench: by what a thing is and not by its name; who has it is told; outlets go with their boards."""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench, BenchError
from hil.cli import main
from hil.guardian import identity, lock_file
from hil.guardian.holder import Holder, in_words
from hil.guardian.locks import Locks, Taken, held, locked
from hil.ports import PortTable
from hil.power.command import CommandPower
from hil.power.outlet import OutletPower, switch_of
from hil.timeline import Timeline
from hil.toml import FileError

ROOT = Path(__file__).parents[2]
CONTRACT = ROOT / "rigs" / "contracts" / "reference.toml"
RELAY = 'power = { kind = "uhubctl", location = "1-1", port = %d }\n'


@pytest.fixture(autouse=True)
def _a_host_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_LOCKS", str(tmp_path / "locks"))


def rig(folder: Path, file: str = "rig", top: str = "", **boards: str) -> rigs.Rig:
    """A rig of real boards: `name="port=..."`."""
    text = f'name = "{file}"\n{top}\n'
    for name, lines in boards.items():
        text += f'[boards.{name}]\ncontract = "{CONTRACT}"\nwifi = {{ ssid = "net" }}\n{lines}\n'
    path = folder / f"{file}.toml"
    path.write_text(text)
    return rigs.load(path)


# -- what a thing is ---------------------------------------------------------------------------------------------------


def tty(root: Path, name: str, place: str, interface: int) -> None:
    """A USB serial port as the kernel shows it below `root`."""
    device = root / "sys" / "devices" / place
    device.mkdir(parents=True, exist_ok=True)
    (device / "idVendor").write_text("0403\n")
    (device / "serial").write_text("0001\n")
    (device / str(interface)).mkdir()
    (device / str(interface) / "bInterfaceNumber").write_text(f"{interface:02x}\n")
    (root / "sys" / "class" / "tty" / name).mkdir(parents=True)
    (root / "sys" / "class" / "tty" / name / "device").symlink_to(device / str(interface))
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / name).touch()


def key(named: str | PortTable, root: Path) -> str:
    found = identity.port(named, [root])
    assert found is not None
    return found.key


def test_a_usb_port_is_its_place_whatever_it_is_called(tmp_path: Path) -> None:
    tty(tmp_path, "ttyUSB0", "1-1.4", 0)
    tty(tmp_path, "ttyUSB1", "1-1.4", 1)
    tty(tmp_path, "ttyUSB2", "1-1.2", 0)
    device = f"{tmp_path}/dev/ttyUSB0"
    by_id = tmp_path / "usb-FTDI_FT2232-if00"
    by_id.symlink_to(device)
    first = identity.port(device, [tmp_path])
    assert first == identity.Identity(f"usb 1-1.4 interface 0 below {tmp_path}", device)
    link = identity.port(str(by_id), [tmp_path])
    assert link == identity.Identity(first.key, f"{device} ({by_id})")
    assert key(f"spy://{device}?file=x", tmp_path) == first.key
    assert key(PortTable(location="1-1.4", interface=0), tmp_path) == first.key
    assert key(PortTable(serial_number="0001", location="1-1.2"), tmp_path) == key(f"{tmp_path}/dev/ttyUSB2", tmp_path)
    names = [f"{tmp_path}/dev/ttyUSB{number}" for number in range(3)]
    assert len({key(name, tmp_path) for name in names}) == 3, "one serial number, or one chip with two UARTs"
    (tmp_path / "dev" / "ttyUSB0").rename(tmp_path / "dev" / "ttyUSB9")
    (tmp_path / "sys" / "class" / "tty" / "ttyUSB0").rename(tmp_path / "sys" / "class" / "tty" / "ttyUSB9")
    assert key(f"{tmp_path}/dev/ttyUSB9", tmp_path) == first.key, "back under another name"


def test_a_port_that_cannot_be_found_is_what_the_rig_calls_it(tmp_path: Path) -> None:
    assert key("/dev/ttyS7", tmp_path) == "tty /dev/ttyS7"
    missing = PortTable(serial_number="none such")
    assert identity.port(missing, [tmp_path]) == identity.Identity(
        "port serial number none such", "the port with serial number none such"
    )
    assert key(PortTable(mac="24:0a:c4:00:01:10", ask=True), tmp_path) == "port MAC address 24:0a:c4:00:01:10"


def test_a_url_is_its_host_and_port() -> None:
    keys = {
        found.key if (found := identity.port(url)) else None
        for url in (
            "rfc2217://127.0.0.1:4000",
            "rfc2217://localhost:4000?ign_set_control",
            "socket://LOCALHOST:4000",
            "rfc2217://[::1]:4000",
        )
    }
    assert keys == {"net localhost:4000"}
    other = identity.port("rfc2217://198.51.100.7:4000")
    assert other == identity.Identity("net 198.51.100.7:4000", "198.51.100.7:4000")
    assert identity.port("loop://") is None, "each is a port of its own"


def test_every_kind_of_switch_says_what_its_outlet_is_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = re.findall(r"^```toml power\n(.*?)^```", (ROOT / "docs" / "power.md").read_text(), re.M | re.S)
    kinds, seen = set(), set()
    for example in examples:
        for name in re.findall(r'env = "(\w+)"', example):
            monkeypatch.setenv(name, "hunter22")
        board = rig(tmp_path, one=f'port = "/dev/null"\n{example}').boards["one"]
        if isinstance(board.config.power, OutletPower):
            found = identity.outlet(board)
            assert found is not None
            assert "hunter22" not in found.key + found.what
            kinds.add(board.config.power_kind)
            seen.add(found.key)
    assert kinds == {kind.model_fields["kind"].default for kind in _kinds(OutletPower)}
    assert len(seen) >= len(kinds)


def _kinds(table: type[OutletPower]) -> list[type[OutletPower]]:
    """All tables that a rig can name: those that nothing is derived from."""
    below = table.__subclasses__()
    return [kind for child in below for kind in _kinds(child)] if below else [table]


# -- taking ------------------------------------------------------------------------------------------------------------


def test_two_rigs_that_name_one_port_by_two_names_collide(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/null")
    mine = rig(tmp_path, "mine", one='port = "/dev/null"')
    theirs = rig(tmp_path, "theirs", another=f'port = "{tmp_path}/by-id"')
    locks = Locks(mine, folder=tmp_path / "runs" / "7")
    locks.take(["one"])
    with pytest.raises(Taken) as caught, locked(theirs, ["another"], state=None):
        pass
    words = str(caught.value)
    assert re.fullmatch(
        rf"board another: {tmp_path}/by-id \(/dev/null\) is held by \S+, pid {os.getpid()} \(\S*pytest.*, rig "
        rf"{mine.path}, run folder {tmp_path}/runs/7\), since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \(\d+ s\); wait for it "
        rf"with --wait SECONDS, or end it \(kill {os.getpid()}\)",
        words,
    ), words
    locks.free()
    with locked(theirs, ["another"], state=None):
        pass


def test_who_has_the_outlet_has_it_for_all_boards_on_it(tmp_path: Path) -> None:
    bench = rig(
        tmp_path,
        a='port = "/dev/null"\n' + RELAY % 1,
        b='port = "/dev/zero"\n' + RELAY % 1,
        c='port = "/dev/full"\n' + RELAY % 2,
    )
    assert identity.mates(bench, "a") == ["b"]
    assert identity.mates(bench, "c") == []
    with locked(bench, ["a"], state=None):
        assert {holder.what for holder in held()} == {"/dev/null", "/dev/zero", "the outlet uhubctl 1-1 port 1"}
        with (
            pytest.raises(Taken, match=r"board b \(with a: one outlet\): /dev/null is held"),
            locked(bench, ["b"], state=None),
        ):
            pass
        alone = rig(tmp_path, "alone", x='port = "/dev/random"\n' + RELAY % 1)
        with (
            pytest.raises(Taken, match="board x: the outlet uhubctl 1-1 port 1 is held"),
            locked(alone, ["x"], state=None),
        ):
            pass
        with locked(bench, ["c"], state=None):
            pass
    assert held() == []


def test_all_or_nothing(tmp_path: Path) -> None:
    bench = rig(tmp_path, a='port = "/dev/full"', b='port = "/dev/null"')
    mine = Locks(bench)
    with locked(bench, ["b"], state=None):
        with pytest.raises(Taken):
            mine.take(["a", "b"])
        assert [holder.board for holder in held()] == ["b"]
        mine.take(["a"])
    mine.take(["a", "b"])
    assert sorted(holder.board for holder in held()) == ["a", "b"]
    mine.free()


def test_one_rig_that_names_one_port_twice_is_told(tmp_path: Path) -> None:
    (tmp_path / "by-id").symlink_to("/dev/null")
    bench = rig(tmp_path, a='port = "/dev/null"', b=f'port = "{tmp_path}/by-id"')
    with pytest.raises(Taken, match=r"board b: its port .*by-id .* is that of board a, by another name; correct the"):
        Locks(bench).take(["a", "b"])
    assert held() == []


def test_waiting_ends_when_it_is_free(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = rig(tmp_path, top="wait = 60", a='port = "/dev/null"')
    locks = Locks(bench)
    locks.take(["a"])
    waiting, got = Locks(bench), threading.Event()

    def wait() -> None:
        waiting.take(["a"])
        got.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not got.is_set()
    locks.free()
    assert got.wait(60)
    thread.join()
    waiting.free()


def test_a_virtual_board_is_locked_by_the_folder_that_others_can_reach(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(f'name = "v"\n[boards.v]\nvirtual = "esp32"\ncontract = "{CONTRACT}"\nwifi = {{ ssid = "net" }}\n')
    virtual = rigs.load(path)
    with locked(virtual, ["v"], state=None):
        assert held() == []
    with locked(virtual, ["v"], state=tmp_path / "state"):
        with (
            pytest.raises(Taken, match=f"the virtual board in {tmp_path}/state is held"),
            locked(virtual, ["v"], state=tmp_path / "state"),
        ):
            pass
        with locked(virtual, ["v"], state=tmp_path / "other"):
            pass


# -- who holds it ------------------------------------------------------------------------------------------------------


def test_what_somebody_else_wrote_into_a_lock_is_shown_without_harm(tmp_path: Path) -> None:
    path = lock_file.path_of("x")
    mine = lock_file.take(path)
    assert mine is not None
    for said in (b"", b"\xff\xfe", b"[]", b'{"pid": "x"}', b"9" * 4096):
        lock_file.write(mine, said)
        assert Holder.read(path).words == "a process that has not said who it is"
    nasty = {**json.loads(Holder("port", user="\x1b[2Jbob", pid=5).as_json()), "since": 0.0}
    lock_file.write(mine, json.dumps(nasty).encode())
    assert Holder.read(path).user == "?[2Jbob"
    lock_file.write(mine, json.dumps({**nasty, "since": 1e300}).encode())
    assert Holder.read(path).pid == 0
    lock_file.free(path, mine)


def test_durations() -> None:
    assert [in_words(s) for s in (-3, 40, 750, 12600)] == ["0 s", "40 s", "12 min", "3.5 h"]


# -- the commands and the bench ----------------------------------------------------------------------------------------


def test_a_bench_and_the_commands_respect_it_and_hil_locks_tells(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    power = f'power = {{ kind = "command", on = "touch {tmp_path}/on", off = "rm -f {tmp_path}/on", status = "false" }}'
    bench = rig(tmp_path, a=f'port = "/dev/null"\n{power}')
    with locked(bench, ["a"], state=None):
        with pytest.raises(BenchError, match="board a: /dev/null is held by"):
            Bench(bench, broker_side=False)
        for words in (["power", "on"], ["power", "cycle"], ["reset"], ["flash"], ["console", "--seconds", "0"]):
            assert main([words[0], "--rig", str(bench.path), *words[1:]]) == 1
            assert re.fullmatch(r"hil: board a: /dev/null is held by .*\n", capsys.readouterr().err)
        assert main(["doctor", "--probe", "--rig", str(bench.path)]) == 1
        assert "a chip: /dev/null is held by" in capsys.readouterr().out
        assert not (tmp_path / "on").exists()
        assert main(["power", "status", "--rig", str(bench.path)]) == 0
        assert capsys.readouterr().out == "a: off\n"
        assert main(["locks"]) == 0
        told = capsys.readouterr().out
        assert str(os.getpid()) in told
        assert "/dev/null" in told
        assert "outlet command" in told
    assert main(["locks"]) == 0
    assert capsys.readouterr().out.startswith("nothing is in use")
    with pytest.raises(SystemExit):
        main(["reset", "--wait", "soon", "--rig", str(bench.path)])
    assert "found 'soon', expected seconds, 0 or more" in capsys.readouterr().err


# -- two boards, one outlet --------------------------------------------------------------------------------------------


def test_a_cut_is_recorded_for_every_board_on_the_outlet() -> None:
    timeline = Timeline()
    switch = switch_of("command", CommandPower(on="true", off="true"), Path, board="a", mates=["b"], timeline=timeline)
    switch.on()
    switch.off()
    assert [(e.kind, e.board) for e in timeline] == [("on", "a"), ("on", "b"), ("off", "a"), ("off", "b")]


def test_boards_on_one_outlet_are_left_the_same_way(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        rig(
            tmp_path,
            a='port = "/dev/null"\n' + RELAY % 1,
            b='port = "/dev/zero"\nidle = "on"\n' + RELAY % 1,
        )
    assert caught.value.faults == [
        "boards.b.idle: found 'on', expected 'off', as board 'a' has it: both are on one outlet"
    ]
