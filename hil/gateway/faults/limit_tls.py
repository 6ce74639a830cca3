"""The server offers less than it could: versions, cipher suites, resumption."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import ClassVar

from hil.gateway.faults.fault import Fault
from hil.gateway.tls import VERSIONS, TlsSettings
from hil.gateway.tls.context import limit_suites


@dataclass(frozen=True)
class TlsVersions(Fault):
    """Speak these TLS versions alone: 'TLSv1', 'TLSv1.1', 'TLSv1.2' or 'TLSv1.3', `minimum` up to `maximum`.

    The first two are forbidden by RFC 8996: a device that accepts them is insecure.
    """

    name: ClassVar[str] = "tls-versions"
    minimum: str = "TLSv1.2"
    maximum: str = "TLSv1.3"

    def __post_init__(self) -> None:
        self.expect_one_of("minimum", VERSIONS)
        self.expect_one_of("maximum", VERSIONS)
        order = list(VERSIONS)
        if order.index(self.minimum) > order.index(self.maximum):
            raise ValueError(f"{self.name}: minimum {self.minimum} is above maximum {self.maximum}; swap them")

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(settings, minimum=self.minimum, maximum=self.maximum)


@dataclass(frozen=True)
class CipherSuites(Fault):
    """Accept these cipher suites alone.

    `tls12` for TLS 1.2 and older, `tls13` for TLS 1.3, as registered names; OpenSSL's short names do for `tls12` too.
    None leaves all that OpenSSL accepts. Raises ValueError for what OpenSSL does not have.
    """

    name: ClassVar[str] = "cipher-suites"
    tls12: tuple[str, ...] | None = None
    tls13: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        limit_suites(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self.tls12, self.tls13)

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(
            settings,
            ciphers=settings.ciphers if self.tls12 is None else self.tls12,
            suites=settings.suites if self.tls13 is None else self.tls13,
        )


@dataclass(frozen=True)
class Resumption(Fault):
    """Whether sessions are resumed, and how.

    `on`: sessions of before are resumed. `tickets`: session tickets are issued. Off with tickets is a server that has
    lost its ticket keys, or another one behind the same name: it issues tickets and never honours them. On without
    tickets leaves TLS 1.2's session ids; TLS 1.3 resumes nothing then.
    """

    name: ClassVar[str] = "resumption"
    on: bool = False
    tickets: bool = True

    def tls(self, settings: TlsSettings) -> TlsSettings:
        return replace(settings, resume=self.on, tickets=self.tickets)
