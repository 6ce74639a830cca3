"""Keys and passwords that go into a board reach no log, no report and no file that others can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench
from hil.credentials import redactable

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"
PASSWORD = "correct horse battery staple"


def test_no_secret_is_left_where_others_can_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_TEST_WIFI", PASSWORD)
    (tmp_path / "rig.toml").write_text(
        'name = "secrets"\n[boards.one]\nvirtual = "esp32"\nspeed = 100\n'
        f'wifi = {{ ssid = "net", password = {{ env = "HIL_TEST_WIFI" }} }}\ncontract = "{CONTRACT}"\n'
    )
    run = tmp_path / "run"
    umask = os.umask(0o022)
    try:
        with Bench(rigs.load(tmp_path / "rig.toml"), artifacts=run) as bench:
            board = bench.boards["one"]
            bench.make_ready(board)
            board.power_cycle()
            board.wait_online()
            # A firmware that prints what it should not.
            board.console.send(f"{PASSWORD}\n")
            seen = bench.timeline.wait(lambda e: e.kind == "line" and "unknown command" in e["text"], timeout=30)
            assert PASSWORD not in seen["text"]
            assert board.credentials is not None
            secrets = [PASSWORD, *redactable(board.credentials.key_pem)]
            stretch = bench.stretch("one")
    finally:
        os.umask(umask)
    assert len(secrets) >= 3
    flash = run / "virtual" / "one.flash"
    assert PASSWORD.encode() in flash.read_bytes(), "the test looks for what was never there"
    for path in (p for p in run.rglob("*") if p.is_file()):
        data = path.read_bytes()
        readable = stat.S_IMODE(path.stat().st_mode) & 0o077
        if any(secret.encode() in data for secret in secrets):
            assert path == flash, f"{path} holds a secret"
            assert not readable, f"{path} holds a secret and can be read by others"
    assert not any(secret in stretch for secret in secrets)
