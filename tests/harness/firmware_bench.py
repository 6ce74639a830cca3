"""A chip without a chip and small servers, to run the reference firmware against: all in one asyncio loop."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_chip import Chip
from firmware_servers import Broker, TimeServer, authority, device, pem


@dataclass
class Bench:
    """A chip, a broker, a time server."""

    chip: Chip
    broker: Broker
    time: TimeServer

    async def __aenter__(self) -> Bench:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.chip.close()
        await self.broker.close()


async def bench(directory: Path, *options: str, broker: Broker | None = None, **values: Any) -> Bench:
    """A bench whose chip is provisioned and off. `values` are further settings; None leaves one out.

    The keep-alive is long: a machine that is busy for half of a short one has the chip give up a good connection.
    """
    broker = await (broker or Broker(directory=directory)).start()
    server = await TimeServer().start()
    chain, key = device()
    settings: dict[str, Any] = {
        "wifi_ssid": "bench", "host": "127.0.0.1", "port": broker.port, "sni": "broker.test",
        "time_host": "127.0.0.1", "time_port": str(server.port), "time_retry": 50, "time_retry_max": 400,
        "client_id": "dev-1", "tele_period": 100, "keep_alive": 60, "retry_first": 50, "retry_max": 400,
        "ca": pem(authority().root).decode(), "cert": chain, "key": key.decode(),
    }  # fmt: skip
    settings |= values
    chosen = {k: v for k, v in settings.items() if v is not None}
    return Bench(Chip(directory, chosen, *options), broker, server)
