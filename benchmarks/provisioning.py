"""What provisioning costs: bytes, sectors and seconds for each place, beside a full flash in the same run.

    python benchmarks/provisioning.py [--speed 1] [--only littlefs]

A virtual ESP32 at the speed of a real one is flashed in full by esptool (`hil.flash.esptool` with `force`), gets its
first settings and credentials, another device certificate, and the same once more. The time of a method is that
of its part alone, with all starts of esptool; the last column is the whole of `board.provision`.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from hil import rig as rigs
from hil.bench import Bench
from hil.board import Board
from hil.credentials import Credentials
from hil.flash import SECTOR, FlashResult, Image
from hil.timeline import where

CONTRACTS = Path(__file__).parents[1] / "rigs" / "contracts"
# What the contract's name says, and the method to tell of.
STORES = {
    "nvs": "reference",
    "littlefs": "reference-littlefs",
    "spiffs": "reference-spiffs",
    "esp-secure-cert": "reference-secure-cert",
    "esp-at": "reference-console",
}
FIRMWARE = 1 << 20  # bytes of a usual firmware with Wi-Fi and TLS; the virtual one is filled up to that
NOISE = 0.6  # of the filling: what a usual firmware comes to when esptool has compressed it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--speed", type=float, default=1.0, help="times faster than a real board (default: 1)")
    parser.add_argument("--only", choices=STORES, help="this method alone")
    asked = parser.parse_args()
    print(f"{'':32} {'bytes':>9} {'sectors':>8} {'seconds':>8} {'of full flash':>14} {'with the rest':>14}")
    for method, contract in STORES.items():
        if asked.only in (None, method):
            with tempfile.TemporaryDirectory(prefix="hil-provisioning-") as folder:
                measure(method, CONTRACTS / f"{contract}.toml", asked.speed, Path(folder))


def measure(method: str, contract: Path, speed: float, folder: Path) -> None:
    """Print the lines of one method."""
    (folder / "rig.toml").write_text(
        f'name = "numbers"\n[boards.a]\nvirtual = "esp32"\nspeed = {speed}\nwifi = {{ ssid = "net" }}\n'
        f'contract = "{contract}"\n'
    )
    with Bench(rigs.load(folder / "rig.toml"), artifacts=folder / "run") as bench:
        board = bench.boards["a"]
        assert board.credentials is not None
        full = full_flash(board, folder)
        line(f"{method}: full flash", full.written, full.written // SECTOR, full.seconds, full.seconds, full.seconds)
        other = bench.authority.issue_device(board.contract.mqtt.client_id)
        for what, credentials in (("first", board.credentials), ("rotation", other), ("nothing to do", other)):
            provision(f"{method}: {what}", bench, method, credentials, full.seconds)


def full_flash(board: Board, folder: Path) -> FlashResult:
    """All images, and the firmware filled up to a usual one's size."""
    app = max(board.firmware.images, key=lambda image: image.path.stat().st_size)
    end = -(-app.path.stat().st_size // SECTOR) * SECTOR
    noise = int(SECTOR * NOISE)
    filling = folder / "filling.bin"
    filling.write_bytes(b"".join(os.urandom(noise).ljust(SECTOR, b"\0") for _ in range((FIRMWARE - end) // SECTOR)))
    board.power_on()
    return board.flasher.flash([*board.firmware.images, Image(app.offset + end, filling)], force=True)


def provision(title: str, bench: Bench, method: str, credentials: Credentials, full: float) -> None:
    """Provision, and print what the method's part of it was."""
    board, mark, began = bench.boards["a"], bench.timeline.mark(), time.monotonic()
    board.provision(credentials)
    seconds = time.monotonic() - began
    done = bench.timeline.wait(where("provision", "done", "a", method=method), timeout=1, after=mark)
    line(title, done["bytes"], done["sectors"], done["seconds"], full, seconds)


def line(title: str, size: int, sectors: int, seconds: float, full: float, whole: float) -> None:
    print(f"{title:32} {size:9,} {sectors:8} {seconds:8.1f} {seconds / full:14.2f} {whole:12.1f} s", flush=True)


if __name__ == "__main__":
    main()
