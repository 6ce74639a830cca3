"""One virtual dev kit: power, the EN and IO0 circuit, and whatever the chip does between two resets.

What DTR and RTS do is a matter of the board's wiring (wiring.py). The buttons BOOT and RST are there besides.

Modes: off (no power), reset (EN low), download (the ROM's loader), run (ROM, bootloader, app).

EN has a capacitor, so the chip starts a moment after EN is let go. Over a network the two lines change one after the
other, so 'into download mode' passes through DTR=1, RTS=1: coming out of reset into that state, the board waits longer
for the second line before it starts.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from hil.virtual.boot_steps import APP_BAUD, ROM_TIME, Halt, Print, Rate, Reset, Start, rom_banner
from hil.virtual.booting import boot
from hil.virtual.chips import Chip
from hil.virtual.downloading import Downloading
from hil.virtual.efuses import Efuses
from hil.virtual.flash import Flash
from hil.virtual.host import Cause, Clock, Core, Host, Manifest, Radio
from hil.virtual.loader import Loader
from hil.virtual.registers import Registers
from hil.virtual.serial_server import Port, SerialServer
from hil.virtual.uart import Uart
from hil.virtual.wiring import Otg, Restart
from hil.virtual.wiring import make as make_wiring

EN_RISE = 0.005
"""Seconds from EN's release to the chip's start."""
EN_RISE_BOTH = 0.4
"""The same while both lines are asserted. pyserial waits 0.1 s between two control lines over RFC 2217."""
WATCHDOG_DELAY = 0.2
"""Seconds from arming the RTC watchdog to its reset, at any speed: a host's next command must still be answered."""
BOOT_LOOP_PAUSE = 0.1
"""Least real seconds between two tries to boot, whatever the speed: a boot loop must not eat the host."""
MOST_RECEIVED = 4096
"""Pieces of input that wait for the chip."""
LOG = logging.getLogger(__name__)

StartCore = Callable[[Manifest, Host], Awaitable[Core]]


