"""What a handshake depends on: the server's side of it, as faults may change it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from hil.gateway.tls.script import ORDINARY, Script

VERSIONS: Final = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
"""The oldest first. The first two are for faults alone (RFC 8996 forbids them)."""


class Identity(Protocol):
    """A certificate with its key, both PEM: the chain is leaf first."""

    @property
    def chain_pem(self) -> bytes: ...
    @property
    def key_pem(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What the gateway shows to a board: a certificate chain (leaf first) and the leaf's key, both PEM."""

    chain_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """All that a handshake depends on. Faults make changed copies; equal settings share one context.

    `client_ca`: PEM of the authorities whose client certificates are accepted; None: none is asked for.
    `partial_chain`: whether an intermediate in `client_ca` is an anchor by itself, as with brokers to which one
    uploads the leaf's immediate issuer. `minimum` and `maximum`: names of `VERSIONS`.

    `ciphers`: the suites of TLS 1.2 and older that are accepted, `suites` those of TLS 1.3; names as in
    hil.gateway.tls.suites or as OpenSSL has them; None: OpenSSL's own choice.
    `resume`: whether sessions of before are resumed; `tickets`: whether session tickets are issued.
    `revoked`: PEM of revocation lists; with any, client certificates are looked up in their issuer's.
    `weak`: whether an identity below OpenSSL's security level (SHA-1, short keys) is shown all the same.
    `script`: what the session does that no TLS server would do; not the context's business.
    `secrets`: whether the context remembers its sessions' keys, which some scripts need.
    """

    chain_pem: bytes
    key_pem: bytes = field(repr=False)
    client_ca: bytes | None
    partial_chain: bool = False
    minimum: str = "TLSv1.2"
    maximum: str = "TLSv1.3"
    ciphers: tuple[str, ...] | None = None
    suites: tuple[str, ...] | None = None
    resume: bool = True
    tickets: bool = True
    revoked: bytes = b""
    weak: bool = False
    script: Script = ORDINARY
    secrets: bool = False

    def for_context(self) -> TlsSettings:
        """The same without what concerns single sessions: settings that are equal then may share a context."""
        return replace(self, script=ORDINARY, secrets=self.secrets or self.script.needs_keys)
