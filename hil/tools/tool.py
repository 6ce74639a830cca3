"""What is known of each program: how it is installed, what has it say its version, which versions are too old."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A program. `ask`: the arguments that have it say its version; `least`: the oldest that does, and why.

    `package`: the Python package that it is of, for one that does not say its version by itself.
    """

    name: str
    install: str
    ask: tuple[str, ...] = ("--version",)
    least: str | None = None
    why: str = ""
    package: str | None = None


#: By the kinds of flashers, switches and brokers that run them.
#: Least versions: what hil's own calls need. The reference of arduino-cli 0.20 has `--no-color`, that of 0.13 has not.
#: bossac before 1.9 adds the bootloader's size to `--offset` by itself (BOSSA issue 79). mosquitto 1.6 brought MQTT 5.
TOOLS: Mapping[str, Tool] = {
    "avrdude": Tool("avrdude", "sudo apt install avrdude", ("-?",)),
    "arduino-cli": Tool(
        "arduino-cli",
        "arduino.github.io/arduino-cli, 'Installation'",
        ("version",),
        "0.20",
        "older ones have no --no-color",
    ),
    "bossac": Tool(
        "bossac",
        "sudo apt install bossa-cli",
        ("--help",),
        "1.9",
        "older ones add the bootloader's size to the offset, and write to the wrong place",
    ),
    "uhubctl": Tool("uhubctl", "sudo apt install uhubctl"),
    "usbrelay": Tool("usbrelay", "sudo apt install usbrelay", ("--version",)),
    "ykush": Tool("ykushcmd", "github.com/Yepkit/ykush, 'Building'", ("-h",)),
    "sispmctl": Tool("sispmctl", "sudo apt install sispmctl", ("-v",)),
    "labgrid": Tool(
        "labgrid-client", "pip install labgrid, in an environment of its own", ("--help",), package="labgrid"
    ),
    "snmp": Tool("snmpset", "sudo apt install snmp", ("-V",)),
    "mosquitto": Tool("mosquitto", "sudo apt install mosquitto", ("-h",), "1.6", "older ones know no MQTT 5"),
}
