"""The doctor on serial ports: by what right they may be opened, who has them, who takes them."""

from __future__ import annotations

import os
import pty
import random
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fake_host import FakeHost, board, found

from hil.doctor import holders, ports, wiring
from hil.doctor.check import Case
from hil.doctor.host import Host
from hil.doctor.user import ACL, User, parse_acl, read_acl, right

NAME = "usb-1a86_USB_Serial-if00-port0"
PORT = f"/dev/serial/by-id/{NAME}"


@pytest.fixture
def fake(tmp_path: Path) -> FakeHost:
    fake = FakeHost(tmp_path / "root")
    fake.usb("1-1.2", "1a86", "7523", name="USB Serial")
    return fake


def with_tty(fake: FakeHost, mode: int = 0o660) -> FakeHost:
    fake.tty("ttyUSB0", "1-1.2", mode=mode, by_id=NAME)
    return fake


# -- the port and the right to it ----------------------------------------------------------------------------------


def test_a_port_by_id_is_followed(fake: FakeHost, tmp_path: Path) -> None:
    [said] = found(ports.CHECKS, "port", with_tty(fake).case(tmp_path, board(PORT)))
    assert (said.level, said.found) == ("ok", f"{PORT} -> /dev/ttyUSB0")


def test_a_port_by_number_is_there_and_may_be_another_tomorrow(fake: FakeHost, tmp_path: Path) -> None:
    [said] = found(ports.CHECKS, "port", with_tty(fake).case(tmp_path, board("/dev/ttyUSB0")))
    assert said.level == "note"
    assert "by-id" in said.cure


def test_a_missing_port_names_those_that_there_are(fake: FakeHost, tmp_path: Path) -> None:
    [said] = found(ports.CHECKS, "port", with_tty(fake).case(tmp_path, board("/dev/serial/by-id/other")))
    assert said.level == "fault"
    assert PORT in said.cure


@pytest.mark.parametrize(("mark", "engine"), [("/.dockerenv", "docker"), ("/run/.containerenv", "podman")])
def test_a_port_that_the_container_was_not_given(fake: FakeHost, tmp_path: Path, mark: str, engine: str) -> None:
    with_tty(fake).write(mark, "")
    (fake.root / "dev/ttyUSB0").unlink()
    [said] = found(ports.CHECKS, "port", fake.case(tmp_path, board(PORT)))
    assert f"in this container ({engine}), though the kernel knows ttyUSB0" in said.found
    assert "--device=/dev/ttyUSB0" in said.cure


@pytest.mark.parametrize(
    ("marks", "level", "words"),
    [
        ('{ location = "1-1.2" }', "ok", "location 1-1.2 -> "),
        ('{ serial_number = "0001" }', "fault", "no port has serial number 0001"),
        ('{ mac = "aa:bb:cc:dd:ee:ff", ask = true }', "note", "asked for only when it is opened"),
    ],
)
def test_a_port_by_its_marks(fake: FakeHost, tmp_path: Path, marks: str, level: str, words: str) -> None:
    case = with_tty(fake).case(tmp_path, f'name = "x"\n[boards.kit]\nport = {marks}\nCONTRACT\n')
    [said] = found(ports.CHECKS, "port", case)
    assert said.level == level
    assert words in said.found
    rights = found(ports.CHECKS, "port-permission", case)
    assert len(rights) == (level == "ok")
    assert all("/dev/ttyUSB0" in finding.found for finding in rights)


def permission(fake: FakeHost, tmp_path: Path) -> tuple[str, str, str]:
    [said] = found(ports.CHECKS, "port-permission", fake.case(tmp_path, board(PORT)))
    return said.level, said.found, said.cure


