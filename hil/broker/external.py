"""A broker that runs elsewhere: a deployment's own, which boards reach without the gateway."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from hil.broker.broker import BrokerError
from hil.broker.mosquitto import accepts
from hil.timeline import SHORTEST_SECRET, Timeline

_REACH_PATIENCE = 10.0
"""Seconds that it gets to accept a TCP connection."""


class External:
    """Somebody else's broker. It is neither started nor stopped; the monitor is a client of it like any other.

    The monitor's name and password come from the environment: `username_env` and `password_env` name the variables,
    so that no secret stands in a rig file; a name that is none may be given as `username`. `ca` is the PEM file of the
    authority that its certificate comes from, `certificate` and `key` are the monitor's own, if the broker asks for it.
    `tls` True without `ca` trusts this host's own store.
    `capabilities`: what it is known to do (see Broker); by default all but the log.
    """

    kind = "external"

    def __init__(
        self,
        timeline: Timeline,
        host: str,
        port: int,
        *,
        username: str | None = None,
        username_env: str | None = None,
        password_env: str | None = None,
        ca: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        tls: bool | None = None,
        capabilities: Iterable[str] = ("mqtt5", "will-on-keep-alive", "persistent-sessions", "retain"),
    ) -> None:
        self._timeline = timeline
        self.host = host
        self.port = port
        self.capabilities = frozenset(capabilities)
        self._username_env = username_env
        self._password_env = password_env
        self._ca = ca
        self._certificate = certificate
        self._key = key
        self._tls = (ca is not None) if tls is None else tls
        self.username = username
        self.password: str | None = None

    def start(self) -> None:
        """Fetch the monitor's credentials and see that the broker accepts connections. Raises BrokerError."""
        self.username = _from_environment(self._username_env) or self.username
        self.password = _from_environment(self._password_env)
        if self.password and len(self.password) >= SHORTEST_SECRET:
            self._timeline.redact(self.password)
        self.tls_context()
        if not accepts(self.host, self.port, _REACH_PATIENCE):
            raise BrokerError(
                f"the broker at {self.host}:{self.port} does not accept connections; see that it runs and that no "
                "firewall stands between"
            )
        self._timeline.record("broker", "started", kind=self.kind, version=None, port=self.port)

    def close(self) -> None:
        """Nothing: it goes on without us."""

    def tls_context(self) -> ssl.SSLContext | None:
        """What the monitor needs to speak TLS with it, or None for plain TCP. Raises BrokerError for a bad CA file."""
        if not self._tls:
            return None
        try:
            context = ssl.create_default_context(cafile=str(self._ca) if self._ca else None)
        except (OSError, ssl.SSLError) as error:
            raise BrokerError(f"the broker's CA file {self._ca} cannot be used: {error}; give a PEM file") from None
        if self._certificate is not None:
            try:
                context.load_cert_chain(self._certificate, self._key)
            except (OSError, ssl.SSLError) as error:
                raise BrokerError(
                    f"the monitor's certificate {self._certificate} cannot be used: {error}; give PEM files that fit"
                ) from None
        return context

    def __enter__(self) -> External:
        self.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


def _from_environment(name: str | None) -> str | None:
    if name is None:
        return None
    value = os.environ.get(name)
    if not value:
        raise BrokerError(f"the environment variable {name} is not set; the monitor needs it to log in to the broker")
    return value
