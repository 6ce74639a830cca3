"""What a USB serial port probably is, by vendor and product id: a bridge, or a chip with USB of its own.

A bridge tells nothing of the chip behind it. What is told here is a guess for a person, never acted on by itself.

Sources: [L] Linux, the id tables of drivers/usb/serial (cp210x.c, ch341.c, ftdi_sio_ids.h, pl2303.h); [W] WCH's product
ids as its CH343 driver lists them; [E] esptool 5 and esp-pylib (constants) and arduino-esp32's boards.txt; [A]
boards.txt of Arduino's AVR core 1.8; [S] boards.txt of Arduino's SAMD core; [R] raspberrypi/usb-pid, the list of ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from hil.ports.usb import UsbPort

Kind = Literal["bridge", "usb-serial-jtag", "usb-otg", "arduino", "samd", "rp2040"]


@dataclass(frozen=True, slots=True)
class Known:
    """`name`: for people. `kind`: what it means for resets and flashers. `source`: a letter of the module's list."""

    name: str
    kind: Kind
    source: str

    @property
    def perhaps_espressif(self) -> bool:
        """Whether an Espressif chip may answer here: it is one, or a bridge, and nobody knows what is behind it."""
        return self.kind in ("bridge", "usb-serial-jtag", "usb-otg")


def _same(known: Known, *ids: str) -> dict[str, Known]:
    return dict.fromkeys(ids, known)


KNOWN: dict[str, Known] = {
    **_same(Known("CP210x bridge", "bridge", "L"), "10c4:ea60", "10c4:ea70", "10c4:ea71"),
    # EN hangs at its RTS with flow control that is always on: esptool treats it apart.
    "10c4:ea64": Known("CP2102C bridge", "bridge", "E"),
    **_same(Known("CH340 or CH341 bridge", "bridge", "L"), "1a86:7523", "1a86:7522", "1a86:5523"),
    "1a86:55d2": Known("CH342 bridge, two ports", "bridge", "W"),
    "1a86:55d3": Known("CH343 bridge", "bridge", "W"),
    "1a86:55d4": Known("CH9102 bridge", "bridge", "W"),
    "0403:6001": Known("FT232R bridge", "bridge", "L"),
    "0403:6010": Known("FT2232 bridge, two ports", "bridge", "L"),
    "0403:6011": Known("FT4232 bridge, four ports", "bridge", "L"),
    "0403:6014": Known("FT232H bridge", "bridge", "L"),
    "0403:6015": Known("FT230X bridge", "bridge", "L"),
    "067b:2303": Known("PL2303 bridge", "bridge", "L"),
    "303a:1001": Known("Espressif USB-Serial/JTAG", "usb-serial-jtag", "E"),
    "303a:0002": Known("ESP32-S2 with USB-OTG", "usb-otg", "E"),
    **_same(Known("Arduino Uno", "arduino", "A"), "2341:0043", "2341:0001", "2a03:0043", "2341:0243", "2341:006a"),
    **_same(
        Known("Arduino Mega", "arduino", "A"),
        *("2341:0010", "2341:0042", "2a03:0010", "2a03:0042", "2341:0210", "2341:0242"),
    ),
    **_same(Known("Arduino Zero", "samd", "S"), "2341:804d", "2341:004d"),
    **_same(Known("Arduino MKR1000", "samd", "S"), "2341:804e", "2341:004e"),
    **_same(Known("Arduino MKR WiFi 1010", "samd", "S"), "2341:8054", "2341:0054"),
    **_same(Known("Arduino Nano 33 IoT", "samd", "S"), "2341:8057", "2341:0057"),
    "2e8a:0005": Known("RP2040 with MicroPython", "rp2040", "R"),
    "2e8a:0009": Known("RP2350 with a Pico SDK program", "rp2040", "R"),
    "2e8a:000a": Known("RP2040 with a Pico SDK program", "rp2040", "R"),
}

#: What is told of other products of a vendor.
_VENDORS: dict[int, Known] = {
    0x303A: Known("Espressif chip with a USB port of its firmware", "usb-otg", "E"),
    0x2E8A: Known("board with an RP2040 or RP2350", "rp2040", "R"),
}


def recognised(port: UsbPort) -> Known | None:
    """What this port probably is; None for ids that are not in the table."""
    found = KNOWN.get(port.vid_pid)
    return found if found is not None or port.vid is None else _VENDORS.get(port.vid)
