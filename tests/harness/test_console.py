"""A console on a real pty, a real socket and a real RFC 2217 server: nothing is lost, and everybody wakes in time."""

from __future__ import annotations

import hashlib
import os
import random
import re
import signal
import socket
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ptys import Device

from hil.console import Console, ConsoleClosed, ConsoleError
from hil.expecting import NotSeen
from hil.lines import Mark
from hil.timeline import Timeline, where

LONG = 60


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path / "port")
    yield device
    device.unplug()


@pytest.fixture
def timeline(tmp_path: Path) -> Iterator[Timeline]:
    timeline = Timeline(tmp_path / "timeline.jsonl")
    yield timeline
    timeline.close()


@pytest.fixture
def console(device: Device, timeline: Timeline, tmp_path: Path) -> Iterator[Console]:
    with Console(timeline, "a", str(device.path), log=tmp_path / "a.log") as console:
        yield console


def test_lines_become_events_and_bytes_the_log(device: Device, console: Console, timeline: Timeline) -> None:
    data = b"first\r\nsec\xffond\r\n\r\nlast\r\n"
    device.say(data)
    timeline.wait(where("console", "line", "a", text="last"), timeout=LONG)
    texts = [e["text"] for e in timeline.events(where("console", "line"))]
    assert texts == ["first", "sec\\xffond", "", "last"] == console.lines()
    assert console.log is not None
    assert console.log.read_bytes() == data
    assert stat.S_IMODE(console.log.stat().st_mode) == 0o600


def test_ten_megabytes_at_full_speed_arrive_whole(device: Device, console: Console, timeline: Timeline) -> None:
    chance = random.Random(7)
    data = b"".join(b"%08d %s\r\n" % (n, b"x" * chance.randrange(150)) for n in range(120_000)) + b"the end\r\n"
    assert len(data) > 10_000_000
    threading.Thread(target=device.say, args=(data,)).start()
    seen = console.expect("the end\n", timeout=120)
    assert console.log is not None
    assert hashlib.sha256(console.log.read_bytes()).digest() == hashlib.sha256(data).digest()
    lines = [e["text"] for e in timeline.events(where("console", "line"))]
    assert "\r\n".join(lines) + "\r\n" == data.decode()
    assert seen.event is not None
    assert seen.event["text"] == "the end"


