"""Has the broker forget a session, as it would have done itself had it the policy's session expiry.

MQTT 3.1.1 knows one way: a CONNECT with clean session, under the same client id, on a connection of its own. The
device's own CONNECT comes after it and finds no session, but starts one that is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.gateway.upstream import Upstream, UpstreamOwner
from hil.wire.mqtt import Connect, Disconnect, Version, encode


class Forgetting:
    """One connection to the broker on behalf of `owner`; `then` is called when it is over, however it went."""

    def __init__(self, owner: UpstreamOwner, connect: Connect, then: Callable[[], None]) -> None:
        self.number = owner.number
        self.board = owner.board
        self._connect = connect
        self._then: Callable[[], None] | None = then

    def upstream_opened(self, upstream: Upstream) -> None:
        clean = Connect(self._connect.client_id, Version.V311, username=self._connect.username,
                        password=self._connect.password)  # fmt: skip
        upstream.write(encode(clean, Version.V311) + encode(Disconnect(), Version.V311))

    def upstream_failed(self, reason: str) -> None:
        self._over()

    def from_broker(self, data: bytes) -> None:
        """The CONNACK; nothing hangs on it."""

    def broker_closed(self, how: str) -> None:
        self._over()

    def broker_is_slow(self, slow: bool) -> None:
        """Two packets fit in any buffer."""

    def _over(self) -> None:
        then, self._then = self._then, None
        if then is not None:
            then()