@pytest.fixture
def as_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every device belongs to root and group 20, as a real one does."""
    real = Path.stat

    def stat(self: Path, **words: bool) -> os.stat_result:
        status = list(real(self, **words))
        if self.name.startswith("ttyUSB"):
            status[4], status[5] = 0, 20
        return os.stat_result(status)

    monkeypatch.setattr(Path, "stat", stat)


@pytest.mark.parametrize(
    ("groups", "entry", "mode", "level", "words", "cure"),
    [
        ({1234, 20}, "dialout:x:20:ada", 0o660, "ok", "group dialout", ""),
        ({1234}, "dialout:x:20:", 0o660, "fault", "it belongs to group dialout", "sudo usermod -aG dialout $USER"),
        ({1234}, "uucp:x:20:", 0o660, "fault", "it belongs to group uucp", "sudo usermod -aG uucp $USER"),
        ({1234}, "dialout:x:20:bob,ada", 0o660, "fault", "not yet when this session began", "log out and in again"),
        ({1234, 20}, "dialout:x:20:ada", 0o600, "fault", "its mode is 0600", "hil doctor --udev"),
        ({1234}, "dialout:x:20:", 0o666, "note", "by everybody on this host (mode 0666)", "hil doctor --udev"),
    ],
)
def test_group_and_mode_against_the_session(
    fake: FakeHost,
    tmp_path: Path,
    as_group: None,
    groups: set[int],
    entry: str,
    mode: int,
    level: str,
    words: str,
    cure: str,
) -> None:
    fake.user = User(1234, frozenset(groups))
    fake.write("/etc/group", f"root:x:0:\n{entry}\n")
    said = permission(with_tty(fake, mode), tmp_path)
    assert said[0] == level, said
    assert words in said[1]
    assert cure in said[2]


def test_a_port_of_root_alone(fake: FakeHost, tmp_path: Path, as_group: None) -> None:
    fake.write("/etc/group", "root:x:20:\n")
    assert "belongs to group root" in permission(with_tty(fake), tmp_path)[1]


# -- rights as the kernel has them ---------------------------------------------------------------------------------


def acl(*entries: tuple[int, int, int]) -> bytes:
    """A list of (tag, permissions, id), as the kernel keeps it."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


NOBODY = 65534
NO_ID = 0xFFFFFFFF


@contextmanager
def being_nobody(groups: list[int]) -> Iterator[User]:
    """This process, as far as files are concerned, is 'nobody' with these groups."""
    before = os.getgroups()
    os.setgroups(groups)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield User.current()
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away and become somebody else")
def test_rights_are_those_that_the_kernel_grants() -> None:
    """Random owners, groups, modes and lists: `right` says what open(2) would."""
    dice = random.Random(3)
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        path = Path(name, "device")
        granted = 0
        for _ in range(300):
            path.write_bytes(b"")
            os.chown(path, dice.choice((0, NOBODY)), dice.choice((0, 20, 46)))
            os.chmod(path, dice.choice((0o600, 0o660, 0o640, 0o666, 0o060, 0o006, 0o606)))
            if dice.random() < 0.6:
                bits = [dice.choice((0, 4, 6)) for _ in range(6)]
                named, others = (0x02, bits[1], dice.choice((1, NOBODY))), (0x08, bits[3], dice.choice((46, 99)))
                entries = [(0x01, bits[0], NO_ID), named, (0x04, bits[2], NO_ID), others]
                os.setxattr(path, ACL, acl(*entries, (0x10, bits[4], NO_ID), (0x20, bits[5], NO_ID)))
            with being_nobody(dice.choice(([], [20], [46], [20, 46]))) as user:
                truth = os.access(path, os.R_OK | os.W_OK, effective_ids=True)
                said = right(user, path.stat(), read_acl(path))
            assert (said is not None) == truth, (path.stat(), read_acl(path), user, said)
            granted += truth
            path.unlink()
        assert 50 < granted < 250, "the dice should give both"


def test_an_entry_for_the_user_at_the_screen_is_told_as_that(
    fake: FakeHost, tmp_path: Path, as_group: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = acl((0x01, 6, NO_ID), (0x02, 6, 1234), (0x04, 6, NO_ID), (0x10, 6, NO_ID), (0x20, 0, NO_ID))
    monkeypatch.setattr(os, "getxattr", lambda path, name: entries)
    level, what, cure = permission(with_tty(fake), tmp_path)
    assert level == "note"
    assert "while logged in at this screen" in what
    assert "usermod -aG dialout" in cure


@pytest.mark.parametrize("data", [b"", b"\x02", struct.pack("<I", 7), acl((0x02, 6, 1234))[:-1]])
def test_bytes_that_are_no_list_grant_nothing(data: bytes) -> None:
    assert parse_acl(data) == []


# -- who has it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "command", "cure"),
    [
        ("ModemManager", ("/usr/sbin/ModemManager",), "sudo systemctl stop ModemManager"),
        ("brltty", ("/usr/bin/brltty",), "mask brltty-udev"),
        ("agetty", ("/sbin/agetty", "-o", "115200"), "systemctl disable --now serial-getty@ttyUSB0"),
        ("picocom", ("picocom", "/dev/ttyUSB0"), "close it"),
        ("python3", ("python3", "-m", "pytest", "--rig", "x.toml"), "a run of hil has it: wait"),
        ("python3", ("python3", "/home/ada/.local/bin/hil", "console"), "a run of hil has it: wait"),
        ("sniffer", ("./sniffer",), "kill 4711"),
    ],
)
def test_a_process_that_has_the_port(
    fake: FakeHost, tmp_path: Path, name: str, command: tuple[str, ...], cure: str
) -> None:
    with_tty(fake).process(4711, name, *command, opened="/dev/ttyUSB0")
    fake.process(4712, "bash", opened="/dev/tty1")
    [said] = found(holders.CHECKS, "port-holder", fake.case(tmp_path, board(PORT)))
    assert said.level == "fault"
    assert said.found == f"/dev/ttyUSB0 is open in {name} (pid 4711)"
    assert cure in said.cure


