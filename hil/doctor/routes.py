"""Whether the way from each board's network to the gateway is the one that the rig supposes.

iproute2 asks the kernel itself (`ip -json route get`), so policy routing, VPNs and several tables are in its answer.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from typing import Any

from hil import process
from hil.doctor.check import Case, Check
from hil.doctor.finding import Finding, fault, note, ok

_PATIENCE = 5.0


def _routes(case: Case) -> Iterator[Finding]:
    config = case.rig.file.gateway
    addressed = [(board.name, board.config.address) for board in case.real if board.config.address]
    if not addressed:
        return
    if shutil.which("ip") is None:
        yield note("route", "was not looked at: there is no `ip`", "sudo apt install iproute2")
        return
    link = _link_of(config.bind)
    for name, address in addressed:
        yield _route(f"{name} route", str(address), config.bind, link)


def _route(about: str, address: str, bind: str, link: str | None) -> Finding:
    """The way to a board, against the interface that `bind` belongs to (None: all, or one that is not there)."""
    answer, why = ask_ip("route", "get", address)
    if not answer:
        reason = why.removeprefix("RTNETLINK answers: ") or "no answer"
        cure = "connect this host to the boards' network (ip addr; nmcli device), or correct address in the rig"
        return fault(about, f"there is no route from this host to {address}: {reason}", cure)
    route = answer[0]
    device, source, router = route.get("dev", "?"), route.get("prefsrc", "?"), route.get("gateway")
    if route.get("type") == "local":
        return fault(about, f"{address} is an address of this very host", "correct the board's address in the rig")
    if link is not None and device != link:
        return fault(
            about,
            f"{address} is reached over {device} ({source}), but the gateway listens on {bind}, which is {link}'s",
            f"set bind (and host) to {source}, or correct address in the rig",
        )
    if router is not None:
        return note(
            about,
            f"{address} is not in a network of this host: the way goes through {router} ({device})",
            f"it works where that router lets boards through to {bind}; guest Wi-Fi does not",
        )
    return ok(about, f"{address} is in the network of {device}, as {source} is")


def _link_of(address: str) -> str | None:
    """The interface that has an address of this host."""
    if address in ("0.0.0.0", "::"):
        return None
    links, _ = ask_ip("address", "show")
    for link in links:
        if any(entry.get("local") == address for entry in link.get("addr_info", ())):
            return str(link["ifname"])
    return None


def ask_ip(*words: str) -> tuple[list[dict[str, Any]], str]:
    """The answer of `ip -json` to a question, a list of tables; and what it said where it has none."""
    try:
        done = process.run(["ip", "-json", *words], timeout=_PATIENCE)
        answer = json.loads(done.output) if done.code == 0 and done.output.strip() else []
    except (OSError, ValueError) as error:
        return [], str(error)
    return (answer if isinstance(answer, list) else []), done.last_words if done.code else ""


CHECKS = (
    Check(
        "route",
        "the way to each board's `address`: there is one, and it leaves by the interface that has the gateway's `bind`",
        "connect this host to the boards' network; the right `bind`, `host` and `address` in the rig",
        _routes,
    ),
)
