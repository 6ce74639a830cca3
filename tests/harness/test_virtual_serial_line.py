"""What a virtual board's bridge takes for bytes of the wire is what pyserial's own server does, order by order."""

from __future__ import annotations

from typing import Any

import pytest
from serial.rfc2217 import PortManager

from hil.virtual.serial_server import Port, _plain

ORDER = bytes((255, 250, 44, 1)) + (74880).to_bytes(4, "big") + bytes((255, 240))  # SB COM-PORT SET-BAUDRATE ... SE
STREAM = b"plain\xff\xff" + b"\xff\xff\xff\xff" + ORDER + b"\xff\xf1after\xff\xff\r\n" + ORDER + bytes(range(255))
WIRE = b"plain\xff\xff\xffafter\xff\r\n" + bytes(range(255))


class Wires:
    """A board that keeps what it receives."""

    def __init__(self) -> None:
        self.received = b""

    def lines_changed(self, dtr: bool, rts: bool) -> None: ...

    def receive(self, data: bytes) -> None:
        self.received += data


class Connection:
    """What a port manager answers to, and what says whether it was asked."""

    def write(self, data: bytes) -> None: ...


def manager(port: Port) -> Any:
    return PortManager(port, Connection())  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 4096])
def test_orders_and_doubled_bytes_are_told_from_the_wires_wherever_the_stream_is_cut(size: int) -> None:
    port = Port(Wires())
    asked = manager(port)
    plain = b"".join(_plain(asked, STREAM[at : at + size]) for at in range(0, len(STREAM), size))
    assert plain == WIRE
    assert port.baudrate == 74880


def test_bytes_without_orders_need_no_look_at_each(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = manager(Port(Wires()))
    monkeypatch.setattr(asked, "filter", lambda data: pytest.fail("each byte was looked at"))
    assert _plain(asked, b"\xff\xff".join([bytes(255)] * 9)) == b"\xff".join([bytes(255)] * 9)
