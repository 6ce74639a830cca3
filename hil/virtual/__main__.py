"""`python -m hil.virtual esp32 ...` runs a virtual board, `... uno ...` a virtual Arduino Uno; `... image ...` and
`... sketch ...` build what they run."""

from __future__ import annotations

import argparse
import json
import logging
import math
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.virtual import constants, efuses
from hil.virtual.chips import CHIPS
from hil.virtual.firmware.build import NVS, STORES, Build
from hil.virtual.firmware.options import OPTIONS, Option
from hil.virtual.flash import FlashFileError
from hil.virtual.host import Manifest
from hil.virtual.image import table_for, write_images
from hil.virtual.uno import build as uno_build
from hil.virtual.uno.options import OPTIONS as SKETCH_OPTIONS
from hil.virtual.uno.options import RAW_RATE, find
from hil.virtual.usb import lines as usb_lines
from hil.virtual.wiring import WIRINGS

if TYPE_CHECKING:
    from hil.virtual.process import Options
    from hil.virtual.uno import process as uno_process

REFERENCE = "reference"

#: Exit status where this machine lacks what such a board is made of: EX_UNAVAILABLE of sysexits.h.
UNAVAILABLE = 69
_UNITS = {"": 1, "B": 1, "K": 1 << 10, "KB": 1 << 10, "M": 1 << 20, "MB": 1 << 20}
_FLASH_SIZES = {f"{1 << power}MB": 1 << power << 20 for power in range(5)}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    asked = _parser().parse_args(arguments)
    logging.basicConfig(format=f"{getattr(asked, 'name', 'image')}: %(message)s", level=logging.WARNING)
    try:
        if asked.command in ("esp32", "uno"):
            _serve(asked)
        elif asked.command == "lines":
            usb_lines.run(asked.words)
        elif asked.command == "sketch":
            mistakes = [find("without", name) for name in asked.without] + [find("with", name) for name in asked.extra]
            shutil.copyfile(uno_build.sketch(asked.version, options=mistakes), asked.out)
        else:
            table = table_for(asked.store, asked.file_system)
            listed = write_images(asked.out, CHIPS[asked.chip], _manifest(asked), asked.size, table)
            print(json.dumps(listed))
    except (usb_lines.NoCompiler, FlashFileError, uno_build.BuildError, OSError, ValueError) as error:
        print(f"hil.virtual {asked.command}: {error}", file=sys.stderr)
        return UNAVAILABLE if isinstance(error, uno_build.MissingPackages) else 1
    return 0


def _serve(asked: argparse.Namespace) -> None:
    """Run a board. What that takes is imported only here: an image is built without it, in half the time."""
    import asyncio

    from hil.virtual.process import serve
    from hil.virtual.uno import process as uno_process

    if asked.command == "esp32":
        asyncio.run(serve(_options(asked)))
    else:
        asyncio.run(uno_process.serve(_uno_options(asked)))


