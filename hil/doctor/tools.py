"""The programs and packages that this rig's boards, switches and broker need: are they there, and new enough."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from hil import process
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.host import Host
from hil.rig import Rig, RigBoard
from hil.rig_file import ExternalBroker, MosquittoBroker

#: Seconds that a tool may take to say its version.
PATIENCE = 10.0
#: Where Debian puts what an ordinary user's PATH does not name.
_MORE_PATHS = ":/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Tool:
    """A program. `ask`: the arguments that have it say its version; `least`: the oldest that does, and why."""

    name: str
    install: str
    ask: tuple[str, ...] = ("--version",)
    least: str | None = None
    why: str = ""


#: Least versions: what hil's own calls need. The reference of arduino-cli 0.20 has `--no-color`, that of 0.13 has not.
#: bossac before 1.9 adds the bootloader's size to `--offset` by itself (BOSSA issue 79). mosquitto 1.6 brought MQTT 5.
TOOLS = {
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
    "labgrid": Tool("labgrid-client", "pip install labgrid, in an environment of its own", ("--help",)),
    "snmp": Tool("snmpset", "sudo apt install snmp", ("-V",)),
    "mosquitto": Tool("mosquitto", "sudo apt install mosquitto", ("-h",), "1.6", "older ones know no MQTT 5"),
}
_VERSION = re.compile(r"\b(\d+\.\d+(?:\.\d+)*)\b")


def _tools(case: Case) -> Iterator[Finding]:
    yield ok("python", sys.version.split()[0])
    for package in _packages(case.boards):
        yield package_of(package, f"pip install '{package}'")
    for name in _needed(case.boards):
        yield look(TOOLS[name], _program_of(case.boards, name))
    if any(board.config.power_kind == "uhubctl" for board in case.boards):
        yield from _hub_tool(case.host, _program_of(case.boards, "uhubctl") or "uhubctl")


def _packages(boards: list[RigBoard]) -> list[str]:
    packages = ["esptool", "pyserial", "paho-mqtt"]
    packages += ["pyOpenSSL"] if any(board.config.virtual for board in boards) else []
    return packages + (["gpiod"] if any(board.config.power_kind == "gpio" for board in boards) else [])


def _needed(boards: list[RigBoard]) -> list[str]:
    """The programs that flashers and switches of these boards run."""
    flashers = [board.config.flasher.kind for board in boards if board.config.flasher is not None]
    flashers += ["avrdude" for board in boards if board.config.virtual == "uno"]
    kinds = [*flashers, *(board.config.power_kind for board in boards)]
    return [kind for kind in dict.fromkeys(kinds) if kind in TOOLS]


def _program_of(boards: list[RigBoard], name: str) -> str | None:
    """Where the rig says that a tool is: the key `program` of the first table that has one."""
    for board in boards:
        for table in (board.config.power, board.config.flasher):
            if table is not None and table.kind == name:
                program = getattr(table, "program", None)
                return str(program) if program is not None else None
    return None


def package_of(name: str, cure: str) -> Finding:
    """Whether a Python package is installed, and of a version that hil asks for."""
    try:
        found = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return fault(name, "is not installed", cure)
    wanted = _wanted(name)
    if wanted is not None and not wanted.specifier.contains(found, prereleases=True):
        return fault(name, f"{found} is installed; hil needs {wanted.specifier}", f"pip install '{wanted}'")
    return ok(name, found)


def _wanted(name: str) -> Requirement | None:
    try:
        asked = [Requirement(line) for line in importlib.metadata.requires("hil") or ()]
    except importlib.metadata.PackageNotFoundError:
        return None
    plain = (r for r in asked if r.name.lower() == name.lower())
    found = next(plain, None)
    return Requirement(f"{found.name}{found.specifier}") if found is not None else None


def look(tool: Tool, program: str | None = None) -> Finding:
    """Whether a program is there, runs, and is new enough."""
    found = shutil.which(program or tool.name, path=os.environ.get("PATH", "") + _MORE_PATHS)
    if found is None:
        return fault(tool.name, f"{program or tool.name} was not found", tool.install)
    said = ask(found, tool.ask)
    if isinstance(said, Finding):
        return fault(tool.name, said.found, tool.install)
    version = _version(said)
    if version is not None and tool.least is not None and version < Version(tool.least):
        return fault(tool.name, f"{found} is {version}; {tool.why}", f"install {tool.least} or later: {tool.install}")
    return ok(tool.name, f"{found} ({version or 'it does not say its version'})")


def ask(program: str, words: tuple[str, ...]) -> str | Finding:
    """What a program says to these arguments, whatever its exit code; a fault where it cannot be run."""
    try:
        done = process.run([program, *words], timeout=PATIENCE, merge=True)
    except OSError as error:
        return fault(program, f"{program} does not run: {error.strerror}", "")
    if done.ended != "exit":
        return fault(program, f"{program} {' '.join(words)} was not done after {PATIENCE:g} s", "")
    return done.output


def _version(said: str) -> Version | None:
    """The first version in a tool's words that does not belong to something else, such as a file's name."""
    for line in said.split("\n"):
        match = _VERSION.search(line) if re.search(r"ersion|^\W*v?\d", line) else None
        if match is not None:
            try:
                return Version(match[1])
            except InvalidVersion:
                continue
    return None


def _hub_tool(host: Host, program: str) -> Iterator[Finding]:
    """From Linux 6.0 on the kernel switches a port for uhubctl 2.5, and would switch it on again for older ones."""
    kernel = re.match(r"(\d+)", host.text("/proc/sys/kernel/osrelease") or "")
    found = shutil.which(program, path=os.environ.get("PATH", "") + _MORE_PATHS)
    said = ask(found, ("--version",)) if found is not None else None
    version = _version(said) if isinstance(said, str) else None
    if kernel is not None and int(kernel[1]) >= 6 and version is not None and version < Version("2.6"):
        what = "may leave ports of USB 3 root hubs on" if version >= Version("2.5") else "does not keep ports off"
        yield note("uhubctl", f"{version} on Linux {kernel[1]} {what}", "build uhubctl 2.6 or later from its source")


def _broker(case: Case) -> Iterator[Finding]:
    yield from broker_tool(case.rig)


def broker_tool(rig: Rig) -> Iterator[Finding]:
    """mosquitto, or what steps in for it."""
    broker = rig.file.broker
    if isinstance(broker, ExternalBroker):
        return
    program = broker.program if isinstance(broker, MosquittoBroker) else None
    mosquitto = look(TOOLS["mosquitto"], program)
    if broker.kind == "mosquitto" or (broker.kind == "auto" and mosquitto.level == "ok"):
        yield mosquitto
        return
    embedded = package_of("amqtt", "sudo apt install mosquitto, or pip install 'hil[embedded]'")
    if embedded.level == "ok" and broker.kind == "auto":
        yield note(
            "broker",
            f"{mosquitto.found}; the embedded broker (amqtt {embedded.found}) steps in",
            "sudo apt install mosquitto, or some scenarios are not applicable",
        )
    else:
        yield embedded


CHECKS = (
    Check(
        "tools",
        "Python packages, and the programs that this rig's flashers and switches run, with their versions",
        "install or update it, as the line says",
        _tools,
    ),
    Check(
        "broker-tool",
        "mosquitto, or the embedded broker that steps in for it",
        "`sudo apt install mosquitto`, or `pip install 'hil[embedded]'`",
        _broker,
    ),
)
