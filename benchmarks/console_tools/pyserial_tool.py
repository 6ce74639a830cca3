"""Bare pyserial on the benchmark's pty, an incremental search and no record: the least that any tool must do."""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import time

import serial


def read_to(port: serial.Serial, marker: bytes) -> bytes:
    pieces = []
    tail = b""
    while True:
        data = port.read(port.in_waiting or 1)
        pieces.append(data)
        if marker in tail + data:
            return b"".join(pieces)
        tail = (tail + data)[-len(marker) :]


def main(url: str, size: int, bursts: int, trips: int) -> None:
    port = serial.serial_for_url(url, 115200)
    port.write(f"prepare {size}\n".encode())
    read_to(port, b"prepared\r\n")
    times = []
    for number in range(trips):
        start = time.perf_counter()
        port.write(f"ping {number}\n".encode())
        read_to(port, f"pong {number}\r\n".encode())
        times.append(time.perf_counter() - start)
    seconds = []
    digests = []
    for _ in range(bursts):
        start = time.perf_counter()
        port.write(f"burst {size}\n".encode())
        data = read_to(port, b"end of the burst\r\n")
        seconds.append(time.perf_counter() - start)
        digests.append(hashlib.sha256(data).hexdigest())
    print(json.dumps({"trip": statistics.median(times), "bursts": seconds, "digests": digests}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