def test_a_port_that_nobody_has(fake: FakeHost, tmp_path: Path) -> None:
    with_tty(fake).process(4712, "bash", opened="/dev/ttyUSB01")
    [said] = found(holders.CHECKS, "port-holder", fake.case(tmp_path, board(PORT)))
    assert (said.level, said.found) == ("ok", "/dev/ttyUSB0 is open nowhere else")


def test_a_real_process_that_has_a_real_port(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    path = tmp_path / "port"
    path.symlink_to(os.ttyname(slave))
    with subprocess.Popen(["sleep", "60"], stdin=slave) as holder:
        os.close(slave)
        case = FakeHost(tmp_path / "root").case(tmp_path, board(str(path)))
        [said] = found(holders.CHECKS, "port-holder", Case(case.rig, case.boards, Host()))
        holder.kill()
    os.close(master)
    assert said.found == f"{os.path.realpath(path)} is open in sleep (pid {holder.pid})"


def test_the_files_of_a_process_that_may_not_be_looked_into(fake: FakeHost, tmp_path: Path) -> None:
    with_tty(fake).process(4711, "secretive")
    case = fake.case(tmp_path, board(PORT))
    case.host.held = type(case.host.held)({}, [], 3)
    [said] = found(holders.CHECKS, "port-holder", case)
    assert "3 of others were not looked into" in said.found


# -- who would take it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("marks", "notes"), [("E:ID_MM_CANDIDATE=1", 1), ("E:ID_MM_DEVICE_IGNORE=1", 0)])
def test_modem_manager_may_take_the_port(fake: FakeHost, tmp_path: Path, marks: str, notes: int) -> None:
    with_tty(fake).write("/run/udev/data/c188:0", f"S:serial/by-id/x\n{marks}\n")
    assert found(holders.CHECKS, "modem-manager", fake.case(tmp_path, board(PORT))) == [], "it does not run"
    fake.process(800, "ModemManager")
    said = found(holders.CHECKS, "modem-manager", fake.case(tmp_path, board(PORT)))
    assert len(said) == notes
    assert all("--udev" in finding.cure for finding in said)


def test_modem_manager_passes_by_what_its_usb_device_says(fake: FakeHost, tmp_path: Path) -> None:
    with_tty(fake).process(800, "ModemManager")
    fake.write("/sys/bus/usb/devices/1-1.2/dev", "189:5\n")
    fake.write("/run/udev/data/c189:5", "E:ID_MM_DEVICE_IGNORE=1\n")
    assert found(holders.CHECKS, "modem-manager", fake.case(tmp_path, board(PORT))) == []


BRLTTY = 'ENV{PRODUCT}=="1a86/7523/*", ENV{BRLTTY_BRAILLE_DRIVER}="bm", GOTO="brltty_usb_run"\n'
RULES = "/usr/lib/udev/rules.d/90-brltty-device.rules"


def test_brltty_has_taken_the_bridge(fake: FakeHost, tmp_path: Path) -> None:
    fake.write(RULES, f"# Device: 1A86:7523\n{BRLTTY}")
    [said] = found(holders.CHECKS, "brltty", fake.case(tmp_path, board(PORT)))
    assert said.level == "fault"
    assert "USB Serial (1a86:7523) at 1-1.2" in said.found
    assert "/etc/udev/rules.d/90-brltty-device.rules" in said.cure


def test_brltty_would_take_the_bridge(fake: FakeHost, tmp_path: Path) -> None:
    with_tty(fake).write(RULES, BRLTTY)
    [said] = found(holders.CHECKS, "brltty", fake.case(tmp_path, board(PORT)))
    assert said.level == "note"


@pytest.mark.parametrize(
    ("path", "text"),
    [(RULES, f"# {BRLTTY}"), (RULES, BRLTTY.replace("7523", "5523")), ("/usr/lib/udev/rules.d/60-x.rules", BRLTTY)],
)
def test_rules_that_leave_the_bridge_alone(fake: FakeHost, tmp_path: Path, path: str, text: str) -> None:
    fake.write(path, text)
    assert found(holders.CHECKS, "brltty", fake.case(tmp_path, board(PORT))) == []


def test_rules_that_the_administrator_has_hidden(fake: FakeHost, tmp_path: Path) -> None:
    fake.write(RULES, BRLTTY)
    fake.link("/etc/udev/rules.d/90-brltty-device.rules", "/dev/null")
    assert found(holders.CHECKS, "brltty", fake.case(tmp_path, board(PORT))) == []


def test_rules_by_attributes(fake: FakeHost, tmp_path: Path) -> None:
    fake.write(RULES, 'ATTRS{idVendor}=="1A86", ATTRS{idProduct}=="7523", ENV{BRLTTY_BRAILLE_DRIVER}="bm"\n')
    assert len(found(holders.CHECKS, "brltty", fake.case(tmp_path, board(PORT)))) == 1


def test_a_log_in_and_the_kernels_console_on_the_port(fake: FakeHost, tmp_path: Path) -> None:
    with_tty(fake).write("/sys/class/tty/console/active", "tty0 ttyUSB0\n")
    fake.link("/etc/systemd/system/getty.target.wants/serial-getty@ttyUSB0.service", "/nowhere")
    console, getty = found(holders.CHECKS, "log-in", fake.case(tmp_path, board(PORT)))
    assert "console=ttyUSB0" in console.cure
    assert "serial-getty@ttyUSB0" in getty.cure


def test_other_consoles_do_not_matter(fake: FakeHost, tmp_path: Path) -> None:
    with_tty(fake).write("/sys/class/tty/console/active", "tty0 ttyS0\n")
    fake.link("/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service", "/nowhere")
    assert found(holders.CHECKS, "log-in", fake.case(tmp_path, board(PORT))) == []


# -- whether the port can reset the chip --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ids", "rig", "level", "words"),
    [
        ("1a86:7523", "", "ok", "by usb-uart, as the port's ids say"),
        ("303a:1001", 'chip = "esp32c3"', "ok", "by usb-serial-jtag, as the port's ids say"),
        ("303a:0002", 'chip = "esp32s2"', "ok", "by usb-otg, as the port's ids say"),
        ("dead:beef", 'chip = "esp32c3"\nreset = "usb-serial-jtag"', "ok", "the port's ids do not tell"),
        ("1a86:7523", 'reset = "none"', "ok", "by none"),
        ("303a:1001", 'chip = "esp32c3"\nreset = "usb-uart"', "fault", 'the rig says "usb-uart", and the port is the'),
        ("1a86:7523", 'chip = "esp32c3"\nreset = "usb-serial-jtag"', "fault", "the port is a CH340"),
        ("303a:1001", 'chip = "esp32"', "fault", "an esp32 has no such port"),
        ("2341:0043", "", "fault", "no Espressif chip's and no bridge (Arduino Uno)"),
        ("10c4:ea64", "", "note", "flow control"),
    ],
)
def test_a_port_is_held_against_how_the_rig_resets(tmp_path: Path, ids: str, rig: str, level: str, words: str) -> None:
    fake = FakeHost(tmp_path / "root")
    fake.usb("1-1.2", *ids.split(":"))
    fake.tty("ttyUSB0", "1-1.2", by_id=NAME)
    case = fake.case(tmp_path, board(PORT) + f"{rig}\n")
    [said] = found(wiring.CHECKS, "port-reset", case)
    assert (said.level, words in said.found) == (level, True), said
    assert bool(said.cure) == (level != "ok")


def test_who_is_not_flashed_by_esptool_is_not_reset_by_it(tmp_path: Path) -> None:
    fake = FakeHost(tmp_path / "root")
    fake.usb("1-1.2", "2341", "0043")
    fake.tty("ttyACM0", "1-1.2", by_id=NAME)
    case = fake.case(tmp_path, board(PORT) + 'flasher = { kind = "avrdude", board = "uno" }\n')
    assert found(wiring.CHECKS, "port-reset", case) == []
