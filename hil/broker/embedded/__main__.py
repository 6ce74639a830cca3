"""`python -m hil.broker.embedded`: amqtt on loopback, until its standard input ends or SIGTERM comes."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hil.broker.embedded", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="TCP port on 127.0.0.1; 0 picks a free one (default)")
    parser.add_argument("--follow-stdin", action="store_true", help="end when the standard input does")
    arguments = parser.parse_args()
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("transitions").setLevel(logging.WARNING)
    try:
        asyncio.run(serve(arguments.port, arguments.follow_stdin))
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{arguments.port}: {error.strerror}", flush=True)
        return 1
    return 0


async def serve(port: int, follow_stdin: bool) -> None:
    """Serve until told to stop; prints 'ready on port N' once it accepts connections."""
    # Here, not above: importing it takes a second, and the arguments may be wrong.
    from amqtt.broker import Broker  # type: ignore[import-untyped,import-not-found,unused-ignore]
    from amqtt.errors import BrokerError  # type: ignore[import-untyped,import-not-found,unused-ignore]

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if follow_stdin:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, stop)
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"hil.broker.embedded.everybody.Everybody": {}},
        }
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise error.__cause__ if isinstance(error.__cause__, OSError) else OSError(0, str(error)) from None
    server = broker._servers["default"].instance  # amqtt tells its port in no other way
    print(f"ready on port {server.sockets[0].getsockname()[1]}", flush=True)
    await stop.wait()
    await broker.shutdown()


def _watch_stdin(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


if __name__ == "__main__":
    sys.exit(main())
