"""`hil boards`: what is connected, whose it is, and a stanza for the rig; and what the rig says is there."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hil.ports.inventory import Entry
    from hil.rig import Rig, RigBoard

_FAILED = 1


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command and its options."""
    words = "show what is connected, port by port, and which board of the rig it is; no port is opened"
    boards = commands.add_parser("boards", help=words, description=words)
    boards.set_defaults(run=run)
    # Not `rig`: a rig is not needed here, so there is none by default.
    boards.add_argument(
        "--rig",
        dest="rig_file",
        metavar="FILE",
        default=os.environ.get("HIL_RIG"),
        help="the rig whose boards they may be (default: $HIL_RIG, or none)",
    )
    boards.add_argument("--port", metavar="TEXT", help="only ports with this in their name, place or serial number")
    boards.add_argument("--ask", action="store_true", help="have esptool ask each chip who it is: resets the boards")
    shown = boards.add_mutually_exclusive_group()
    shown.add_argument("--stanza", action="store_true", help="only what can be pasted into a rig file")
    shown.add_argument("--json", action="store_true", help="as JSON, for programs")
    shown.add_argument(
        "--accept", metavar="NAME", help="this board of the rig was replaced on purpose: forget what was seen of it"
    )


def run(options: argparse.Namespace) -> int:
    """Show what is connected; 1 where a chip that was asked said nothing."""
    from hil import rig as rigs

    rig = rigs.load(Path(options.rig_file)) if options.rig_file else None
    if options.accept is not None:
        return _accept(rig, options.accept)
    entries = _entries(rig, options)
    if options.json:
        print(json.dumps([entry.facts() for entry in entries], indent=1))
    elif options.stanza:
        _print_stanzas(entries)
    else:
        _show(entries, rig)
    return _FAILED if any(isinstance(entry.answer, str) for entry in entries) else 0


def _entries(rig: Rig | None, options: argparse.Namespace) -> list[Entry]:
    from hil.ports.inventory import inventory
    from hil.ports.usb import connected

    entries = inventory(connected(), rig)
    if options.port:
        entries = [entry for entry in entries if _has(entry, options.port)]
    return _ask(entries) if options.ask else entries


def _has(entry: Entry, text: str) -> bool:
    port = entry.port
    return any(text in name for name in (port.device, *port.by_id, *port.by_path, port.location or "", str(port)))


def _ask(entries: list[Entry]) -> list[Entry]:
    from hil.flash import FlashError
    from hil.ports import asking
    from hil.ports.inventory import asked
    from hil.timeline import Timeline

    answered = []
    for entry in entries:
        if not asking.may_be_asked(entry.port):
            answered.append(entry)
        elif entry.held_by:
            holders = ", ".join(map(str, entry.held_by))
            answered.append(asked(entry, f"not asked: {holders} has the port; end it, and ask again"))
        else:
            try:
                answered.append(asked(entry, asking.ask(entry.port, Timeline(), None)))
            except FlashError as error:
                answered.append(asked(entry, str(error).split("\n")[0].partition(": ")[2]))
    return answered


def _show(entries: list[Entry], rig: Rig | None) -> None:
    from rich.console import Console as Screen
    from rich.table import Table

    screen = Screen(highlight=False)
    if rig is not None:
        screen.print(_of_the_rig(rig, entries))
        screen.print()
    if not entries:
        print("no USB serial port is connected")
        return
    table = Table(
        "port", "location", "id", "serial number", "what it is", "board", "in use by", box=None, pad_edge=False
    )
    for entry in entries:
        port = entry.port
        table.add_row(
            *(port.device, port.location or "-", port.vid_pid, port.serial_number or "-", entry.what),
            *(", ".join(entry.boards) or "-", ", ".join(filter(None, [entry.locked, *map(str, entry.held_by)])) or "-"),
        )
    screen.print(table)
    for entry in entries:
        for link in (*entry.port.by_id, *entry.port.by_path):
            print(f"{link} -> {Path(entry.port.device).name}")
        if isinstance(entry.answer, str):
            print(f"hil: {entry.port.device}: {entry.answer}", file=sys.stderr)
    if any(not entry.boards for entry in entries):
        print("\nTo paste into a rig file:\n")
        _print_stanzas([entry for entry in entries if not entry.boards], entries)


def _print_stanzas(entries: list[Entry], among: list[Entry] | None = None) -> None:
    from hil.ports.stanza import stanza

    print("\n".join(stanza(entry, among or entries) for entry in entries), end="")


def _of_the_rig(rig: Rig, entries: list[Entry]) -> object:
    from rich.table import Table

    table = Table("board", "chip", "port", "power", "firmware", "client id", "last seen", box=None, pad_edge=False)
    for board in rig.boards.values():
        table.add_row(
            *(board.name, board.config.chip, _port_words(board, entries), board.config.power_kind),
            *(board.contract.name, board.contract.mqtt.client_id, _last_seen(rig, board.name)),
        )
    return table


def _port_words(board: RigBoard, entries: list[Entry]) -> str:
    config = board.config
    if config.virtual:
        return f"virtual (speed {config.speed:g})"
    if isinstance(config.port, str) and ("://" in config.port or Path(config.port).exists()):
        return config.port
    if not isinstance(config.port, str) and config.port is not None and config.port.ask:
        return f"{config.port} (asked for when it is opened)"
    there = next((entry.port.device for entry in entries if board.name in entry.boards), None)
    return f"{config.port} ({there or 'not there'})"


def _last_seen(rig: Rig, name: str) -> str:
    from hil.parts.board import register

    seen = register(rig).read(name)
    if seen is None:
        return "-"
    return " ".join(filter(None, [seen.day, seen.mac, seen.location and f"at {seen.location}"]))


def _accept(rig: Rig | None, name: str) -> int:
    from hil.parts.board import register

    if rig is None:
        print("hil: --accept needs --rig: the rig that the board belongs to", file=sys.stderr)
        return 2
    (board,) = rig.select([name])
    if board.config.mac is not None:
        print(f"hil: boards.{name}.mac: the rig itself says {board.config.mac}: correct it there", file=sys.stderr)
        return _FAILED
    forgotten = register(rig).forget(name)
    print(f"{name}: " + ("whoever answers next is taken for it" if forgotten else "had not been seen yet"))
    return 0
