"""The gateway's TLS: settings make a context, a context makes sessions, and a script has a session misbehave."""

from __future__ import annotations

from hil.gateway.tls.context import ServerContext, make_context
from hil.gateway.tls.script import STEPS, Script, Stop
from hil.gateway.tls.session import ClearSession, Failure, TlsSession
from hil.gateway.tls.settings import VERSIONS, Identity, ServerIdentity, TlsSettings

__all__ = [
    "STEPS",
    "VERSIONS",
    "ClearSession",
    "Failure",
    "Identity",
    "Script",
    "ServerContext",
    "ServerIdentity",
    "Stop",
    "TlsSession",
    "TlsSettings",
    "make_context",
]
