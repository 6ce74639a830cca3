"""Firmware that somebody gives for a run, in place of what the contract builds or names: `--firmware`.

    rig = with_firmware(rig, ["esp32-a=build", "uno-a=sketch.hex"])

A folder holds the files that the contract names, by their names or somewhere below. One file is enough where the
contract has one image; where it has several, it has to be one image of the whole flash, as `esptool merge-bin` makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hil.contract import Firmware, Image
from hil.rig import Rig, RigBoard
from hil.toml import FileError
from hil.wire.partitions import TABLE_SIZE, parse

#: Where an ESP's partition table lies unless a build says otherwise (ESP-IDF, CONFIG_PARTITION_TABLE_OFFSET), in bytes.
TABLE_OFFSET = 0x8000


def with_firmware(rig: Rig, given: Sequence[str]) -> Rig:
    """`rig` with contracts that name these images, and build nothing. Each is BOARD=PATH, or PATH for all boards.

    What names a board counts before what is for all. Raises FileError with a line for each fault.
    """
    if not given:
        return rig
    chosen, faults = _by_board(rig, given)
    boards = dict(rig.boards)
    for name, path in chosen.items():
        try:
            boards[name] = _with(boards[name], path)
        except ValueError as error:
            faults.append(f"--firmware: board {name}: {error}")
    if faults:
        raise FileError(rig.path, faults)
    return replace(rig, boards=boards)


def _by_board(rig: Rig, given: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """The path for each board, absolute; and what is wrong with what was given."""
    everywhere: Path | None = None
    found, faults = dict[str, Path](), list[str]()
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or "/" in name:  # a path may hold an equals sign
            everywhere = Path(text).expanduser().absolute()
        elif name in rig.boards:
            found[name] = Path(path).expanduser().absolute()
        else:
            faults.append(f"--firmware: found {text!r}, expected PATH or BOARD=PATH; boards: {', '.join(rig.boards)}")
    if everywhere is not None:
        found = {name: found.get(name, everywhere) for name in rig.boards}
    return found, faults


def _with(board: RigBoard, path: Path) -> RigBoard:
    if board.contract.settings_in_firmware:
        raise ValueError(
            f"found {path}, expected none: {board.contract_path.name} builds the settings into its firmware"
        )
    wanted = [i for i in board.contract.firmware.images if i.chips is None or board.config.chip in i.chips]
    if path.is_dir():
        images = [Image(offset=one.offset, file=_literal(_in_folder(path, _filled(board, one.file)))) for one in wanted]
    elif path.is_file():
        images = [Image(offset=_offset(path, wanted), file=_literal(path))]
    else:
        raise ValueError(f"found nothing at {path}, expected a file or a folder of images")
    firmware = Firmware(images=images, version=board.contract.firmware.version)
    # Options are for the build command, and nothing is built.
    config = board.config.model_copy(update={"options": []})
    return replace(board, config=config, contract=board.contract.model_copy(update={"firmware": firmware}))


def _in_folder(folder: Path, template: str) -> Path:
    """The file of an image in a folder: where the contract has it below {images}, else the one of its name."""
    below = Path(template.removeprefix("{images}/"))
    if not below.is_absolute() and (folder / below).is_file():
        return folder / below
    named = sorted(folder.rglob(below.name))
    if len(named) != 1:
        listed = ", ".join(map(str, named[:3])) or f"none in {folder}"
        raise ValueError(f"found {listed}, expected one file {below.name}, which the contract names")
    return named[0]


def _offset(path: Path, wanted: Sequence[Image]) -> int:
    """Where one file goes."""
    if len(wanted) == 1:
        return wanted[0].offset
    if not is_whole_flash(path):
        names = ", ".join(_names(wanted))
        raise ValueError(
            f"found {path}, which has no partition table at {TABLE_OFFSET:#x}, expected an image of the whole flash "
            f"(esptool merge-bin), or a folder with {names}"
        )
    return 0


def is_whole_flash(path: Path) -> bool:
    """Whether a file is an image of an ESP's whole flash, as `esptool merge-bin` makes them. Raises OSError."""
    with path.open("rb") as file:
        file.seek(TABLE_OFFSET)
        table = file.read(TABLE_SIZE)
    try:
        parse(table)
    except ValueError:
        return False
    return True


def _names(images: Sequence[Image]) -> Iterator[str]:
    yield from (Path(image.file).name for image in images)


def _filled(board: RigBoard, template: str) -> str:
    return template.replace("{board}", board.name).replace("{chip}", board.config.chip)


def _literal(path: Path) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")