@pytest.mark.parametrize("seed", range(3))
def test_random_pieces_over_a_socket_arrive_whole(timeline: Timeline, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    data = bytes(chance.choices([10, 13, 65, 66, 0xC3, 0xA9, 0xFF, 0], k=50_000)) + b"\r\nthe end\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            left = data
            while left:
                size = chance.randrange(1, 3000)
                connection.sendall(left[:size])
                left = left[size:]
            connection.recv(1)

        threading.Thread(target=serve).start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with Console(timeline, "a", url, log=tmp_path / "log") as console:
            console.expect("\nthe end\n", timeout=LONG)
    assert (tmp_path / "log").read_bytes() == data
    lines = re.split(r"\r+\n|\r|\n", data.decode("utf-8", "backslashreplace"))
    assert [e["text"] for e in timeline.events(where("console", "line"))] == lines[:-1]


def test_expect_uses_up_what_it_finds(device: Device, console: Console) -> None:
    device.say(b"tick 1, tick 2\r\ntick 3\r\n")
    assert [console.expect(re.compile(r"tick (\d)"), timeout=LONG)[1] for _ in range(3)] == ["1", "2", "3"]
    with pytest.raises(NotSeen):
        console.expect("tick", timeout=0)


def test_expect_searches_from_a_mark(device: Device, console: Console) -> None:
    device.say(b"ready\r\n")
    console.expect("ready", timeout=LONG)
    mark = console.mark()
    assert console.expect("ready", timeout=0, after=Mark(0)).text == "ready"
    with pytest.raises(NotSeen):
        console.expect("ready", timeout=0, after=mark)
    device.say(b"ready again\r\n")
    seen = console.expect(re.compile("ready (?P<how>.+)$"), timeout=LONG, after=mark)
    assert seen["how"] == "again"
    assert seen.groups == ("again",)
    assert console.lines(after=mark)[-1] == "ready again"
    assert console.expect("again", timeout=LONG, after=mark).end == seen.end


def test_a_place_on_the_timeline_is_no_mark(console: Console, timeline: Timeline) -> None:
    with pytest.raises(TypeError, match=r"console\.mark"):
        console.expect("x", timeout=0, after=timeline.mark())  # type: ignore[arg-type]


def test_a_prompt_is_seen_before_its_line_is_finished(device: Device, console: Console, timeline: Timeline) -> None:
    device.say(b"login: ")
    seen = console.expect("login: ", timeout=LONG)
    assert seen.event is None
    assert console.partial == "login: "
    assert timeline.last(where("console", "line")) is None
    device.say(b"root\r\n")
    event = timeline.wait(where("console", "line", text="login: root"), timeout=LONG)
    assert seen.event is event
    device.say(b"password> ")
    assert console.expect(re.compile(r"\w+> $"), timeout=LONG).text == "password> "


def test_a_number_is_not_cut_short(device: Device, console: Console) -> None:
    device.say(b"value=12")
    threading.Timer(0.01, device.say, [b"345\r\n"]).start()
    # Within the quiet time nearly always; if this machine is slower than that, the number is cut: both are allowed for.
    assert console.expect(re.compile(r"value=(\d+)"), timeout=LONG)[1] in ("12345", "12")
    device.say(b"value=6")
    console.expect("value=6", timeout=LONG)
    device.say(b"78;")
    assert console.expect(re.compile(r"(\d+);"), timeout=LONG)[1] == "78"


def test_text_may_span_lines(device: Device, console: Console) -> None:
    device.say(b"one\r\ntwo\r\nthree")
    assert console.expect("one\ntwo\r\nthree", timeout=LONG).text == "one\ntwo\nthree"


def test_several_threads_may_wait_at_once(device: Device, console: Console) -> None:
    found: list[str] = []

    def wait(number: int) -> None:
        found.append(console.expect(re.compile(f"answer {number}: (.)"), timeout=LONG, after=mark).groups[0] or "")

    mark = console.mark()
    threads = [threading.Thread(target=wait, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for number in range(5):
        device.say(b"answer %d: %c\r\n" % (number, 65 + number))
    for thread in threads:
        thread.join(LONG)
    assert sorted(found) == ["A", "B", "C", "D", "E"]


def test_waiters_and_the_timeline_see_everything_while_turns_change(
    device: Device, console: Console, timeline: Timeline
) -> None:
    """Short turns of a leader, with the reader's thread in between, in any order: every line once and in order."""
    chance = random.Random(3)
    for number in range(300):
        console.send(f"{number}\n")
        device.hear(len(f"{number}\n"))
        device.say(b"echo %d\r\n" % number)
        if chance.random() < 0.7:
            console.expect(f"echo {number}\n", timeout=LONG)
        else:
            timeline.wait(where("console", "line", text=f"echo {number}"), timeout=LONG)
    assert console.lines() == [f"echo {number}" for number in range(300)]
    kinds = [e.kind for e in timeline.events(lambda e: e.kind in ("sent", "line"))]
    assert kinds == ["sent", "line"] * 300


def test_a_failure_shows_the_last_lines_and_the_log(device: Device, console: Console, timeline: Timeline) -> None:
    timeline.redact("hunter22-long")
    device.say(b"boot\r\nwifi hunter22-long\r\npanic: hunter2")
    console.expect("panic", timeout=LONG)
    with pytest.raises(NotSeen) as failure:
        console.expect(re.compile("ready|go"), timeout=0.01)
    message = str(failure.value)
    assert message.startswith("a did not print 'ready|go' within 0.01 s; its last lines:\n  | boot\n")
    assert "| wifi [redacted]\n  | panic: \n" in message
    assert message.endswith(f"full log: {console.log}")


def test_secrets_are_blanked_in_events_and_log_also_in_parts(
    device: Device, console: Console, timeline: Timeline
) -> None:
    timeline.redact("hunter22-long")
    for piece in (b"pass=hunt", b"er22-lo", b"ng end\r\n", b"hunter22-lo"):
        device.say(piece)
        console.expect(piece[-3:].replace(b"\r\n", b"\n"), timeout=LONG)
    console.send("try hunter22-long\n")
    console.close()
    timeline.close()
    assert console.log is not None
    assert timeline.path is not None
    assert b"hunter22" not in console.log.read_bytes() + timeline.path.read_bytes()
    assert console.log.read_bytes() == b"pass=[redacted] end\r\n[redacted]"
    assert timeline.last(where("console", "sent"))["text"] == "try [redacted]\n"  # type: ignore[index]


def test_sending_is_heard_and_recorded(device: Device, console: Console, timeline: Timeline) -> None:
    console.send("hé")
    console.send(b"\x03\xff")
    console.send_line("status")
    assert device.hear(12) == "hé".encode() + b"\x03\xff" + b"status\n"
    assert [e["text"] for e in timeline.events(where("console", "sent"))] == ["hé", "\x03\\xff", "status\n"]


def test_much_is_sent_while_much_comes(device: Device, console: Console) -> None:
    """Neither end waits for the other: the buffers between them are far smaller than what goes both ways."""
    out, back = os.urandom(300_000), b"z" * 299_998 + b"\r\n"
    heard: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: heard.append(device.hear(len(out)))),
        threading.Thread(target=device.say, args=(back,)),
    ]
    for thread in threads:
        thread.start()
    console.send(out)
    console.expect("zz\n", timeout=LONG)
    for thread in threads:
        thread.join(LONG)
    assert heard == [out]
    assert sum(map(len, console.lines())) == 299_998


def test_an_endless_line_is_cut_and_nothing_is_lost(device: Device, console: Console, timeline: Timeline) -> None:
    timeline.redact("secret-of-thirty-characters-xx")
    data = b"y" * 200_000 + b"secret-of-thirty-characters-xx" + b"y" * 200_000
    for start in range(0, len(data), 999):
        device.say(data[start : start + 999])
    device.say(b"\r\ndone\r\n")
    console.expect("done\n", timeout=LONG)
    lines = console.lines()
    assert len(lines) > 2
    assert max(map(len, lines)) < 2 * 65536 + 300_000
    assert "".join(lines) == "y" * 200_000 + "[redacted]" + "y" * 200_000 + "done"


@pytest.mark.parametrize(
    ("line", "cause", "name"),
    [
        ("rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", 1, "power-on"),
        ("rst:0x1 (POWERON),boot:0x8 (SPI_FAST_FLASH_BOOT)", 1, "power-on"),
        ("rst:0xc (SW_CPU_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)", 12, "CPU software"),
        ("rst:0x10 (RTCWDT_RTC_RESET),boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))", 16, "RTC watchdog"),
        ("rst:0x3 (SW_RESET),boot:0x13", 3, "software"),
        ("rst:0xf (BROWNOUT_RST),boot:0x8", 15, "brownout"),
        ("rst:0x15 (USB_UART_CHIP_RESET),boot:0x8", 21, "USB-UART"),
        ("rst:0x99 (NEW_ONE),boot:0x8", 0x99, "unknown (NEW_ONE)"),
    ],
)
def test_a_boot_is_an_event_behind_its_line(
    device: Device, console: Console, timeline: Timeline, line: str, cause: int, name: str
) -> None:
    device.say(f"ets Jun  8 2016 00:22:57\r\n\r\n{line}\r\nnext\r\n".encode())
    boot = timeline.wait(where("board", "boot", "a"), timeout=LONG)
    console.expect("next\n", timeout=LONG)
    assert (boot["cause"], boot["name"], boot["line"]) == (cause, name, line)
    around = timeline.events(after=boot.sequence - 1, before=boot.sequence + 2)
    assert [e.get("text") for e in around] == [line, None, "next"]
    assert console.lines() == ["ets Jun  8 2016 00:22:57", "", line, "next"]


def test_many_boots_in_one_piece(device: Device, console: Console, timeline: Timeline) -> None:
    device.say(b"rst:0x1 (POWERON)\r\nrst:0xz no\r\ninvalid header: 0xffffffff\r\n" * 20 + b"end\r\n")
    console.expect("end\n", timeout=LONG)
    assert len(timeline.events(where("board", "boot"))) == 20
    assert len(console.lines()) == 61


def test_a_closed_console_says_so(device: Device, console: Console) -> None:
    waiting = threading.Timer(0.05, console.close)
    waiting.start()
    with pytest.raises(ConsoleClosed):
        console.expect("never", timeout=LONG)
    waiting.join()
    with pytest.raises(ConsoleClosed):
        console.send("x")
    console.close()


def test_closing_finishes_the_last_line(device: Device, console: Console, timeline: Timeline) -> None:
    device.say(b"whole\r\nhalf")
    console.expect("half", timeout=LONG)
    console.close()
    assert console.lines() == ["whole", "half"]
    assert console.expect("whole\nhalf\n", timeout=0, after=Mark(0)).event is not None
    assert [e["state"] for e in timeline.events(where("console", "port"))] == ["open", "closed"]


def test_an_interrupt_while_waiting_leaves_the_console_usable(device: Device, console: Console) -> None:
    """Ctrl-C and pytest-timeout raise in whoever waits: reading must go on, and closing must not hang."""

    def interrupt_who_waits() -> None:
        while not console._received._searches:
            time.sleep(0)
        os.kill(os.getpid(), signal.SIGINT)

    for number in range(5):
        interrupt = threading.Thread(target=interrupt_who_waits)
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            console.expect("never", timeout=LONG)
        interrupt.join()
        device.say(b"line %d\r\n" % number)
        console.timeline.wait(where("console", "line", text=f"line {number}"), timeout=LONG)


def test_a_leader_that_vanished_is_not_waited_for(
    device: Device, console: Console, timeline: Timeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted twice, the second time while it ended its turn: somebody must read all the same."""
    monkeypatch.setattr("hil.reader.GONE_AFTER", 0.1)
    assert console._reader.turn().begin()
    device.say(b"line\r\n")
    timeline.wait(where("console", "line", text="line"), timeout=LONG)
    device.say(b"more\r\n")
    console.expect("more\n", timeout=LONG)


def test_a_full_disk_is_told_and_does_not_hang(device: Device, timeline: Timeline) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with Console(timeline, "a", str(device.path), log=Path("/dev/full")) as console:
        device.say(b"x\r\n")
        with pytest.raises(ConsoleError, match="No space left"):
            console.expect("never", timeout=LONG)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("/dev/nowhere", "does not exist: is the board plugged in"),
        ("socket://127.0.0.1:9", "cannot be opened"),
        ("rfc2217://127.0.0.1:9", "cannot be opened"),
        ("nonsense://x", "cannot be opened"),
    ],
)
def test_a_port_that_cannot_be_opened(timeline: Timeline, url: str, says: str) -> None:
    with pytest.raises(ConsoleError, match=says) as failure:
        Console(timeline, "a", url).open()
    assert "\n" not in str(failure.value)


def test_a_port_in_use_is_named(console: Console, timeline: Timeline, device: Device) -> None:
    with pytest.raises(ConsoleError, match="in use by another program"):
        Console(timeline, "b", str(device.path)).open()