class Board:
    """The chip `chip` with `flash`, `mac` and a `radio`. Everything here runs in one asyncio loop.

    `start_core` starts the firmware (see hil.virtual.host). The board is off at first.
    """

    def __init__(
        self,
        name: str,
        chip: Chip,
        mac: bytes,
        flash: Flash,
        speed: float,
        radio: Radio,
        start_core: StartCore,
        wiring: str = "usb-uart",
    ) -> None:
        self.name = name
        self.chip = chip
        self.mac = mac
        self.flash = flash
        self.speed = speed
        self.radio = radio
        self.efuses = Efuses(flash.path.with_suffix(".efuses"), chip)
        self.wiring = make_wiring(wiring, chip.name)
        self.serial = SerialServer(self, Port(self, self.rate_changed))
        self.power = False
        self.mode = "off"
        self.cause = Cause.POWER_ON
        self._start_core = start_core
        self._uart = Uart(speed, lambda data: self.serial.send(data), self._line_baud)
        self._clock = Clock()
        self._boot_button = False
        self._held = False  # EN was pulled low by the lines, not only slow to rise after power-on
        self._rising: asyncio.TimerHandle | None = None
        self._life: asyncio.Task[None] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._received: asyncio.Queue[bytes] = asyncio.Queue(MOST_RECEIVED)
        self._host: Host | None = None
        self._core: Core | None = None
        self._endings: set[asyncio.Future[Any]] = set()

    @property
    def baud(self) -> int:
        """The speed at which the chip's UART runs just now."""
        return self._uart.baud

    # -- power and reset -------------------------------------------------------------------------------------------

    async def power_on(self) -> None:
        """Connect the supply. Nothing happens if it is connected."""
        if not self.power:
            self.power = True
            self.mode = "reset"
            self._follow_lines()

    async def power_off(self) -> None:
        """Cut the supply, in whatever the board is doing. Returns when nothing of it runs any more."""
        self.power = False
        self._held = False
        self._stop()
        self.mode = "off"
        await self._ended()

    def state(self) -> dict[str, Any]:
        """See `hil.virtual.control.Controlled`."""
        return {
            "name": self.name,
            "chip": self.chip.name,
            "mac": self.mac.hex(":"),
            "power": self.power,
            "radio": self.radio.is_up,
            "names": self.radio.resolves,
            "mode": self.mode,
        }

    def more_orders(self) -> dict[str, Callable[[], None]]:
        """Access point and name server can be taken away, with the board running on; its buttons can be pressed."""
        return {
            "radio-up": self.radio.up,
            "radio-down": self.radio.down,
            "names-up": partial(self._resolve, True),
            "names-down": partial(self._resolve, False),
            "hold-boot": partial(self._press_boot, True),
            "release-boot": partial(self._press_boot, False),
            "press-reset": self._press_reset,
        }

    def _resolve(self, names: bool) -> None:
        self.radio.resolves = names

    def _press_boot(self, held: bool) -> None:
        self._boot_button = held

    def _press_reset(self) -> None:
        if self.power:
            self._stop()
            self.mode = "reset"
            self._held = True
            self._follow_lines()

    async def close(self) -> None:
        """The end of the virtual board: power off, ports closed."""
        await self.power_off()
        await self.serial.close()
        await self._uart.close()
        await self.radio.close()
        self.flash.close()

    def lines_changed(self, dtr: bool, rts: bool) -> None:
        """DTR and RTS, as the client of the serial port has set them."""
        restart = self.wiring.lines(dtr, rts, self.mode)
        if not self.power:
            return
        if restart is not None:
            self._start_anew(restart)
        self._follow_lines()

    def rate_changed(self, baud: int) -> None:
        """The speed, as the client of the serial port has set it."""
        restart = self.wiring.rate(baud, self.mode)
        if restart is not None and self.power:
            self._start_anew(restart)

    def _start_anew(self, restart: Restart) -> None:
        self._stop(silent=False)
        self._begin(restart.cause, download=restart.download and not self.efuses.download_disabled)

    def _line_baud(self) -> int:
        return self.serial.port.baudrate if self.wiring.is_uart else self._uart.baud

    def reset(self, cause: Cause) -> None:
        """Reset by the chip itself: software, panic, watchdog, brownout. Clock and power stay; what it said is sent."""
        self._stop(silent=False)
        self._begin(cause, download=False)

    def _follow_lines(self) -> None:
        if self.wiring.held:
            self._stop()
            self.mode = "reset"
            self._held = True
        elif self.mode == "reset":
            if self._rising is not None:
                self._rising.cancel()
            delay = EN_RISE_BOTH if self._held and self.wiring.settling else EN_RISE
            self._rising = asyncio.get_running_loop().call_later(delay, self._risen)

    def _risen(self) -> None:
        self._rising = None
        cause = Cause.PIN if self._held else Cause.POWER_ON
        self._held = False
        # Power-on and EN alike clear all of the chip, its clock included.
        self._clock = Clock()
        strap = self.wiring.strap or self._boot_button
        if isinstance(self.wiring, Otg):
            self.wiring.by_button = strap
        self._begin(cause, download=strap and not self.efuses.download_disabled)

    def _begin(self, cause: Cause, *, download: bool) -> None:
        self.cause = cause
        self.mode = "download" if download else "run"
        self._received = asyncio.Queue(MOST_RECEIVED)
        self._life = asyncio.create_task(self._live(cause, download))
        self._life.add_done_callback(_report)

    def _stop(self, *, silent: bool = True) -> None:
        """Stop all that runs, between two instructions. The radio falls silent before the firmware can say goodbye."""
        if self._rising is not None:
            self._rising.cancel()
            self._rising = None
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        if self._life is not None:
            self._life.cancel()
            if self._life is not asyncio.current_task():
                # It may be starting a firmware: whoever waits for the end waits for what it leaves behind, too.
                self._endings.add(self._life)
                self._life.add_done_callback(self._endings.discard)
            self._life = None
        if self._host is not None:
            self._host.retire()
            self._host = None
        self.radio.cut()
        if silent:
            self._uart.clear()
        if self._core is not None:
            self._end(self._core)
            self._core = None

    def _end(self, core: Core) -> None:
        ending = asyncio.ensure_future(core.kill())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)

    async def _ended(self) -> None:
        # wait, not gather: a reset may cancel the waiting, and must not cancel what is waited for.
        while self._endings:
            await asyncio.wait(set(self._endings))

    # -- from reset to reset ---------------------------------------------------------------------------------------

    async def _live(self, cause: Cause, download: bool) -> None:
        await self._ended()
        await self._uart.drained()
        # A crystal that the ROM takes for another has been found out by the firmware before a reset by the chip itself.
        self._uart.baud = self.chip.rom_baud if cause in (Cause.POWER_ON, Cause.PIN) else APP_BAUD
        if download:
            await self._load(cause)
        else:
            await self._boot(cause)

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)

    async def _boot(self, cause: Cause) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for step in boot(self.chip, self.flash, cause):
            match step:
                case Print(seconds, text):
                    await self._wait(seconds)
                    self._uart.transmit(text.encode())
                case Rate(baud):
                    await self._uart.drained()
                    self._uart.baud = baud
                case Reset(next_cause):
                    await self._uart.drained()
                    await asyncio.sleep(began + BOOT_LOOP_PAUSE - loop.time())
                    self.reset(next_cause)
                case Start():
                    await self._run_firmware(step, cause)
                case Halt():
                    pass

    async def _run_firmware(self, start: Start, cause: Cause) -> None:
        host = self._host = self._make_host(start, cause)
        starting = asyncio.ensure_future(self._start_core(start.manifest, host))
        try:
            core = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # Reset while the process was starting: it ends as soon as there is one, and the next boot waits for that.
            self._endings.add(starting)
            starting.add_done_callback(self._late_start)
            raise
        except Exception as error:
            self._uart.transmit(f"E (0) virtual: the firmware cannot start: {error}\r\n".encode())
            return
        self._core = core
        while not self._received.empty():
            core.uart_input(self._uart.as_seen(self._received.get_nowait()))

    def _late_start(self, starting: asyncio.Future[Core]) -> None:
        if not starting.cancelled() and starting.exception() is None:
            self._end(starting.result())
        self._endings.discard(starting)

    def _make_host(self, start: Start, cause: Cause) -> Host:
        return Host(
            name=self.name,
            chip=self.chip.name,
            mac=self.mac,
            speed=self.speed,
            cause=self.chip.shown(cause),
            flash=self.flash.path,
            app=start.app.offset,
            partitions={partition.label: (partition.offset, partition.size) for partition in start.table},
            clock=self._clock,
            radio=self.radio,
            _uart_output=self._uart.transmit,
            _restart=self.reset,
            _flash_write=self.flash.program,
            _flash_erase=self.flash.erase,
            _disable_download=self.efuses.disable_download,
        )

    def receive(self, data: bytes) -> None:
        """Bytes that arrive on RX. A chip without power, or held in reset, hears nothing."""
        if self._core is not None:
            self._core.uart_input(self._uart.as_seen(data))
        elif self.mode in ("run", "download"):
            with contextlib.suppress(asyncio.QueueFull):  # an overrun: what nobody reads is lost
                self._received.put_nowait(data)

    # -- download mode ---------------------------------------------------------------------------------------------

    async def _load(self, cause: Cause) -> None:
        await self._wait(ROM_TIME)
        self._uart.transmit(rom_banner(self.chip, cause, download=True).encode())
        registers = Registers(self.chip, self.mac, self.flash.size, self.efuses.words())
        loader = Loader(self.chip, registers, self.flash, self.efuses.security_info())
        stay = Downloading(
            loader,
            registers,
            self.flash,
            self._uart,
            wait=self._wait,
            run=partial(self.reset, Cause.SOFTWARE),
            watch=self._watch,
        )
        await stay.serve(self._received, self._line_baud)

    def _watch(self, armed: bool) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        if armed:
            loop = asyncio.get_running_loop()
            self._watchdog = loop.call_later(WATCHDOG_DELAY, self._bite)

    def _bite(self) -> None:
        # Unlike other resets by the chip this one reads the straps again.
        self._start_anew(Restart(Cause.WATCHDOG, download=self.wiring.strap or self._boot_button))


def _report(life: asyncio.Task[None]) -> None:
    if not life.cancelled() and (error := life.exception()) is not None:
        LOG.error("the virtual chip stopped by a fault of its own: %r", error, exc_info=error)
