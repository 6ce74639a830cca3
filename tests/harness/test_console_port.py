"""Ports that come and go: unplugged, re-enumerated, their server restarted, or lent to a flasher."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ptys import Device
from rfc2217_server import Rfc2217Server

from hil.console import Console, ConsoleClosed, ConsoleError
from hil.expecting import NotSeen
from hil.timeline import Timeline, where

LONG = 60


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Device]:
    device = Device(tmp_path / "port")
    yield device
    device.unplug()


def states(timeline: Timeline) -> list[str]:
    return [e["state"] for e in timeline.events(where("console", "port"))]


def test_an_unplugged_port_comes_back(device: Device, tmp_path: Path) -> None:
    timeline = Timeline()
    with Console(timeline, "a", str(device.path), log=tmp_path / "log") as console:
        for round_ in range(3):
            device.say(b"half %d" % round_)
            console.expect(f"half {round_}", timeout=LONG)
            mark = timeline.mark()
            device.unplug()
            lost = timeline.wait(where("console", "port", "a", state="lost"), timeout=LONG, after=mark)
            assert lost["reason"]
            with pytest.raises(ConsoleError, match=r"has lost its port"):
                console.send("x", timeout=0)
            device.plug()
            device.say(b"hello again\r\n")
            timeline.wait(where("console", "port", "a", state="back"), timeout=LONG, after=mark)
            console.expect("hello again\n", timeout=LONG)
            console.send("ok\n")
            assert device.hear(3) == b"ok\n"
    assert states(timeline) == ["open", *["lost", "back"] * 3, "closed"]
    assert console.lines() == [text for n in range(3) for text in (f"half {n}", "hello again")]
    assert (tmp_path / "log").read_bytes() == b"".join(b"half %dhello again\r\n" % n for n in range(3))


def test_expect_waits_through_a_loss_and_says_that_the_port_is_away(device: Device) -> None:
    timeline = Timeline()
    with Console(timeline, "a", str(device.path)) as console:
        threading.Timer(0.05, lambda: (device.unplug(), device.plug(), device.say(b"back\r\n"))).start()
        console.expect("back\n", timeout=LONG)
        device.unplug()
        timeline.wait(where("console", "port", state="lost"), timeout=LONG, after=timeline.mark() - 1)
        with pytest.raises(NotSeen, match=r"its port is away: .*port does not exist"):
            console.expect("never", timeout=3)  # it has tried to open the port again by then


def test_send_waits_for_a_port_to_come_back(device: Device) -> None:
    timeline = Timeline()
    with Console(timeline, "a", str(device.path)) as console:
        device.unplug()
        timeline.wait(where("console", "port", state="lost"), timeout=LONG)
        threading.Timer(0.1, device.plug).start()
        console.send("hi\n", timeout=LONG)
        assert device.hear(3) == b"hi\n"


def test_a_restarted_socket_server_is_found_again() -> None:
    timeline = Timeline()
    server = socket.create_server(("127.0.0.1", 0))
    url = f"socket://127.0.0.1:{server.getsockname()[1]}"
    with server, Console(timeline, "a", url) as console:
        for text in (b"one\r\n", b"two\r\n"):
            connection, _ = server.accept()
            # At once: what comes with the connection must not be taken for what was there before.
            connection.sendall(text)
            console.expect(text.decode(), timeout=LONG)
            connection.close()
        kept, _ = server.accept()
        timeline.wait_count(where("console", "port", state="back"), 2, timeout=LONG)
        kept.close()
    assert states(timeline)[:5] == ["open", "lost", "back", "lost", "back"]


def test_a_restarted_rfc2217_server_is_found_again() -> None:
    timeline = Timeline()
    server = Rfc2217Server()
    try:
        with Console(timeline, "a", server.url) as console:
            server.say(b"one\xff\r\n")
            console.expect(b"one\xff\n", timeout=LONG)
            server.stop()
            timeline.wait(where("console", "port", state="lost"), timeout=LONG)
            server.start()
            console.wait_open(LONG)
            server.say(b"two\r\n")
            console.expect("two\n", timeout=LONG)
            console.send("thanks\n")
            assert server.hear(7) == b"thanks\n"
    finally:
        server.stop()
    assert states(timeline) == ["open", "lost", "back", "closed"]


def test_a_lent_port_is_free_and_taken_back(device: Device) -> None:
    timeline = Timeline()
    with Console(timeline, "a", str(device.path)) as console:
        device.say(b"before")
        console.expect("before", timeout=LONG)
        with console.released() as url:
            assert url == str(device.path)
            with Console(timeline, "flasher", url) as other, console.released():
                device.say(b"for the flasher\r\n")
                other.expect("flasher\n", timeout=LONG)
                with pytest.raises(ConsoleError, match="lent its port"):
                    console.send("x")
                with pytest.raises(NotSeen):
                    console.expect("flasher", timeout=0.01)
        assert console.is_open
        device.say(b"after\r\n")
        console.expect("after\n", timeout=LONG)
    assert console.lines() == ["before", "after"]
    mine = timeline.events(where("console", "port", "a"))
    assert [(e["state"], e["reason"]) for e in mine] == [
        ("open", None),
        ("closed", "lent to another program"),
        ("open", "taken back"),
        ("closed", None),
    ]


def test_a_port_that_vanished_while_it_was_lent_is_named_and_still_awaited(device: Device) -> None:
    timeline = Timeline()
    with Console(timeline, "a", str(device.path)) as console:
        with pytest.raises(ConsoleError, match=r"has lost its port: .*does not exist"), console.released(timeout=0.2):
            device.unplug()
        device.plug()
        console.wait_open(LONG)


def test_a_failed_flasher_is_not_hidden_by_a_lost_port(device: Device) -> None:
    with Console(Timeline(), "a", str(device.path)) as console:

        def flash() -> None:
            with console.released(timeout=0.2):
                device.unplug()
                raise RuntimeError("flasher")

        with pytest.raises(RuntimeError, match="flasher"):
            flash()
        assert not console.is_open


def test_a_console_that_was_closed_while_lent_stays_closed(device: Device) -> None:
    console = Console(Timeline(), "a", str(device.path)).open()
    with console.released():
        console.close()
    assert not console.is_open
    with pytest.raises(ConsoleClosed), console.released():
        pass


def test_lending_interrupts_who_waits_for_nothing(device: Device) -> None:
    """A test may wait for a line while another thread flashes: it goes on waiting, and sees what comes after."""
    with Console(Timeline(), "a", str(device.path)) as console:
        found: list[str] = []
        waiter = threading.Thread(target=lambda: found.append(console.expect("ready\n", timeout=LONG).text))
        waiter.start()
        for _ in range(5):
            with console.released():
                pass
        device.say(b"ready\r\n")
        waiter.join(LONG)
        assert found == ["ready\n"]
