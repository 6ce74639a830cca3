"""Makes a board's provisioner from what its contract says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hil import places
from hil.console import Console
from hil.firmware import Firmware
from hil.flash import Flasher
from hil.provision import Method, Provisioner
from hil.provision.console_lines import ConsoleLines
from hil.provision.constants import Constants
from hil.provision.esp_at import EspAt
from hil.provision.littlefs import Geometry, Littlefs
from hil.provision.nvs import Nvs
from hil.provision.partition import FlashAccess, PartitionAccess
from hil.provision.recorded import Recorded
from hil.provision.rehearsal import Making, Rehearsal
from hil.provision.secure_cert import SecureCert
from hil.provision.several import Several
from hil.provision.spiffs import Spiffs
from hil.provision.unfinished import Unfinished
from hil.sources import Style
from hil.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Tools:
    """What a method may use of its board. `journal` and `identity`: see `PartitionAccess`."""

    board: str
    timeline: Timeline
    firmware: Firmware
    flasher: Flasher
    console: Console
    journal: Path
    identity: str = ""


def make(contract_places: Sequence[places.AnyPlace], tools: Tools) -> Provisioner | None:
    """The provisioner for a contract's places; None if the bench is to put nothing into the board."""
    made: list[tuple[set[str], Provisioner]] = []
    for place in contract_places:
        method = _method(place, tools)
        if method is not None:
            made.append((set(place.values), Recorded(method, tools.timeline, tools.board, tools.flasher.session)))
    if len(made) == 1:
        return made[0][1]
    return Several(made, tools.flasher.session) if made else None


def make_rehearsal(contract_places: Sequence[places.AnyPlace], tools: Tools) -> Rehearsal | None:
    """What finds out what `make`'s provisioner would change; None if the bench is to put nothing into the board."""
    made: list[tuple[set[str], str, Making | None]] = []
    for place in contract_places:
        method = _method(place, tools)
        if method is not None:
            making = partial(_on_a_copy, place, tools) if method.in_flash else None
            made.append((set(place.values), method.name, making))
    flasher = tools.flasher
    return Rehearsal(tools.board, flasher, flasher.session, tools.journal, made) if made else None


def _on_a_copy(place: places.AnyPlace, tools: Tools, flash: FlashAccess, journal: Path) -> Method:
    method = _method(place, replace(tools, journal=journal), flash)
    assert method is not None
    return method


def _method(place: places.AnyPlace, tools: Tools, flash: FlashAccess | None = None) -> Method | None:
    """The method of a place; `flash`: in place of the board's own."""
    flasher = tools.flasher
    access = PartitionAccess(
        flash or flasher,
        tools.board,
        tools.journal,
        identity=tools.identity,
        hindrance=flasher.hindrance,
        holds=flasher.holds if flash is None else None,
    )
    match place:
        case places.NvsPlace():
            return Nvs(access, namespace=place.namespace, partition=place.partition)
        case places.LittlefsPlace():
            geometry = Geometry(place.block_size, place.name_max)
            return Littlefs(access, partition=place.partition, geometry=geometry, format=place.format)
        case places.SecureCertPlace():
            return SecureCert(access, partition=place.partition)
        case places.SpiffsPlace():
            return Spiffs(access, geometry=place.geometry, partition=place.partition, format=place.format)
        case places.ConstantsPlace():
            return Constants(
                tools.firmware,
                flasher,
                tools.board,
                tools.firmware.path(place.file or place.folder or ""),
                language=place.source_language,
                style=Style(place.style),
                class_name=place.class_name,
                secret=places.secret_keys(place),
                look=place.in_images,
            )
        case places.ConsolePlace():
            secret = places.secret_keys(place)
            mark = Unfinished(tools.journal, tools.board, place.method, tools.identity)
            return ConsoleLines(place, tools.console, mark, secret=secret, hide=tools.timeline.redact)
        case places.EspAtPlace():
            return EspAt(place, tools.console, Unfinished(tools.journal, tools.board, place.method, tools.identity))
        case places.Nowhere():
            return None
