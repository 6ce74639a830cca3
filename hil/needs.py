"""What a scenario may need of a board and its bench, and why it may not be there.

A scenario names its needs with `@pytest.mark.needs("power-cut", "gateway")`. Where one is missing the scenario is not
applicable, and the reason says what would make it so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.bench import Bench
    from hil.board import Board


class UnknownNeed(Exception):
    """A test names a need that nobody knows; the message lists those that are known."""


def lacks(bench: Bench, board: Board | None, need: str) -> str | None:
    """Why `need` is not met, as a phrase; None if it is. Raises UnknownNeed."""
    if need.startswith("broker:"):
        capability = need.removeprefix("broker:")
        if capability in bench.broker.capabilities:
            return None
        return f"the {bench.broker.kind} broker cannot do {capability}; use mosquitto"
    if need in _BENCH:
        return _BENCH[need](bench)
    if need in _BOARD and board is not None:
        return _BOARD[need](board)
    raise UnknownNeed(f"unknown need {need!r}; known are {', '.join([*_BENCH, *_BOARD])} and broker:CAPABILITY")


def speaks(bench: Bench, board: Board) -> str | None:
    """Why this board cannot talk to this bench's broker at all, as a phrase; None if it can. Every test needs that."""
    if board.config.virtual == "uno" and board.contract.link is None:
        return (
            f"{board.name} has no network of its own, and nothing carries what it says on its line to the broker; give "
            f"the contract '{board.contract.name}' a [link]"
        )
    if board.contract.mqtt.version == "5" and "mqtt5" not in bench.broker.capabilities:
        return f"{board.name} speaks MQTT 5 and the {bench.broker.kind} broker does not; use mosquitto"
    return None


def _own_network(board: Board) -> str | None:
    if board.contract.link is None:
        return None
    return (
        f"the serial link of this host connects for {board.name}, and keeps the connection: this would judge the link, "
        "not the board"
    )


def _own_tls(board: Board) -> str | None:
    if board.contract.link is None:
        return None
    return f"TLS ends in the serial link of this host: {board.name} speaks none, and checks and shows no certificate"


def _secrets(board: Board) -> str | None:
    if {"private_key", "wifi_password"} & board.contract.placeholders_of_settings():
        return None
    return f"the contract '{board.contract.name}' puts no secret into the board, neither a key nor a password"


def _kept_session(board: Board) -> str | None:
    if not board.contract.mqtt.clean_session:
        return None
    return f"the contract '{board.contract.name}' has a clean session (mqtt.clean_session)"


def _version(wanted: str) -> Callable[[Board], str | None]:
    def check(board: Board) -> str | None:
        found = board.contract.mqtt.version
        return None if found == wanted else f"the contract '{board.contract.name}' speaks MQTT {found}, not {wanted}"

    return check


def _gateway(bench: Bench) -> str | None:
    if bench.gateway is not None:
        return None
    return "the broker is external: boards connect to it directly, and no gateway sees or disturbs them"


def _namespace(bench: Bench) -> str | None:
    if bench.rig.file.gateway.namespace is not None:
        return None
    return "the rig's gateway allows every topic; say under [gateway] which ones the namespace has"


def _power_cut(board: Board) -> str | None:
    if board.power.can_cut:
        return None
    return f"no switch can cut the power of {board.name} (power.kind '{board.power.kind}'); give it one in the rig"


def _access_point(board: Board) -> str | None:
    if board.access_point is not None:
        return None
    return (
        f"nothing takes the Wi-Fi of {board.name} away; name the switch of its access point in the rig (access_point)"
    )


def _name_server(board: Board) -> str | None:
    if board.name_server is not None:
        return None
    return f"{board.name} asks its own network for names, and no bench can make that fail: a virtual ESP32 has to do"


def _hard_reset(board: Board) -> str | None:
    wiring = board.console.wiring
    if wiring.hard is None:
        return f"no line of its port resets {board.name} (reset '{wiring.name}')"
    if not wiring.power_on:
        return f"a reset of {board.name} through its own USB port keeps its clock (reset '{wiring.name}')"
    return None


def _promise(name: str, words: str) -> Callable[[Board], str | None]:
    def check(board: Board) -> str | None:
        promise: object = board.contract
        for part in name.split("."):
            promise = getattr(promise, part, None)
        return f"the contract '{board.contract.name}' promises no {words}" if promise is None else None

    return check


def _time(board: Board) -> str | None:
    if board.contract.time.source == "sntp":
        return None
    return f"the contract '{board.contract.name}' has no source of time (time.source 'none')"


def _provisioning(board: Board) -> str | None:
    if board.provisioner is not None:
        return None
    return f"the contract '{board.contract.name}' says no way to provision (provision.method 'none')"


def _certificate(board: Board) -> str | None:
    missing = _provisioning(board)
    if missing is None and "private_key" not in board.contract.placeholders_of_settings():
        missing = f"the contract '{board.contract.name}' puts no private key into the board"
    return missing


def _tells_cause(board: Board) -> str | None:
    if board.contract.console.tells_cause:
        return None
    return f"the contract '{board.contract.name}' does not say that each start tells why (console.tells_cause)"


def _retry(board: Board) -> str | None:
    if board.contract.retry.kind != "none":
        return None
    return f"the contract '{board.contract.name}' promises no retry (retry.kind 'none')"


_BENCH: dict[str, Callable[[Bench], str | None]] = {"gateway": _gateway, "namespace": _namespace}

_BOARD: dict[str, Callable[[Board], str | None]] = {
    "own-network": _own_network,
    "own-tls": _own_tls,
    "secrets": _secrets,
    "power-cut": _power_cut,
    "access-point": _access_point,
    "name-server": _name_server,
    "hard-reset": _hard_reset,
    "time": _time,
    "provisioning": _provisioning,
    "client-certificate": _certificate,
    "retry": _retry,
    "will": _promise("mqtt.will", "will (mqtt.will)"),
    "online-message": _promise("mqtt.online", "online message (mqtt.online)"),
    "telemetry": _promise("telemetry", "telemetry (telemetry)"),
    "telemetry-sequence": _promise("telemetry.sequence", "counter in its telemetry (telemetry.sequence)"),
    "telemetry-heap": _promise("telemetry.heap", "free heap in its telemetry (telemetry.heap)"),
    "command": _promise("command", "command (command)"),
    "large-command": _promise("command.max_payload", "large command (command.max_payload)"),
    "connect-timeout": _promise("mqtt.connect_timeout", "time-out for a connect (mqtt.connect_timeout)"),
    "resend": _promise("mqtt.resend", "second try without an answer (mqtt.resend)"),
    "kept-session": _kept_session,
    "mqtt-3.1.1": _version("3.1.1"),
    "mqtt-5": _version("5"),
    "reset-command": _promise("console.reset_command", "soft reset (console.reset_command)"),
    "link": _promise("link", "serial link (link)"),
    "setting": _promise("setting", "setting that outlives a power cut (setting)"),
    "hang-command": _promise("console.hang_command", "way to make it hang (console.hang_command)"),
    "reset-cause": _tells_cause,
    "disconnect-command": _promise("console.disconnect_command", "clean disconnect (console.disconnect_command)"),
}
