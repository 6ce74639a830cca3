"""A mark on this host that a run has begun to change a board through its console: the next one finds it if it was cut
off."""

from __future__ import annotations

from pathlib import Path

from hil.provision import ProvisionError


class Unfinished:
    """The mark of `board` in `directory`; `identity`: see Journal. Holds nothing of what is written."""

    def __init__(self, directory: Path, board: str, method: str, identity: str = "") -> None:
        name = f"{board}-{identity.replace(':', '')}" if identity else board
        self._path = directory / f"{name}-{method}.unfinished"

    @property
    def there(self) -> bool:
        """Whether an earlier run did not come to its end."""
        return self._path.exists()

    def set(self) -> None:
        """From now on the board may hold some new values and some old ones. Raises ProvisionError."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
        except OSError as error:
            raise ProvisionError(f"{self._path}: cannot be written ({error.strerror}); nothing was changed") from None

    def clear(self) -> None:
        """All is written and compared."""
        self._path.unlink(missing_ok=True)