class _ListOptions(argparse.Action):
    """Print the table of build options (`const`) and end, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for option in self.const:
            print(f"{option.flag:<32} {option.does}\n{'':<32} -> {option.breaks}")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hil.virtual", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    board = commands.add_parser("esp32", help="run a virtual ESP32 board", description="Run one virtual ESP32 board.")
    _board_arguments(board)
    board.add_argument("--chip", choices=CHIPS, default="esp32", help="default: %(default)s")
    board.add_argument("--mac", type=_mac, help="default: derived from the name")
    board.add_argument("--flash-size", choices=_FLASH_SIZES, default="4MB", help="default: %(default)s")
    board.add_argument(
        "--efuse", action="append", default=[], metavar="NAME[=N]", help="burn it, for good: FLASH_CRYPT_CNT=1"
    )
    board.add_argument(
        "--wiring", choices=WIRINGS, default="usb-uart", help="what its port's DTR and RTS do (%(default)s)"
    )
    board.add_argument("--usb", action="store_true", help="with a --wiring of USB: the port goes with the chip")
    board.add_argument("--usb-root", type=Path, metavar="DIR", help="where its dev and sys are; default: DIR/usb")
    board.add_argument("--usb-location", type=_location, metavar="1-1.4", help="where it is plugged in; default: free")
    lines = commands.add_parser(
        "lines", help="run a command that can set DTR and RTS of --usb boards", description=usb_lines.__doc__
    )
    lines.add_argument("words", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    uno = commands.add_parser("uno", help="run a virtual Arduino Uno", description="Run one virtual Arduino Uno.")
    _board_arguments(uno)
    uno.add_argument("--raw-port", type=int, default=0, help="plain TCP port, for avrdude; default: any free one")
    uno.add_argument("--raw-rate", type=int, default=RAW_RATE, help="its bit/s; default: %(default)s")
    sketch = commands.add_parser("sketch", help="build the reference sketch", description="Build an Uno's sketch.")
    sketch.add_argument("--out", type=Path, required=True, help="the Intel HEX file")
    sketch.add_argument("--version", default="1.0.0", help="what its banner says; default: %(default)s")
    _option_arguments(sketch, SKETCH_OPTIONS)
    image = commands.add_parser(
        "image",
        help="build images to flash",
        description="Build what a virtual board boots.",
        epilog="Options of the reference firmware:\n"
        + "\n".join(f"  {option.flag:<28} {option.does}" for option in OPTIONS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _option_arguments(image, OPTIONS)
    image.add_argument("--chip", choices=CHIPS, default="esp32", help="default: %(default)s")
    image.add_argument("--out", type=Path, required=True, help="directory for the images")
    image.add_argument("--firmware", default=REFERENCE, help="which firmware it names; default: %(default)s")
    image.add_argument("--version", default="1.0.0", help="the app's version; default: %(default)s")
    image.add_argument("--size", type=_size, default="192K", help="of the app image; default: %(default)s")
    image.add_argument("--store", choices=STORES, default=NVS, help="where it keeps what it must know (%(default)s)")
    image.add_argument(
        "--file-system", type=_size, metavar="SIZE", help="of its partition for files (Arduino's: 1408K)"
    )
    image.add_argument("--credentials", type=Path, metavar="FILE.h", help="for --store constants: the C header")
    return parser


def _option_arguments(build: argparse.ArgumentParser, options: tuple[Option, ...]) -> None:
    words = "print every --with and --without, and end"
    build.add_argument("--list-options", action=_ListOptions, nargs=0, const=options, help=words)
    build.add_argument("--without", action="append", default=[], metavar="X", help="leave a build option out")
    build.add_argument("--with", dest="extra", action="append", default=[], metavar="X", help="add a build option")


def _board_arguments(board: argparse.ArgumentParser) -> None:
    board.add_argument("--dir", type=Path, required=True, help="where its flash and its JSON file lie")
    board.add_argument("--name", type=_name, required=True, help="the board's name")
    board.add_argument("--speed", type=_speed, default=1.0, help="how many times faster than a real board (1)")
    board.add_argument("--bind", default="127.0.0.1", help="address for both ports; default: %(default)s")
    board.add_argument("--serial-port", type=int, default=0, help="RFC 2217 port; default: any free one")
    board.add_argument("--control-port", type=int, default=0, help="control port; default: any free one")
    board.add_argument("--powered", action="store_true", help="start with the supply on")
    board.add_argument("--follow-stdin", action="store_true", help="end when standard input ends")


def _manifest(asked: argparse.Namespace) -> Manifest:
    options = [f"without:{word}" for word in asked.without] + [f"with:{word}" for word in asked.extra]
    if asked.firmware == REFERENCE:
        Build(options)  # raises for options that it does not have
    if asked.chip == "esp8266" and asked.store != "constants":
        raise ValueError(f"an esp8266 has no partition for --store {asked.store}; use --store constants")
    if asked.store != NVS:
        options.insert(0, f"store:{asked.store}")
    return Manifest(asked.firmware, asked.version, tuple(options), _constants(asked))


def _constants(asked: argparse.Namespace) -> dict[str, str | int]:
    """What the header defines. Raises ValueError if it cannot be compiled, or is given for no use."""
    header: Path | None = asked.credentials
    if (header is None) == (asked.store == "constants"):
        raise ValueError("--store constants and --credentials FILE.h belong together; give both or none")
    if header is None:
        return {}
    try:
        return constants.parse(header.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{header}: {error}") from None


def _options(asked: argparse.Namespace) -> Options:
    from hil.virtual.process import Options

    return Options(
        **_of_every_board(asked),
        chip=asked.chip,
        mac=asked.mac,
        flash_size=_FLASH_SIZES[asked.flash_size],
        wiring=asked.wiring,
        efuses=efuses.asked(asked.efuse),
        usb=asked.usb,
        usb_root=asked.usb_root,
        usb_location=asked.usb_location,
    )


def _uno_options(asked: argparse.Namespace) -> uno_process.Options:
    from hil.virtual.uno import process as uno_process

    return uno_process.Options(**_of_every_board(asked), raw_port=asked.raw_port, raw_rate=asked.raw_rate)


def _of_every_board(asked: argparse.Namespace) -> dict[str, Any]:
    """What `_board_arguments` has asked for."""
    names = ("name", "speed", "bind", "serial_port", "control_port", "powered", "follow_stdin")
    return {"directory": asked.dir, **{name: getattr(asked, name) for name in names}}


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no name: use letters, digits, '.', '-' and '_'")
    return text


def _location(text: str) -> str:
    if not re.fullmatch(r"\d+-\d+(\.\d+)*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no place on USB; expected bus and hub ports, as in 1-1.4")
    return text


def _mac(text: str) -> bytes:
    if not re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is no MAC address; expected six bytes as in 24:0a:c4:00:01:10")
    return bytes.fromhex(re.sub("[:-]", "", text))


def _speed(text: str) -> float:
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0 < speed < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed factor; expected a number above 0, 1 for real time")
    return speed


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+|0x[0-9a-fA-F]+)\s*([KM]?B?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected bytes, or a number with K or M")
    return int(match[1], 0) * _UNITS[match[2].upper()]


if __name__ == "__main__":
    sys.exit(main())
