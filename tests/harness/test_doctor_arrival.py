"""The doctor waits for a board at the gateway: nothing, a packet, a connection; and how far that came."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fake_host import CONTRACT
from test_doctor_network import needs_namespaces

from hil import rig as rigs
from hil.attempts import Attempt, End
from hil.cli import main
from hil.doctor.arrival import Arrival, judge
from hil.folders import state_folder
from hil.guardian.locks import locked

HALF_WAY = Attempt(1, "kit", 0.0, 1.0, End.SERVER_REFUSED, "unknown_ca", ())


@pytest.mark.parametrize(
    ("arrival", "words", "cure"),
    [
        (
            Arrival(5, [HALF_WAY], [], True),
            "it arrives at port 8883; but connection 1: the device refused",
            "provision",
        ),
        (Arrival(5, [], ["10.1.0.7"], False), "10.1.0.7 knocked at port 8883", "sudo ufw allow 8883/tcp"),
        (Arrival(5, [], [], True), "never tried port 8883", "another address or port"),
        (Arrival(5, [], [], False), "nothing of it arrived at port 8883 within 5 s", "client isolation"),
        (Arrival(5, [], None, False), "with sudo it is seen", "Wi-Fi"),
    ],
)
def test_what_stands_in_the_way(arrival: Arrival, words: str, cure: str) -> None:
    said = judge("kit arrival", 8883, arrival)
    assert said.level == "fault"
    assert words in said.found
    assert cure in said.cure


WATCH = """
import socket
from hil.doctor.syn import SynWatch
watch = SynWatch(8883)
for source, port in (("127.0.0.2", 8883), ("127.0.0.3", 9999), ("127.0.0.4", 8883)):
    client = socket.socket()
    client.bind((source, 0))
    print(client.connect_ex(("127.0.0.1", port)) != 0)
print(watch.sources(), watch.sources())
"""


@needs_namespaces
def test_packets_are_seen_though_nobody_answers() -> None:
    script = 'ip link set lo up && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "-rn", "bash", "-c", script, sys.executable, WATCH], capture_output=True, text=True, check=False
    )
    assert done.stdout.split("\n")[:4] == ["True", "True", "True", "['127.0.0.2', '127.0.0.4'] []"], done.stderr


def rig(folder: Path, first_port: int, within: float) -> Path:
    contract = folder / "contract.toml"
    contract.write_text(CONTRACT.read_text().replace("within = 15.0", f"within = {within}"))
    path = folder / "rig.toml"
    path.write_text(
        f'name = "x"\nartifacts = "runs"\n[credentials]\ndirectory = "authority"\n'
        f"[time_server]\nport = {first_port + 1}\n"
        f'[gateway]\nname = "gateway.hil.test"\nfirst_port = {first_port}\n'
        f'[boards.kit]\nvirtual = "esp32"\nspeed = 200\nwifi = {{ ssid = "net" }}\ncontract = "{contract}"\n'
    )
    return path


def run(folder: Path, first_port: int, capsys: pytest.CaptureFixture[str], within: float = 2.0) -> dict[str, str]:
    path = str(rig(folder, first_port, within))
    main(["doctor", "--rig", path, "--json", "--wait-for-board"])
    findings = json.loads(capsys.readouterr().out)["findings"]
    return next(finding for finding in findings if finding["check"] == "arrival")


def free_port() -> int:
    """A port that nobody has now, and neither the next one."""
    while True:
        with socket.socket() as probe, socket.socket() as following, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", 0))
            following.bind(("127.0.0.1", probe.getsockname()[1] + 1))
            return int(probe.getsockname()[1])


def test_ports_that_change_at_each_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run(tmp_path, 0, capsys)
    assert said["level"] == "fault"
    assert "so that no board can know its own" in said["found"]


@pytest.mark.parametrize("knocks", [False, True])
def test_a_board_that_was_never_flashed(tmp_path: Path, capsys: pytest.CaptureFixture[str], knocks: bool) -> None:
    """It arrives only where something else knocks for it."""
    port = free_port()
    over = threading.Event()

    def knock() -> None:
        while not over.wait(0.1):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as client:
                client.sendall(b"GET / HTTP/1.1\r\n\r\n")
                client.recv(100)

    knocking = threading.Thread(target=knock)
    if knocks:
        knocking.start()
    try:
        said = run(tmp_path, port, capsys, within=6.0 if knocks else 2.0)
    finally:
        over.set()
    if knocks:
        knocking.join()
    assert (f"it arrives at port {port}; but connection" in said["found"]) == knocks, said
    assert ("nothing of it arrived" in said["found"]) != knocks, said


def test_a_board_that_was_provisioned_for_this_bench_arrives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    path = str(rig(tmp_path, port, 60.0))
    assert main(["flash", "--rig", path]) == 0
    assert main(["provision", "--rig", path]) == 0
    capsys.readouterr()
    said = run(tmp_path, port, capsys, within=60.0)
    assert (said["level"], said["cure"]) == ("ok", "")
    assert f"it arrives at port {port}, and is connected (127.0.0.1" in said["found"]


def test_a_board_that_another_run_has_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    loaded = rigs.load(rig(tmp_path, port, 2.0))
    with locked(loaded, ["kit"], state=state_folder(loaded)):
        said = run(tmp_path, port, capsys)
    assert said["level"] == "fault"
    assert f"is held by {getpass.getuser()}, pid {os.getpid()}" in said["found"]
