"""The USB devices that are connected, with or without a serial port, as /sys/bus/usb/devices has them."""

from __future__ import annotations

from dataclasses import dataclass

from hil.doctor.host import Host

_DEVICES = "/sys/bus/usb/devices"


@dataclass(frozen=True)
class UsbDevice:
    """`location`: '1-1.4', bus and hub ports; `vendor`, `product`: four hexadecimal digits; `ttys`: 'ttyUSB0'..."""

    location: str
    vendor: str
    product: str
    serial: str | None
    name: str
    ttys: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name or 'USB device'} ({self.vendor}:{self.product}) at {self.location}"


def devices(host: Host) -> list[UsbDevice]:
    """Every device that is connected, by location; hubs too."""
    return [found for name in host.names(_DEVICES) if (found := device_at(host, name)) is not None]


def device_at(host: Host, location: str) -> UsbDevice | None:
    """The device at a place; None where nothing is connected there."""
    folder = f"{_DEVICES}/{location}"
    vendor, product = host.text(f"{folder}/idVendor"), host.text(f"{folder}/idProduct")
    if vendor is None or product is None:
        return None
    name = " ".join(filter(None, (host.text(f"{folder}/{key}") for key in ("manufacturer", "product"))))
    serial = host.text(f"{folder}/serial") or None
    return UsbDevice(location, vendor.lower(), product.lower(), serial, name, tuple(_ttys(host, location)))


def _ttys(host: Host, location: str) -> list[str]:
    """Serial ports of its interfaces: 'tty/ttyACM0' below them (cdc_acm), or 'ttyUSB0' (usb-serial)."""
    found = []
    for interface in host.names(f"{_DEVICES}/{location}"):
        if interface.startswith(f"{location}:"):
            folder = f"{_DEVICES}/{location}/{interface}"
            found += [name for name in (*host.names(folder), *host.names(f"{folder}/tty")) if name.startswith("tty")]
    return [name for name in found if name != "tty"]
