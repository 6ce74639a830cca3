"""One board of a bench, as its rig says: what reaches it, what it is told, its credentials, what lies around it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil import virtual_board
from hil.board import Board
from hil.broker import Broker
from hil.console import Console
from hil.credentials import Authority, Credentials, read_credentials
from hil.firmware import Firmware
from hil.flash import Flasher
from hil.flash.making import make as make_flasher
from hil.folders import state_folder
from hil.gateway import Gateway
from hil.guardian import identity
from hil.link import Endpoint, Link, tls_context
from hil.pki.hierarchy import Pki
from hil.ports import PortFinder, PortTable, port_seen
from hil.ports import asking as asking_chips
from hil.ports.recognition import Recognition
from hil.ports.seen import Register
from hil.power import PowerSwitch
from hil.power.control_port import VirtualSwitch
from hil.power.none import NoSwitch
from hil.power.outlet import OutletPower, switch_of
from hil.provision.making import Tools, make_rehearsal
from hil.provision.making import make as make_provisioner
from hil.rig import Rig, RigBoard
from hil.secret import Secret
from hil.surroundings import VirtualSurrounding
from hil.timeline import SHORTEST_SECRET, Timeline
from hil.timeserver import TimeServer
from hil.virtual_board import VirtualBoard
from hil.wiring import ARDUINO, INVERTED, Wiring
from hil.wiring import choosing as wirings
from hil.wiring.kinds import WIRINGS

#: The folder of what was last seen of each board, in the state folder.
SEEN = "seen"


def setting_names(
    rig: Rig,
    name: str,
    gateway: Gateway | None,
    broker: Broker | None,
    time_server: TimeServer | None,
    timeline: Timeline,
) -> dict[str, str]:
    """The placeholders that the settings of board `name` may use, credentials left out.

    Fetches the Wi-Fi password from the environment and has the timeline redact it. Raises MissingSecret.
    """
    board = rig.boards[name]
    names = {"board": name, "chip": board.config.chip, "client_id": board.contract.mqtt.client_id}
    if board.config.mac is not None:
        names["mac"] = board.config.mac
    if gateway is not None:
        host, port = gateway.endpoint(name)
        names |= {"gateway_host": rig.file.gateway.host or host, "gateway_port": str(port)}
        names["server_name"] = rig.file.gateway.name
    elif broker is not None:
        names |= {"gateway_host": broker.host, "gateway_port": str(broker.port), "server_name": broker.host}
    if time_server is not None:
        host, port = time_server.endpoint(name)
        names |= {"time_host": rig.file.time_server.host or host, "time_port": str(port)}
    return names | _wifi_names(board, timeline)


def _wifi_names(board: RigBoard, timeline: Timeline) -> dict[str, str]:
    wifi = board.config.wifi
    if wifi is None:
        return {}
    ssid = wifi.ssid.value(f"boards.{board.name}.wifi.ssid") if isinstance(wifi.ssid, Secret) else wifi.ssid
    password = "" if wifi.password is None else wifi.password.value(f"boards.{board.name}.wifi.password")
    if len(password) >= SHORTEST_SECRET:
        timeline.redact(password)
    return {"wifi_ssid": ssid, "wifi_password": password}


def make_power(rig: Rig, board: RigBoard, virtual: VirtualBoard | None, timeline: Timeline | None) -> PowerSwitch:
    """The switch that the rig names for this board. Raises PowerError for a secret that is not there."""
    power = board.config.power
    if virtual is not None:
        return VirtualSwitch(virtual.control, virtual.token, board=board.name, timeline=timeline)
    if isinstance(power, OutletPower):
        mates = identity.mates(rig, board.name)
        return switch_of(power.kind, power, rig.resolve, board=board.name, mates=mates, timeline=timeline)
    return NoSwitch(board=board.name)


def make_access_point(rig: Rig, board: RigBoard, power: PowerSwitch) -> PowerSwitch | None:
    """What takes the board's Wi-Fi away, if anything does. Raises PowerError for a secret that is not there."""
    if isinstance(power, VirtualSwitch):
        return VirtualSurrounding(power, "radio") if board.config.virtual == "esp32" else None
    table = board.config.access_point
    if not isinstance(table, OutletPower):
        return None
    return switch_of(table.kind, table, rig.resolve, board=f"{board.name}'s access point")


def make_name_server(board: RigBoard, power: PowerSwitch) -> PowerSwitch | None:
    """What makes the names fail that the board looks up: a virtual board has it."""
    if isinstance(power, VirtualSwitch) and board.config.virtual == "esp32":
        return VirtualSurrounding(power, "names")
    return None


def credentials(rig: Rig, board: RigBoard, issuer: Authority) -> Credentials:
    """The board's credentials: those that the rig names, the kept ones, or new ones of this run's authority.

    `authority` has issued what a hierarchy had not.
    """
    identity = board.config.identity
    if identity is not None:
        anchors, chain, key = (rig.resolve(value) for _, value in identity)
        return read_credentials(anchors, chain, key)
    if rig.file.credentials.pki is not None:
        return Pki.load(rig.resolve(rig.file.credentials.pki)).credentials(board.name)
    directory = rig.file.credentials.directory
    if directory is None:
        return issuer.issue_device(board.contract.mqtt.client_id)
    return issuer.kept_device(board.contract.mqtt.client_id, rig.resolve(directory) / "devices" / board.name)


