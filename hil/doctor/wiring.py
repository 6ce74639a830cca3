"""Whether a board's port can reset its chip the way that the rig says: what the port is, against `reset` and `chip`."""

from __future__ import annotations

from collections.abc import Iterator

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.ports import Port, local_ports
from hil.ports.known import Known, recognised
from hil.wiring.choosing import misfit, seen

#: The CP2102C: EN hangs at its RTS, and its flow control is always on (esptool 5 treats it apart; see hil.ports.known).
_CP2102C = "10c4:ea64"

_OTHER_PORT = "another bridge, the chip's own USB port, or reset = \"none\" and the board's buttons"
_OTHER_FLASHER = "the flasher of that board, such as flasher.kind avrdude or bossac; or another port"


def _fits(case: Case) -> Iterator[Finding]:
    for port in local_ports(case):
        flasher = port.board.config.flasher
        if flasher is None or flasher.kind == "esptool":
            yield _judged(port)


def _judged(port: Port) -> Finding:
    about = f"{port.board.name} reset"
    reset, chip = port.board.config.reset, port.board.config.chip
    known = recognised(port.usb) if port.usb is not None else None
    if known is None:
        return ok(about, f"by {reset.kind if reset else 'usb-uart'}; the port's ids do not tell what it is")
    if port.usb is not None and port.usb.vid_pid == _CP2102C:
        return note(about, f"{known.name}: its flow control moves RTS, and hil does not switch that off", _OTHER_PORT)
    if not known.perhaps_espressif:
        return fault(
            about,
            f"the port is no Espressif chip's and no bridge ({known.name}), and esptool cannot reset it",
            _OTHER_FLASHER,
        )
    of_chip = "usb-uart" if known.kind == "bridge" else known.kind
    wrong = misfit("reset", of_chip, chip)
    if wrong is not None:
        cure = f"the chip's right name as `chip` of {port.board.name}, or the port of that board"
        return fault(about, f"the port is {_named(known)}, and an {chip} has no such port", cure)
    if reset is None:
        return ok(about, f"by {seen(port.usb).name}, as the port's ids say ({known.name})")
    if reset.kind in (of_chip, "custom", "none"):
        return ok(about, f"by {reset.kind} ({known.name})")
    cure = f'leave `reset` of {port.board.name} out, or say reset = "{of_chip}"'
    return fault(about, f'the rig says "{reset.kind}", and the port is {_named(known)}', cure)


def _named(known: Known) -> str:
    return f"a {known.name}" if known.kind == "bridge" else f"the chip's own ({known.name})"


CHECKS = (
    Check(
        "port-reset",
        "each board's port can reset its chip as the rig's `reset` says: a bridge or the chip's own USB, by its ids",
        "leave `reset` out, or the kind that the port is; the right `chip`; another port",
        _fits,
    ),
)
