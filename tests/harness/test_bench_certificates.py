"""What a bench shows its boards, and takes from them: certificates of its own making, and revoked ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hil import rig as rigs
from hil.bench import Bench, BenchError
from hil.credentials import Authority, broken
from hil.timeline import where

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("certificates")
    text = (
        'name = "certificates"\n[boards.a]\nvirtual = "esp32"\nspeed = 100\nwifi = { ssid = "net" }\n'
        f'contract = "{ROOT}/rigs/contracts/reference.toml"\n'
    )
    (folder / "rig.toml").write_text(text)
    with Bench(rigs.load(folder / "rig.toml"), artifacts=folder / "run") as opened:
        opened.make_ready(opened.boards["a"])
        yield opened


def test_a_revoked_board_is_refused_until_it_is_not(bench: Bench) -> None:
    board, mark = bench.boards["a"], bench.timeline.mark()
    with bench.revoking(board):
        board.power_cycle()
        failed = bench.timeline.wait(where("gateway", "tls-failed", "a"), timeout=60, after=mark)
        assert (failed["alert"], failed["alert_from"], failed["verify_code"]) == ("certificate_revoked", "gateway", 23)
    board.wait_online(after=failed.sequence)


def test_a_board_of_an_authority_that_is_trusted_no_more_is_refused(bench: Bench) -> None:
    board, mark = bench.boards["a"], bench.timeline.mark()
    with bench.trusting(board, Authority.create("another").trust_anchors_pem):
        board.power_cycle()
        failed = bench.timeline.wait(where("gateway", "tls-failed", "a"), timeout=60, after=mark)
        assert (failed["alert"], failed["alert_from"]) == ("unknown_ca", "gateway")
    board.wait_online(after=failed.sequence)


def test_a_chain_of_a_size_of_ones_own_is_shown(bench: Bench) -> None:
    board, mark = bench.boards["a"], bench.timeline.mark()
    with bench.presenting(board, broken.large_server(bench.authority, ["127.0.0.1", "localhost"], 6000)):
        board.power_cycle()
        seen = where("gateway", "tls", "a") | where("gateway", "tls-failed", "a")
        bench.timeline.wait(seen, timeout=60, after=mark)
    applied = bench.timeline.wait(where("gateway", "fault", "a", state="applied"), timeout=60, after=mark)
    assert (applied["name"], applied["label"]) == ("present-certificate", "another certificate")


def test_a_server_that_lacks_its_certificates_key_is_shown(bench: Bench) -> None:
    board, mark = bench.boards["a"], bench.timeline.mark()
    with bench.presenting(board, "other-key"):
        board.power_cycle()
        bench.timeline.wait(where("gateway", "tls-failed", "a"), timeout=60, after=mark)


def test_what_no_server_shows_is_told(bench: Bench) -> None:
    one, other = (broken.large_server(bench.authority, ["127.0.0.1"], 6000) for _ in range(2))
    with (
        pytest.raises(BenchError, match="its key belongs to another certificate"),
        bench.presenting(bench.boards["a"], replace(one, key_pem=other.key_pem)),
    ):
        pass