@dataclass(frozen=True, slots=True)
class Line:
    """What reaches one board: its switch, its open console, its flasher; and the virtual board, if it is one."""

    virtual: VirtualBoard | None
    power: PowerSwitch
    console: Console
    flasher: Flasher


def port_of(board: RigBoard, timeline: Timeline, artifacts: Path) -> str | PortFinder:
    """What a real board's rig says of its port: a name or URL, or what finds it by its marks each time."""
    port = board.config.port
    if isinstance(port, PortTable):
        return PortFinder(port, asking=asking_chips.by_mac(timeline, artifacts) if port.ask else None)
    return str(port)


def wiring_of(board: RigBoard, port: str | PortFinder) -> Wiring:
    """How the lines of a board's port reach it: as the rig says, or as its port is seen to be."""
    config = board.config
    if config.reset is not None:
        return wirings.wiring_of(config.reset)
    if config.resets_by_dtr:
        return ARDUINO
    if config.wiring is not None:
        return INVERTED if config.wiring == "usb-uart-inverted" else WIRINGS[config.wiring]
    return wirings.seen(port_seen(port))


def make_recognition(rig: Rig, board: RigBoard, port: str | PortFinder, state: Path) -> Recognition:
    """What judges whether the board on this port is the one that the rig means; `state` keeps what was seen before."""
    macs = {name: other.config.mac for name, other in rig.boards.items() if other.config.mac is not None}
    others = [name for name in rig.boards if name != board.name]
    return Recognition(board.name, port, macs, others, Register(state / SEEN))


def register(rig: Rig) -> Register:
    """What was last seen of each real board of the rig."""
    return Register(state_folder(rig) / SEEN)


def open_line(
    rig: Rig, board: RigBoard, timeline: Timeline, artifacts: Path, state: Path, closing: contextlib.ExitStack
) -> Line:
    """The line to a board; what has to be closed again is put on `closing`. See `state_folder` for `state`."""
    name, config = board.name, board.config
    virtual = None
    if config.virtual is not None:
        virtual = virtual_board.start(
            name,
            kind=config.virtual,
            chip=config.chip,
            speed=config.speed,
            folder=state,
            mac=config.mac,
            wiring=config.wiring,
            usb=config.usb,
        )
        closing.callback(virtual.close)
    power = make_power(rig, board, virtual, timeline)
    closing.callback(power.close)
    url = virtual.serial if virtual is not None else port_of(board, timeline, artifacts)
    log, wiring = artifacts / f"{name}.console.log", wiring_of(board, url)
    console = Console(timeline, name, url, board.contract.console.baud, log=log, wiring=wiring)
    # Without power a board has no port of its own: it comes when the board is switched on.
    console.open(awaited=lambda: power.can_cut and power.is_on() is not True)
    closing.callback(console.close)
    raw = virtual.raw if virtual is not None else None
    recognition = make_recognition(rig, board, url, state if virtual is not None else state_folder(rig))
    flasher = make_flasher(board, url, raw, console, timeline, artifacts, rig.resolve, recognition)
    return Line(virtual, power, console, flasher)


def open_link(
    board: RigBoard, names: Mapping[str, str], own: Credentials, console: Console, timeline: Timeline
) -> Link | None:
    """What carries a board's lines to the broker's side, if its contract asks for that and that side is open.

    Raises CredentialsError for a certificate or key that no client can use.
    """
    if board.contract.link is None or "gateway_host" not in names:
        return None
    endpoint = Endpoint(names["gateway_host"], int(names["gateway_port"]), names["server_name"])
    link = Link(timeline, console, board.contract, endpoint, tls_context(own, endpoint.server_name))
    link.start()
    return link


def make_board(
    rig: Rig,
    name: str,
    names: Mapping[str, str],
    issuer: Authority,
    timeline: Timeline,
    artifacts: Path,
    state: Path,
    closing: contextlib.ExitStack,
) -> Board:
    """Board `name`, its console open; what has to be closed again is put on `closing`."""
    board = rig.boards[name]
    line = open_line(rig, board, timeline, artifacts, state, closing)
    firmware = Firmware(board, artifacts / "firmware" / name, redact=timeline.redacted)
    closing.callback(firmware.stop)
    if not board.contract.settings_in_firmware:
        firmware.build()
    tools = Tools(
        board=name,
        timeline=timeline,
        firmware=firmware,
        flasher=line.flasher,
        console=line.console,
        journal=(state if line.virtual is not None else state_folder(rig)) / "provision",
        identity=board.config.mac or "",
    )
    own = credentials(rig, board, issuer)
    link = open_link(board, names, own, line.console, timeline)
    if link is not None:
        closing.callback(link.close)
    return Board(
        name=name,
        config=board.config,
        contract=board.contract,
        timeline=timeline,
        console=line.console,
        power=line.power,
        flasher=line.flasher,
        provisioner=make_provisioner(board.contract.provision, tools),
        rehearsal=make_rehearsal(board.contract.provision, tools),
        firmware=firmware,
        names=names,
        credentials=own,
        link=link,
        access_point=make_access_point(rig, board, line.power),
        name_server=make_name_server(board, line.power),
    )
