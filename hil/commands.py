"""What the subcommands of `hil` do: each a function from the rig, the chosen boards and the options to an exit code."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading
from collections.abc import Callable, Iterator

from rich.console import Console as Screen

from hil import provisioning, reset
from hil.bench import FAULTS, Bench, BenchError
from hil.bisect import command as bisect
from hil.board import Board, NotPromised
from hil.doctor import command as doctor
from hil.folders import state_folder
from hil.guardian import identity
from hil.guardian.locks import locked
from hil.nightly import command as nightly
from hil.parts.board import make_power
from hil.reproduce import command as reproduce
from hil.rig import Rig, RigBoard
from hil.shrink import command as shrink
from hil.timeline import Event, where
from hil.virtual_board import VirtualBoard, running
from hil.watch import command as watch
from hil.wire.mqtt import topic_matches

#: Errors that end a command with one line and exit code 1.
EXPECTED = (BenchError, NotPromised, *FAULTS)

_screen = Screen(highlight=False)


def _open(rig: Rig, chosen: list[RigBoard], *, broker_side: bool) -> Bench:
    return Bench(rig, boards=[b.name for b in chosen], state=state_folder(rig), broker_side=broker_side)


@contextlib.contextmanager
def _boards_left_alone(
    rig: Rig, chosen: list[RigBoard], *, broker_side: bool = False, watching: bool = False
) -> Iterator[list[Board]]:
    """The boards alone, without the broker's side; the power stays as the command leaves it, not as idle says.

    A command that is broken off leaves the boards as idle says: they may be half written. Unless it only watches
    them: that ends by Ctrl-C.
    """
    with _open(rig, chosen, broker_side=broker_side) as bench:
        if watching:
            bench.leave_power_alone()
        yield list(bench.boards.values())
        bench.leave_power_alone()


def flash(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Flash every chosen board."""
    # Settings that are built in name the gateway: its address is known once it is open.
    built_in = any(board.contract.settings_in_firmware for board in chosen)
    with _boards_left_alone(rig, chosen, broker_side=built_in) as opened:
        for board in opened:
            board.power_on()
            if options.erase:
                board.flasher.erase()
            result = board.flash(force=options.force)
            _screen.print(f"{board.name}: {result}")
    return 0


def provision(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Provision every chosen board, or say what would be written: 1 if anything would."""
    differs = False
    # The settings name gateway and time server: their ports are known once they are open.
    with _boards_left_alone(rig, chosen, broker_side=True) as opened:
        for caution in provisioning.cautions(rig, chosen):
            print(f"hil: note: {caution}", file=sys.stderr)
        for board in opened:
            if options.check:
                found = board.differences()
                differs = differs or any(found)
                lines = list(provisioning.differences_in_words(found))
            else:
                lines = [provisioning.in_words(board.provision())]
            for line in lines:
                _screen.print(f"{board.name}: {line}", soft_wrap=True, markup=False)
    return 1 if differs else 0


def power(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Switch without opening any serial port."""
    for board in chosen:
        virtual = _virtual(rig, board)
        if board.config.virtual and virtual is None:
            command = f"python -m hil.virtual {board.config.virtual} --dir {state_folder(rig)} --name {board.name}"
            print(f"hil: virtual board {board.name} does not run; start it with: {command}", file=sys.stderr)
            return 1
        switch = make_power(rig, board, virtual, None)
        # A look at the state disturbs nobody; whoever switches has to have the board.
        needed = [] if options.action == "status" else [board.name]
        with locked(rig, needed, state=state_folder(rig)), contextlib.closing(switch):
            if options.action in ("off", "cycle"):
                switch.off()
            if options.action == "cycle":
                threading.Event().wait(board.config.off_time)
            if options.action in ("on", "cycle"):
                switch.on()
            state = {True: "on", False: "off", None: "unknown"}[switch.is_on()]
            with_it = ", ".join(identity.mates(rig, board.name))
            _screen.print(f"{board.name}: {state}" + (f" (and {with_it}: one outlet)" if with_it else ""))
    return 0


def _virtual(rig: Rig, board: RigBoard) -> VirtualBoard | None:
    return running(board.name, state_folder(rig)) if board.config.virtual else None


def reset_board(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Reset every chosen board."""
    with _boards_left_alone(rig, chosen) as opened:
        for board in opened:
            if options.soft:
                board.soft_reset()
            elif options.download:
                reset.download(board.console)
            else:
                board.hard_reset()
            _screen.print(f"{board.name}: reset")
    return 0


def console(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Show one board's console until Ctrl-C, or for so many seconds; typed lines are sent."""
    if len(chosen) != 1:
        names = ", ".join(b.name for b in chosen)
        print(f"hil: console shows one board; say --board with one of {names}", file=sys.stderr)
        return 2
    with _boards_left_alone(rig, chosen, watching=True) as (board,):
        board.timeline.listen(lambda event: print(event["text"]) if _is_line(event) else None)
        if board.config.virtual:
            board.power_on()
        if options.reset:
            board.hard_reset()
        threading.Thread(target=_send_typed_lines, args=(board,), daemon=True).start()
        threading.Event().wait(options.seconds)
    return 0


def _is_line(event: Event) -> bool:
    return (event.source, event.kind) == ("console", "line")


def _send_typed_lines(board: Board) -> None:
    for line in sys.stdin:
        board.console.send(line)


def monitor(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """The whole bench with its boards online, shown as it happens."""
    shown = where("monitor", "message", None, topic=lambda topic: topic_matches(options.topic, topic))
    with _open(rig, chosen, broker_side=True) as bench:
        sources = ("gateway", "power", "time", "flash", "provision", "link")
        _show(bench, lambda event: event.source in sources or shown(event))
        for board in bench.boards.values():
            bench.make_ready(board)
            board.power_on()
        threading.Event().wait(options.seconds)
    return 0


def link(rig: Rig, chosen: list[RigBoard], options: argparse.Namespace) -> int:
    """Carry the lines of boards without a network to the rig's broker, and show it."""
    linked = [board for board in chosen if board.contract.link is not None]
    if not linked:
        print(f"hil: link: found no [link] in the contract of {', '.join(b.name for b in chosen)}", file=sys.stderr)
        return 2
    told = where("monitor", "message", None)
    with _open(rig, linked, broker_side=True) as bench:
        bench.leave_power_alone()
        _show(bench, lambda event: event.source in ("link", "power") or told(event))
        for board in bench.boards.values():
            board.power_on()
            if options.reset:
                board.hard_reset()
        threading.Event().wait(options.seconds)
    return 0


def _show(bench: Bench, wanted: Callable[[Event], bool]) -> None:
    """Print each wanted event as it happens, with the seconds since the first of them all."""
    start = bench.timeline.mark()

    def show(event: Event) -> None:
        if wanted(event):
            first = bench.timeline.events(after=start, before=start + 1)
            seconds = event.monotonic - first[0].monotonic if first else 0.0
            print(f"{seconds:9.3f} s  {event.board or '-':<12} {event}", flush=True)

    bench.timeline.listen(show)


ALL = {
    "doctor": doctor.run,
    "nightly": nightly.run,
    "flash": flash,
    "provision": provision,
    "power": power,
    "reset": reset_board,
    "console": console,
    "monitor": monitor,
    "link": link,
    "reproduce": reproduce.run,
    "bisect": bisect.run,
    "shrink": shrink.run,
    "watch": watch.open_bench,
}
