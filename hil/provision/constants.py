"""Provisioning by building: settings and credentials are constants of the firmware's source, or files that it embeds.

The source is written, the contract's build command is run, and what it made is flashed. Three comparisons stand for
the reading back of other methods: the source is read again as its language's compiler reads it, the constants are
looked for in the images, and the flasher compares the flash with the images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from hil import sources
from hil.firmware import Firmware
from hil.flash import SECTOR, Flasher, Image
from hil.provision import Applied, ProvisionError, Setting
from hil.provision.borrowed_files import borrowed
from hil.provision.kept_builds import KeptBuilds, name_of
from hil.sources import Constant, Language, Number, SourceError, Style

#: Lines shorter than this, in characters, are in an image by chance, or merged with others by a linker.
_TELLING = 12


class Constants:
    """Builds a board's settings into its firmware.

    `target`: the source file, or, with `language` None, the folder in which each setting is a file of its own.
    `class_name`: of C#. `secret`: the keys of settings that are secret. `look`: whether the constants have to be found
    in the images; not possible where a build compresses or encrypts them.
    """

    name = "constants"
    in_flash = False  # the firmware may run while the next one is built

    def __init__(
        self,
        firmware: Firmware,
        flasher: Flasher,
        board: str,
        target: Path,
        *,
        language: Language | None,
        style: Style = Style.LINES,
        class_name: str = "Credentials",
        secret: Collection[str] = (),
        look: bool = True,
    ) -> None:
        self._firmware = firmware
        self._flasher = flasher
        self._board = board
        self._target = target
        self._language = language
        self._style = style
        self._class_name = class_name
        self._secret = frozenset(secret)
        self._look = look
        self._kept = KeptBuilds(board)

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        """See `hil.provision.Method`; raises FirmwareError as well.

        `sectors` and `written` are what was flashed, `capacity` is the size of the images.
        """
        given = {key: setting for key, setting in values.items() if setting is not None}
        contents = dict(self._files(given)) if self._language is None else {self._target: self._source(given)}
        folder = self._target if self._language is None else self._target.parent
        secret = any(key in self._secret or "PRIVATE KEY-----" in text for key, (_, text) in given.items())
        settings = name_of(contents)
        images = self._kept.find(settings)
        if not images:
            with borrowed(folder, contents, secret=secret, stopped=self._firmware.stopped):
                images = self._firmware.build(private=True)
            if self._look:
                self._find(given, images)
            self._kept.keep(settings, images)
        self._firmware.images = images
        flashed = self._flasher.flash(images)
        size = sum(image.path.stat().st_size for image in images)
        return Applied(-(-flashed.written // SECTOR), flashed.written, size)

    # -- what is written -----------------------------------------------------------------------------------------------

    def _files(self, given: Mapping[str, tuple[str, str]]) -> Iterator[tuple[Path, bytes]]:
        """Each setting as a file of its own."""
        for key, (_, text) in given.items():
            yield self._target / key, text.encode()

    def _source(self, given: Mapping[str, tuple[str, str]]) -> bytes:
        """The source that defines the settings, after a look at what a compiler will make of it."""
        assert self._language is not None
        texts = {key: text.encode() for key, (kind, text) in given.items() if kind in ("string", "blob")}
        try:
            items = [
                Constant(key, texts[key]) if key in texts else Number.of(key, *setting)
                for key, setting in given.items()
            ]
            source = sources.write(self._language, items, style=self._style, name=self._class_name)
        except SourceError as error:
            raise ProvisionError(f"board {self._board}: {self._target.name}: {error}") from None
        found = {constant.value.encode("latin-1") for constant in sources.texts(source, self._language)}
        lost = next((key for key, text in texts.items() if text not in found), None)
        if lost is not None:
            raise ProvisionError(
                f"board {self._board}: {self._target.name}: {lost} does not come out of the source as it went in; "
                'use style = "lines"'
            )
        return source.encode()

    # -- what came out -------------------------------------------------------------------------------------------------

    def _find(self, given: Mapping[str, tuple[str, str]], images: Sequence[Image]) -> None:
        """Raise ProvisionError for a text that the images do not hold: the build does not use it."""
        data = [image.path.read_bytes() for image in images]
        for key, (kind, text) in given.items():
            if kind in ("string", "blob") and not _held(text, data):
                raise ProvisionError(
                    f"board {self._board}: {key} is in none of the images that were built; does the firmware use it, "
                    f"and does the build take {self._target}? If it compresses or encrypts images, say in_images = "
                    "false; nothing was flashed"
                )


def _held(text: str, images: Sequence[bytes]) -> bool:
    """Whether an image holds every telling line of the text, in UTF-8 or, as .NET keeps strings, in UTF-16."""
    lines = [line for line in text.splitlines() if len(line) >= _TELLING]
    return any(
        all(line.encode(encoding) in image for line in lines) for image in images for encoding in ("utf-8", "utf-16-le")
    )
