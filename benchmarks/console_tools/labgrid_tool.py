"""labgrid's SerialDriver on the benchmark's pty; runs in an environment that has labgrid, prints JSON."""

from __future__ import annotations

import json
import logging
import statistics
import sys
import time

from labgrid import Target
from labgrid.driver import SerialDriver
from labgrid.resource import RawSerialPort


def main(port: str, size: int, bursts: int, trips: int) -> None:
    logging.disable(logging.CRITICAL)
    target = Target("bench")
    RawSerialPort(target, name=None, port=port, speed=115200)
    driver = SerialDriver(target, name=None)
    target.activate(driver)
    driver.sendline(f"prepare {size}")
    driver.expect("prepared\r\n", timeout=60)
    times = []
    for number in range(trips):
        start = time.perf_counter()
        driver.sendline(f"ping {number}")
        driver.expect(f"pong {number}\r\n", timeout=10)
        times.append(time.perf_counter() - start)
    seconds = []
    received = []
    for _ in range(bursts):
        start = time.perf_counter()
        driver.sendline(f"burst {size}")
        _, before, _, _ = driver.expect("end of the burst\r\n", timeout=900)
        seconds.append(time.perf_counter() - start)
        received.append(len(before))
    print(json.dumps({"trip": statistics.median(times), "bursts": seconds, "received": received}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
