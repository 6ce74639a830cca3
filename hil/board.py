"""One device under test: console, reset lines, power switch, flasher and provisioner, put together.

    board.power_cycle()
    board.wait_online()
    board.console.send("status\\n")

A board knows nothing of the gateway or of faults: it is acted on, and the timeline tells what became of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hil import reset
from hil.console import Console
from hil.contract import Contract
from hil.credentials import Credentials
from hil.firmware import Firmware
from hil.flash import Flasher, FlashError, FlashResult, check_images
from hil.flash.fingerprint import fingerprint
from hil.flash.held import spans_settings
from hil.link import Link
from hil.power import PowerSwitch
from hil.provision import Provisioner, ProvisionResult
from hil.provision.rehearsal import Difference, Rehearsal
from hil.rig_file import BoardConfig
from hil.timeline import Event, Match, Timeline, where

#: Seconds within which the port of a board with USB of its own has to be there after it got its supply.
PORT_COMES = 10.0


class NotPromised(Exception):
    """Something was asked of a board that its contract does not promise; the message names the missing key."""


@dataclass
class Board:
    """A board of an open bench. Made by `hil.bench.Bench`; everything on it is usable at once.

    `names` are the placeholders of this board's settings, without its credentials. `link` carries the lines of a board
    without a network to the broker's side. `access_point`, `name_server`: what takes them away from it
    (hil.surroundings), None: nothing.
    """

    name: str
    config: BoardConfig
    contract: Contract
    timeline: Timeline
    console: Console
    power: PowerSwitch
    flasher: Flasher
    provisioner: Provisioner | None
    firmware: Firmware
    names: Mapping[str, str]
    credentials: Credentials | None
    rehearsal: Rehearsal | None = None
    link: Link | None = None
    access_point: PowerSwitch | None = None
    name_server: PowerSwitch | None = None
    flashed: bool = field(default=False, init=False)
    as_agreed: bool = field(default=False, init=False)

    # -- power and reset -------------------------------------------------------------------------------------------

    def power_on(self) -> None:
        """Give the board its supply; it boots. Without a switch this does nothing: it has power already.

        Where the board's port is its own, this waits until it is there. Raises hil.console.ConsoleError.
        """
        if self.power.can_cut:
            self.power.on()
            self._await_port()

    def power_off(self) -> None:
        """Cut the supply, with no goodbye. Raises hil.power.CannotCut where no switch can."""
        self.power.off()

    def power_cycle(self) -> None:
        """Cut the supply, wait for the capacitors (`off_time` of the rig, seconds), restore it.

        Where no switch can cut it, a hard reset stands in: not the same for whatever else has its own supply.
        """
        if not self.power.can_cut:
            self.hard_reset()
            return
        self.power.off()
        time.sleep(self.off_seconds)
        self.power.on()
        self._await_port()

    def _await_port(self) -> None:
        if self.console.is_away:
            self.console.wait_open(PORT_COMES)

    @property
    def off_seconds(self) -> float:
        """How long the power is left off in a cycle, in seconds; a virtual board has no capacitors."""
        return 0.0 if self.config.virtual else self.config.off_time

    def hard_reset(self) -> None:
        """Reset it through the modem lines: EN by RTS, an Arduino's RESET by DTR, or as its wiring wants it.

        Through EN this is a power-on to an ESP: clock and RTC memory are lost. Through a USB port of its own it is not,
        and an AVR keeps its RAM. Raises hil.console.ConsoleError where no line resets it.
        """
        reset.hard(self.console)

    def soft_reset(self) -> None:
        """Ask the firmware to restart; the clock survives. Raises NotPromised where the contract has no command."""
        reset.soft(self.console, self._promised_command("reset_command"))

    def disconnect(self) -> None:
        """Ask the firmware to disconnect from the broker cleanly. Raises NotPromised."""
        self.console.send(self._promised_command("disconnect_command") + "\n")

    def hang(self) -> None:
        """Have the firmware hang, until its watchdog restarts it. Raises NotPromised."""
        self.console.send(self._promised_command("hang_command") + "\n")

    def _promised_command(self, key: str) -> str:
        command = getattr(self.contract.console, key)
        if command is None:
            raise NotPromised(f"board {self.name}: its contract {self.contract.name!r} has no console.{key}")
        return str(command)

    # -- firmware and credentials ----------------------------------------------------------------------------------

    def flash(self, *, force: bool = False, baud: int | None = None) -> FlashResult:
        """Write the contract's images, except those that lie in flash already; `force` writes them all the same.

        `baud`: in place of the rig's flash_baud. Leaves the board with power, running. Firmware that its settings are
        built into is built with those that were agreed, if it has not been yet. Raises hil.flash.FlashError, and what
        `provision` raises.
        """
        self.power_on()
        if not self.firmware.images:
            built = self.provision()
            if built is not None and not force and baud is None:
                return FlashResult(built.seconds, built.written, max(0, built.capacity - built.written))
        self.flashed = False
        check_images(self.name, self.firmware.images)
        meant = fingerprint(self.firmware.images)
        result = self.flasher.flash(self.firmware.images, force=force, baud=baud)
        self._tell_firmware(meant)
        self.flashed = True
        if result.written and spans_settings(self.firmware.images):
            self.as_agreed = False
        return result

    def _tell_firmware(self, meant: Mapping[str, Any] | None = None) -> None:
        """What lies in flash now goes on the timeline: a verdict is one on this firmware.

        `meant`: what the images were before they were written. Raises hil.flash.FlashError if they are others by now.
        """
        now = fingerprint(self.firmware.images)
        if meant is not None and now != meant:
            raise FlashError(f"board {self.name}: its images changed while they were written; flash it again")
        self.timeline.record("flash", "firmware", self.name, **now)

    def provision(
        self, credentials: Credentials | None = None, settings: Mapping[str, str] | None = None
    ) -> ProvisionResult | None:
        """Put settings and credentials into the board; only what differs is written. Leaves the board running.

        `credentials`: others than the board's own, `settings`: texts in place of what the contract says, by key. With
        either, the bench puts the agreed ones back before the next test. None if the contract's method is 'none'.
        Raises hil.provision.ProvisionError, KeyError for a setting that the contract does not have.
        """
        if self.provisioner is None:
            return None
        self.as_agreed = False
        self.power_on()
        values = self._settings(credentials, settings or {})
        result = self.provisioner.provision(values, secret=self.contract.secret_settings())
        self.as_agreed = credentials is None and not settings
        if self.contract.settings_in_firmware:
            self.flashed = True
            self._tell_firmware()
        return result

    def differences(self) -> list[Difference]:
        """What `provision` would change in each place of the contract; nothing is written. Resets the board to read it.

        Raises hil.provision.ProvisionError, also for methods that work through a build or the running firmware.
        """
        if self.rehearsal is None:
            return []
        self.power_on()
        return self.rehearsal.compare(self._settings(None, {}))

    def _settings(self, credentials: Credentials | None, changed: Mapping[str, str]) -> dict[str, tuple[str, str]]:
        """The contract's settings with their placeholders filled in, some texts changed. Raises KeyError."""
        names = {**self.names, **_credential_names(credentials or self.credentials)}
        values = {key: (kind, changed.get(key, text)) for key, kind, text in self.contract.settings(names)}
        unknown = [key for key in changed if key not in values]
        if unknown:
            raise KeyError(f"board {self.name}: the contract has no setting {', '.join(unknown)}")
        return values

    # -- what is waited for ----------------------------------------------------------------------------------------

    def online_event(self) -> Match:
        """What shows on the broker's side that this board is online: its online message, or else its CONNACK."""
        online = self.contract.mqtt.online
        if online is not None:
            payload = {} if online.payload is None else {"payload": online.payload.encode()}
            return where("monitor", "message", None, topic=online.topic, **payload)
        return where("gateway", "connack", self.name, code=0)

    def wait_online(self, *, timeout: float | None = None, after: int | None = None) -> Event:
        """Wait until the board is online in the broker's eyes; from its last start on, unless `after` says otherwise.

        `timeout` in seconds; the contract's `online.within` without one. Raises timeline.NoSuchEvent.
        """
        position = self.started() if after is None else after
        return self.timeline.wait(self.online_event(), timeout=timeout or self.contract.online.within, after=position)

    def started(self) -> int:
        """The timeline's position of the board's last start: power, hard reset or soft reset; 0 if there was none."""
        start = self.timeline.last(lambda e: e.board == self.name and (e.source, e.kind) in _STARTS)
        return 0 if start is None else start.sequence


_STARTS = {("power", "on"), ("reset", "hard"), ("reset", "soft")}


def _credential_names(credentials: Credentials | None) -> dict[str, str]:
    if credentials is None:
        return {}
    return {
        "trust_anchors": credentials.trust_anchors_pem.decode(),
        "certificate_chain": credentials.chain_pem.decode(),
        "private_key": credentials.key_pem.decode(),
    }
