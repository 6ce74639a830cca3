"""The build options: good firmware has none of them, each makes one mistake that firmware in the field has made.

    python -m hil.virtual image --without date-checks --with foreign-will ...

`OPTIONS` is the one list of them. An option is written 'without:NAME' or 'with:NAME' in an image's manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One way to build the firmware badly. `kind` is 'with' or 'without'; `does` says what this firmware does,
    `breaks` what goes wrong for it on a bench or in the field."""

    kind: str
    name: str
    does: str
    breaks: str

    @property
    def key(self) -> str:
        """As it stands in a manifest: 'without:will'."""
        return f"{self.kind}:{self.name}"

    @property
    def flag(self) -> str:
        """As it is given on the command line: '--without will'."""
        return f"--{self.kind} {self.name}"


OPTIONS: tuple[Option, ...] = (
    # Time
    Option(
        "without", "date-checks", "accepts certificates of any date",
        "an expired or not yet valid server certificate is accepted; a lost clock goes unnoticed",
    ),
    Option(
        "without", "time-wait", "connects without waiting for the time",
        "after a power cut the TLS connect fails until the clock happens to be set",
    ),
    Option(
        "without", "time-sync", "never asks for the time",
        "after a power cut every TLS connect fails, for ever",
    ),
    # TLS
    Option(
        "without", "name-check", "accepts a certificate of any server name",
        "a server that holds any certificate of the same authority is trusted",
    ),
    Option(
        "without", "server-verification", "accepts any server certificate, whoever signed it (setInsecure)",
        "whoever can redirect its traffic can read it and command the device",
    ),
    Option(
        "without", "chain-checks", "does not ask whether an intermediate may sign",
        "the holder of any certificate of the authority can make more of them",
    ),
    Option(
        "without", "client-certificate", "sends no client certificate",
        "a broker that demands one refuses the handshake",
    ),
    Option(
        "with", "partial-chain", "sends its own certificate without the intermediate",
        "a broker that knows only the root cannot build the chain",
    ),
    # Connecting again
    Option(
        "without", "retry", "tries once, and gives up when that fails or the connection is lost",
        "one failed connect, and the device stays offline until somebody resets it",
    ),
    Option(
        "with", "fixed-retry", "tries again after the same gap each time (retry_first)",
        "all devices come back at once and go on hammering a broker that has just restarted",
    ),
    Option(
        "with", "no-keepalive", "never sends a ping",
        "an idle connection is closed by the broker; a half-open one is never noticed",
    ),
    # MQTT
    Option(
        "without", "will", "connects without a last will",
        "nobody learns that the device has lost its power",
    ),
    Option(
        "with", "foreign-will", "has its last will on foreign/{client_id}/status",
        "a broker that confines devices to their own topics refuses it: connect, cut off, connect, for ever",
    ),
    Option(
        "with", "retained-will", "sets the will's retain flag, whatever will_retain says",
        "a broker that allows no retained messages refuses it; on others a stale 'offline' stays",
    ),
    Option(
        "with", "foreign-subscribe", "subscribes to foreign/{client_id}/cmd straight after connecting",
        "a broker that confines devices to their own topics cuts it off; its own log says only that it subscribed",
    ),
    Option(
        "with", "foreign-publish", "publishes on foreign/{client_id}/data straight after connecting",
        "a broker that confines devices to their own topics cuts it off, again and again",
    ),
    Option(
        "with", "rude-disconnect", "closes the connection without DISCONNECT when it is to disconnect",
        "the last will is published although the device went in order",
    ),
    Option(
        "without", "telemetry", "sends no telemetry",
        "it looks online, and says nothing",
    ),
    Option(
        "without", "answers", "does what a command says, and answers nothing",
        "nobody learns whether a command arrived",
    ),
    Option(
        "without", "online", "never publishes its online message",
        "the retained 'offline' of the last will stays although the device is back",
    ),
    # The device itself
    Option(
        "with", "silent-hang", "hangs after its third telemetry message: no output, no pings, no reset",
        "only the missing telemetry and the keep-alive show it",
    ),
    Option(
        "with", "warm-boot-hang", "hangs at boot if the clock was kept, trusting what else a reset kept",
        "after a software restart it stays away; switching it off and on helps, so nobody finds the fault",
    ),
    Option(
        "with", "heap-leak", "loses 4 KB of heap at each connect that fails",
        "after some forty failures there is no memory left for a handshake (-0x7F00) until a reset",
    ),
)  # fmt: skip

_BY_KEY = {option.key: option for option in OPTIONS}


class UnknownOption(ValueError):
    """An option that the firmware does not have; the text lists those that it has."""


def find(kind: str, name: str) -> Option:
    """The option of that kind and name; raises UnknownOption."""
    option = _BY_KEY.get(f"{kind}:{name}")
    if option is None:
        known = ", ".join(other.flag for other in OPTIONS)
        raise UnknownOption(f"the reference firmware has no option --{kind} {name}; it has: {known}")
    return option


class Build:
    """The options that one image was built with. Raises UnknownOption for keys that are none."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = {find(*(key.split(":", 1) if ":" in key else ("with", key))).key for key in keys}

    def has(self, name: str) -> bool:
        """Whether it was built --with `name`."""
        return find("with", name).key in self._keys

    def lacks(self, name: str) -> bool:
        """Whether it was built --without `name`."""
        return find("without", name).key in self._keys

    def __str__(self) -> str:
        return ", ".join(key.replace(":", " ") for key in sorted(self._keys)) or "none"
