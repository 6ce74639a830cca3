"""Credentials in the firmware's source, end to end: built in, flashed with the real esptool, online, and rotated."""

from __future__ import annotations

from pathlib import Path

from hil import firmware, sources
from hil import rig as rigs
from hil.bench import Bench
from hil.credentials import Credentials
from hil.timeline import where

ROOT = Path(__file__).parents[2]


def contract() -> str:
    """The reference contract of a firmware that is built with a header beside it, and provisioned by nobody."""
    text = (ROOT / "rigs" / "contracts" / "reference.toml").read_text()
    constants = '"--store", "constants", "--credentials", "{contract_dir}/credentials.h", "{options}"]'
    return text[: text.index("[provision]")].replace('"{options}"]', constants) + '[provision]\nmethod = "none"\n'


def header(bench: Bench, credentials: Credentials) -> str:
    assert bench.gateway is not None
    (host, port), (time_host, time_port) = bench.gateway.endpoint("a"), bench.time_server.endpoint("a")
    names = {"wifi_ssid": "net", "host": host, "sni": bench.rig.file.gateway.name, "time_host": time_host}
    names |= {"client_id": "a"}
    names |= {f"{kind}_topic": f"devices/a/{name}" for kind, name in (("will", "status"), ("online", "status"))}
    items = {name: value.encode() for name, value in names.items()}
    items |= {"ca": credentials.trust_anchors_pem, "cert": credentials.chain_pem, "key": credentials.key_pem}
    text = sources.write("c", [sources.Constant(name, value) for name, value in items.items()])
    numbers = {"port": port, "time_port": time_port, "time_answer": 500, "keep_alive": 2, "retry_first": 100}
    return text + "".join(f"const uint32_t {name} = {value};\n" for name, value in numbers.items())


def test_what_it_was_built_with_last_is_what_it_shows(tmp_path: Path) -> None:
    (tmp_path / "contract.toml").write_text(contract())
    (tmp_path / "rig.toml").write_text(
        'name = "constants"\n[boards.a]\nvirtual = "esp32"\nspeed = 100\ncontract = "contract.toml"\n'
    )
    with Bench(rigs.load(tmp_path / "rig.toml"), boards=[], artifacts=tmp_path / "run") as bench:
        first, second = (bench.authority.issue_device("a") for _ in range(2))
        (tmp_path / "credentials.h").write_text(header(bench, first))
        board = bench.open_board("a")
        board.power_on()
        for credentials in (first, second):
            (tmp_path / "credentials.h").write_text(header(bench, credentials))
            board.flasher.flash(firmware.images(bench.rig.boards["a"], tmp_path / "run" / "firmware" / "a"))
            mark = bench.timeline.mark()
            board.power_cycle()
            board.wait_online(timeout=60, after=mark)
            tls = bench.timeline.wait(where("gateway", "tls", "a"), timeout=60, after=mark)
            assert tls["serial"] == credentials.serial
