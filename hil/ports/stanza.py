"""A stanza for a rig file: what is known of a connected board, in keys that the rig's loader takes."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from hil.flash.identity import Identity
from hil.ports.inventory import Entry

#: A contract that lies beside the example rigs, to start from.
_CONTRACT, _UNO_CONTRACT = "contracts/reference.toml", "contracts/uno.toml"

#: The most common chip with a port of this kind.
_GUESSES = {"usb-serial-jtag": "esp32c3", "usb-otg": "esp32s2"}

_FLASHERS = {
    "samd": 'flasher = { kind = "bossac" }',
    "rp2040": 'flasher = { kind = "uf2", board_id = "RPI-RP2" }',
}


def stanza(entry: Entry, entries: Sequence[Entry]) -> str:
    """The table of a board on this port, among all that are connected; comments say what is not known. Ends in LF."""
    kind = entry.known.kind if entry.known else None
    asked = isinstance(entry.answer, Identity)
    lines = [f"# {entry.port}: {entry.what}", f"[boards.{_name(entry, entries)}]"]
    contract = _UNO_CONTRACT if kind in ("arduino", "samd", "rp2040") else _CONTRACT
    lines.append(f'contract = "{contract}"  # an example: what your firmware promises')
    lines.append(_port_line(entry, entries))
    if kind in ("arduino", "samd", "rp2040"):
        lines.append(_flasher(entry))
    else:
        chip = (
            entry.answer.name
            if isinstance(entry.answer, Identity) and entry.answer.name
            else _GUESSES.get(str(kind), "esp32")
        )
        lines.append(f'chip = "{chip}"' + ("" if asked else "  # a guess: `hil boards --ask` asks it, which resets it"))
        if str(kind) in _GUESSES:
            lines.append(f'reset = "{kind}"')
        if entry.mac is not None:
            lines.append(f'mac = "{entry.mac}"  # another board on this port is refused')
        if kind == "bridge" and not asked:
            lines.append("# behind it is an Arduino? Then, in place of chip and wifi:")
            lines.append('# flasher = { kind = "avrdude", board = "nano" }')
        lines.append('wifi = { ssid = { env = "HIL_WIFI_SSID" }, password = { env = "HIL_WIFI_PASSWORD" } }')
    return "\n".join([*lines, *_power(entry)]) + "\n"


def _name(entry: Entry, entries: Sequence[Entry]) -> str:
    if entry.boards:
        return entry.boards[0]
    kind = entry.known.kind if entry.known else "board"
    chip = entry.answer.name if isinstance(entry.answer, Identity) and entry.answer.name else ""
    base = chip or {"arduino": "uno", "samd": "samd", "rp2040": "pico"}.get(kind, "kit")
    place = re.sub(r"[^0-9]+", "-", entry.port.location or "").strip("-")
    number = f"-{entry.port.interface}" if _one_of_several(entry, entries) else ""
    return f"{base}-{place}{number}" if place else base


def _one_of_several(entry: Entry, entries: Sequence[Entry]) -> bool:
    """Whether its device has other ports besides."""
    return any(e.port.location == entry.port.location and e.port.device != entry.port.device for e in entries)


def _port_line(entry: Entry, entries: Sequence[Entry]) -> str:
    port = entry.port
    same = [e for e in entries if e.port.serial_number == port.serial_number and e.port.location != port.location]
    otg = entry.known is not None and entry.known.kind == "usb-otg"
    if port.by_id and port.serial_number and not same and not otg:
        return f"port = {json.dumps(port.by_id[0])}"
    several = _one_of_several(entry, entries) and port.interface is not None
    interface = f", interface = {port.interface}" if several else ""
    if otg:
        why = "in download mode it says something else of itself: known by its place"
    else:
        why = "another has the same serial number" if same and port.serial_number else "it has no serial number"
    return f'port = {{ location = "{port.location}"{interface} }}  # {why}; plug it in here only'


def _flasher(entry: Entry) -> str:
    assert entry.known is not None
    if entry.known.kind == "arduino":
        board = "mega" if "Mega" in entry.known.name else "uno"
        return f'flasher = {{ kind = "avrdude", board = "{board}" }}'
    return _FLASHERS[entry.known.kind]


def _power(entry: Entry) -> list[str]:
    """The hub port as uhubctl names it; whether that hub switches its ports, only uhubctl and a look can tell."""
    hub, _, number = (entry.port.location or "").rpartition(".")
    if not hub:
        return ["# power: it is plugged into the host itself, which seldom can cut the supply (docs/power.md)"]
    return [
        f'# power = {{ kind = "uhubctl", location = "{hub}", port = {number} }}  # if `uhubctl` lists this hub; '
        "see that the LED goes out"
    ]
