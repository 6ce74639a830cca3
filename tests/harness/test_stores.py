"""Every place for credentials, end to end: a board is flashed, provisioned, comes online, and is given new credentials.

The real esptool writes, the virtual board's firmware reads with code that shares nothing with what was written, and the
gateway sees which certificate comes out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench
from hil.timeline import where

ROOT = Path(__file__).parents[2]
STORES = ("secure-cert", "spiffs", "littlefs", "constants", "console")

#: A file system as small as some products have it: each start reads it whole.
SMALL = 'options = ["--file-system", "128K"]'


@pytest.fixture(params=STORES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    text = (
        f'name = "stores"\n[boards.a]\nvirtual = "esp32"\nspeed = 100\nwifi = {{ ssid = "net" }}\n{SMALL}\n'
        f'contract = "{ROOT}/rigs/contracts/reference-{request.param}.toml"\n'
    )
    (tmp_path / "rig.toml").write_text(text)
    with Bench(rigs.load(tmp_path / "rig.toml"), artifacts=tmp_path / "run") as opened:
        yield opened


def shown(bench: Bench) -> str:
    """The serial of the certificate with which the board came online after its last start.

    By its connection: before that start it may have been on the way in with what it held then.
    """
    online = bench.boards["a"].wait_online(timeout=60)
    connack = bench.timeline.events(where("gateway", "connack", "a", code=0), before=online.sequence)[-1]
    (tls,) = bench.timeline.events(where("gateway", "tls", "a", connection=connack["connection"]))
    return str(tls["serial"])


def test_it_shows_the_certificate_that_it_was_given_last(bench: Bench) -> None:
    board = bench.boards["a"]
    bench.make_ready(board)
    board.power_cycle()
    assert board.credentials is not None
    assert shown(bench) == board.credentials.serial

    other = bench.authority.issue_device(board.contract.mqtt.client_id)
    assert other.serial != board.credentials.serial
    result = board.provision(other)
    assert result is not None
    assert 0 < result.written < (result.capacity or 8192)
    board.power_cycle()
    assert shown(bench) == other.serial

    again = board.provision(other)
    assert again is not None
    assert again.written == 0
    log = (bench.artifacts / "timeline.jsonl").read_bytes() + (bench.artifacts / "a.console.log").read_bytes()
    assert not any(line in log for line in other.key_pem.splitlines() if len(line) > 40)
