"""Who else has a board's port, or takes it as soon as it is plugged in."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.host import Host
from hil.doctor.ports import Port, local_ports, missing_ports
from hil.doctor.usb import UsbDevice, devices
from hil.ports.processes import Process

#: Where udev's rules lie; a file in an earlier folder hides one of the same name in a later one (udev(7)).
RULES = ("/etc/udev/rules.d", "/run/udev/rules.d", "/usr/local/lib/udev/rules.d", "/usr/lib/udev/rules.d")
#: The same folder as the last one where /lib is no link to /usr/lib.
_OLD_RULES = "/lib/udev/rules.d"

_CLOSE_IT = "close it"
#: What to do about a program that has a port open, by its short name.
_CURES = {
    "ModemManager": "sudo systemctl stop ModemManager, and have it pass the port by: hil doctor --udev hil.rules",
    "brltty": "sudo systemctl stop brltty, and sudo systemctl mask brltty-udev brltty.path",
    "agetty": "sudo systemctl disable --now serial-getty@{tty}",
    "gpsd": "sudo systemctl stop gpsd.socket gpsd",
    **dict.fromkeys(
        ("minicom", "picocom", "screen", "tio", "cu", "putty", "gtkterm", "cutecom", "serial-monitor", "java", "code"),
        _CLOSE_IT,
    ),
}


def _holder(case: Case) -> Iterator[Finding]:
    for port in local_ports(case):
        about = f"{port.board.name} port"
        holders = case.host.held.files.get(port.device, [])
        for holder in holders:
            yield fault(about, f"{port.device} is open in {holder}", _cure(holder, port))
        hidden = case.host.held.hidden
        if not holders and hidden:
            yield ok(
                about, f"{port.device} is open in no process of this user's; {hidden} of others were not looked into"
            )
        elif not holders:
            yield ok(about, f"{port.device} is open nowhere else")


def _cure(holder: Process, port: Port) -> str:
    words = " ".join(holder.command)
    if re.search(r"(^|/)(hil|py\.?test)\b|\bpytest\b|hil\.cli", words):
        return "a run of hil has it: wait until it is over"
    known = _CURES.get(holder.name)
    if known is None:
        return f"close it, or end it: kill {holder.pid}"
    return known.format(tty=port.device.rpartition("/")[2])


def _modem_manager(case: Case) -> Iterator[Finding]:
    running = case.host.held.named("ModemManager")
    for port in local_ports(case) if running else ():
        marks = _udev_marks(case.host, port)
        if not {"ID_MM_DEVICE_IGNORE=1", "ID_MM_PORT_IGNORE=1"} & marks:
            yield note(
                f"{port.board.name} port",
                f"{running[0]} may take {port.device} for a modem and send it AT commands",
                "hil doctor --udev hil.rules writes a rule that has it pass the port by; review and install it",
            )


def _udev_marks(host: Host, port: Port) -> set[str]:
    """The properties that udev keeps of a port and of the USB device that it belongs to, as 'NAME=value'."""
    places = [f"/sys/class/tty/{port.device.rpartition('/')[2]}/dev"]
    places += [f"/sys/bus/usb/devices/{port.usb.location}/dev"] if port.usb is not None else []
    numbers = filter(None, map(host.text, places))
    lines = [line for number in numbers for line in (host.text(f"/run/udev/data/c{number}") or "").split("\n")]
    return {line.removeprefix("E:") for line in lines if line.startswith("E:")}


def _brltty(case: Case) -> Iterator[Finding]:
    rules = _brltty_rules(case.host)
    ours = {port.device.rpartition("/")[2] for port in local_ports(case)}
    missing = missing_ports(case)
    for device in devices(case.host) if rules else ():
        if (device.ttys and not ours.intersection(device.ttys)) or not (device.ttys or missing):
            continue
        file = next((file for file, text in rules if _claims(text, device)), None)
        if file is None:
            continue
        cure = (
            f"sudo ln -s /dev/null /etc/udev/rules.d/{file.rpartition('/')[2]}, sudo udevadm control --reload, "
            "sudo systemctl mask brltty-udev, and plug it in again; or sudo apt remove brltty, if nobody needs it"
        )
        if device.ttys:
            yield note("brltty", f"takes {device} for a Braille display ({file})", cure)
        else:
            yield fault("brltty", f"takes {device} ({file}), which has no serial port here", cure)


def _brltty_rules(host: Host) -> list[tuple[str, str]]:
    """The rule files of brltty that are in force, without their comments."""
    found: dict[str, tuple[str, str]] = {}
    for folder in (*RULES, _OLD_RULES):
        for name in host.names(folder):
            if "brltty" in name and name.endswith(".rules") and name not in found:
                text = host.text(f"{folder}/{name}") or ""
                in_force = [line for line in text.split("\n") if not line.lstrip().startswith("#")]
                found[name] = (f"{folder}/{name}", "\n".join(in_force))
    return list(found.values())


def _claims(rules: str, device: UsbDevice) -> bool:
    """Whether a rule names the device: 'ENV{PRODUCT}=="1a86/7523/*"' (no leading zeros), or by idVendor, idProduct."""
    vendor, product = device.vendor.lstrip("0"), device.product.lstrip("0")
    if re.search(rf'=="{vendor}/{product}/', rules, re.IGNORECASE):
        return True
    by_attributes = rf'idVendor\}}=="{device.vendor}".*idProduct\}}=="{device.product}"'
    return re.search(by_attributes, rules, re.IGNORECASE) is not None


def _login(case: Case) -> Iterator[Finding]:
    consoles = (case.host.text("/sys/class/tty/console/active") or "").split()
    for port in local_ports(case):
        tty = port.device.rpartition("/")[2]
        if tty in consoles:
            yield fault(
                f"{port.board.name} port",
                f"the kernel's own console is on {port.device}",
                f"take console={tty} (or console=serial0) out of the kernel's command line, and restart the host",
            )
        if f"serial-getty@{tty}.service" in case.host.names("/etc/systemd/system/getty.target.wants"):
            yield fault(
                f"{port.board.name} port",
                f"systemd is told to offer a log-in on {port.device}",
                f"sudo systemctl disable --now serial-getty@{tty}",
            )


CHECKS = (
    Check(
        "port-holder",
        "no other process has the port open: its name and pid (those of other users show to root only)",
        "close that program; stop its service; wait for the other run",
        _holder,
    ),
    Check(
        "modem-manager",
        "ModemManager runs, and nothing has it pass the port by (`ID_MM_DEVICE_IGNORE`)",
        "rules (`hil doctor --udev`), or `sudo systemctl stop ModemManager`",
        _modem_manager,
    ),
    Check(
        "brltty",
        "brltty's udev rules take a connected bridge (CH340, CP2102, FTDI) for a Braille display",
        "hide those rules, mask `brltty-udev`, or remove brltty",
        _brltty,
    ),
    Check(
        "log-in",
        "no log-in (getty) and no console of the kernel is on the port",
        "`sudo systemctl disable --now serial-getty@TTY`; take `console=` out of the kernel's command line",
        _login,
    ),
)
