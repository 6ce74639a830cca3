"""The programs and packages that this rig's boards, switches and broker need: are they there, and new enough."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator

from packaging.requirements import Requirement
from packaging.version import Version

from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok
from hil.doctor.host import Host
from hil.rig import Rig, RigBoard
from hil.rig_file import ExternalBroker
from hil.tools import asking, used
from hil.tools.asking import Answer
from hil.tools.tool import TOOLS, Tool

#: Seconds that a tool may take to say its version.
PATIENCE = 10.0


def _tools(case: Case) -> Iterator[Finding]:
    yield ok("python", sys.version.split()[0])
    for package in _packages(case.boards):
        yield package_of(package, f"pip install '{package}'")
    for use in used.of_boards(case.rig, case.boards):
        answer = asking.ask(use.tool, use.program, patience=PATIENCE)
        yield judge(use.tool, answer)
        if use.tool is TOOLS["uhubctl"]:
            yield from _hub_tool(case.host, answer.version)


def _packages(boards: list[RigBoard]) -> list[str]:
    packages = ["esptool", "pyserial", "paho-mqtt"]
    packages += ["pyOpenSSL"] if any(board.config.virtual for board in boards) else []
    return packages + (["gpiod"] if any(board.config.power_kind == "gpio" for board in boards) else [])


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


def judge(tool: Tool, answer: Answer) -> Finding:
    """Whether a program is there, runs, and is new enough."""
    if answer.trouble:
        return fault(tool.name, answer.trouble, tool.install)
    version = answer.version
    if version is not None and tool.least is not None and version < Version(tool.least):
        said = f"{answer.program} is {version}; {tool.why}"
        return fault(tool.name, said, f"install {tool.least} or later: {tool.install}")
    return ok(tool.name, f"{answer.program} ({version or 'it does not say its version'})")


def _hub_tool(host: Host, version: Version | None) -> Iterator[Finding]:
    """From Linux 6.0 on the kernel switches a port for uhubctl 2.5, and would switch it on again for older ones."""
    kernel = re.match(r"(\d+)", host.text("/proc/sys/kernel/osrelease") or "")
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
    use = used.of_broker(rig) or used.Use(TOOLS["mosquitto"])
    mosquitto = judge(use.tool, asking.ask(use.tool, use.program, patience=PATIENCE))
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
