"""How the gateway cuts its TLS records, and whether it says goodbye."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from hil.gateway.faults.fault import Fault
from hil.gateway.tls import TlsSettings

Part = Literal["all", "handshake", "application"]
_MOST = 16384


@dataclass(frozen=True)
class RecordSize(Fault):
    """Put `most` bytes of plaintext into each TLS record, 1 to 16384, as far as there is something to put in.

    `part`: 'handshake' messages, which are split and joined alike (RFC 8446 section 5.1 and RFC 5246 section 6.2.1
    allow both), 'application' data, or 'all'. Left as they are: TLS 1.2's Finished and TLS 1.3's session tickets. A
    smaller limit that the device asked for (max_fragment_length) holds for application data; it has no say in how
    handshake messages are cut here.
    """

    name: ClassVar[str] = "record-size"
    most: int = 1
    part: Part = "all"

    def __post_init__(self) -> None:
        if not 1 <= self.most <= _MOST:
            raise ValueError(f"{self.name}: most is {self.most}, expected 1 to {_MOST} bytes")
        self.expect_one_of("part", Part)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        script = settings.script
        if self.part != "application":
            script = replace(script, handshake_record=self.most)
        if self.part != "handshake":
            script = replace(script, application_record=self.most)
        return replace(settings, script=script)


@dataclass(frozen=True)
class NoCloseNotify(Fault):
    """Close connections without close_notify (RFC 8446 section 6.1): a FIN, as servers that crash send it.

    For connections that begin while it is armed, however they end later.
    """

    name: ClassVar[str] = "no-close-notify"

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(settings, script=replace(settings.script, close_notify=False))
