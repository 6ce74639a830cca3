"""A GPIO line of this host that drives a relay, a transistor or a load switch: a Raspberry Pi's header, an FT232H.

By the Python binding of libgpiod 2 (extra `gpio`), which asks the kernel's GPIO character device
(https://docs.kernel.org/userspace-api/gpio/chardev.html). gpioset as a process would let go of the line at each change.
The line is asked for with the wanted value already on it, so that it never drives the wrong one, and held until
`close`. The kernel does not promise what becomes of a line that nobody holds: most controllers leave it, and what has
to be safe needs a resistor. Reading a line that is not held does not change its direction.
"""

from __future__ import annotations

import errno
import os
from typing import Annotated, Any, Literal

from pydantic import Field

from hil.power import PowerError
from hil.power.outlet import OutletPower, Resolve


class GpioPower(OutletPower):
    """Line `line` (its number or its name) of `chip`. `active_low`: whether a low level means that there is power."""

    kind: Literal["gpio"] = "gpio"
    chip: Annotated[str, Field(min_length=1)] = "/dev/gpiochip0"
    line: Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]
    active_low: bool = False

    @property
    def shortest(self) -> float | None:
        """One system call changes the line; the rest is this process's turn. What the line drives comes on top."""
        return 0.005

    @property
    def identity(self) -> str:
        """A line named once by number and once by name counts as two."""
        return f"gpio {os.path.realpath(self.chip)} line {self.line}"

    def outlet(self, resolve: Resolve) -> GpioOutlet:
        return GpioOutlet(self)


class GpioOutlet:
    """One line."""

    def __init__(self, config: GpioPower) -> None:
        self._config = config
        self._held: Any = None

    def set(self, on: bool) -> None:
        line = _library().line
        value = line.Value.ACTIVE if on else line.Value.INACTIVE
        if self._held is None:
            self._held = self._request(direction=line.Direction.OUTPUT, output_value=value)
            return
        try:
            self._held.set_value(self._config.line, value)
        except OSError as error:
            raise self._error(error) from None

    def state(self) -> bool | None:
        line = _library().line
        request = self._held or self._request(direction=line.Direction.AS_IS)
        try:
            return bool(request.get_value(self._config.line) == line.Value.ACTIVE)
        except OSError as error:
            raise self._error(error) from None
        finally:
            if request is not self._held:
                request.release()

    def close(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.release()

    def _request(self, **settings: Any) -> Any:
        config = self._config
        gpiod = _library()
        wanted = {config.line: gpiod.LineSettings(active_low=config.active_low, **settings)}
        try:
            return gpiod.request_lines(config.chip, consumer="hil", config=wanted)
        except (OSError, ValueError) as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> PowerError:
        cures = {
            errno.ENOENT: "there is no such chip; `gpiodetect` lists them",
            errno.EACCES: "this user may not open it; sudo usermod -aG gpio $USER, and log in again",
            errno.EBUSY: "somebody else holds the line; `gpioinfo` says who",
            errno.EINVAL: "it has no such line, or the line cannot be an output; `gpioinfo` lists them",
        }
        number = getattr(error, "errno", None)
        cure = cures.get(number or errno.EINVAL, f"{' '.join(str(error).split())}; see `gpioinfo`")
        return PowerError(f"GPIO {self._config.chip} line {self._config.line}: {cure}")


def _library() -> Any:
    try:
        import gpiod
        import gpiod.line
    except ImportError:
        raise PowerError("GPIO needs the Python package gpiod; pip install 'hil[gpio]'") from None
    return gpiod
