"""The doctor on addresses, ports that are taken, and routes: in real network namespaces where this host allows them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_host import CONTRACT, FakeHost, board, found

from hil.doctor import listening
from hil.doctor.check import Case
from hil.doctor.host import Host
from hil.doctor.sockets import listeners

LISTEN = """
import socket, sys
kind = getattr(socket, sys.argv[1])
server = socket.socket(socket.AF_INET, kind)
server.bind(("127.0.0.1", 0))
if kind == socket.SOCK_STREAM:
    server.listen()
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["SOCK_STREAM", "SOCK_DGRAM"])
def taken(request: pytest.FixtureRequest) -> Iterator[tuple[str, int, int]]:
    """A port that another process has: its kind, its number, the process."""
    command = [sys.executable, "-c", LISTEN, request.param]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield request.param, int(process.stdout.readline()), process.pid
        process.kill()


def test_a_taken_port_names_the_process_that_has_it(taken: tuple[str, int, int], tmp_path: Path) -> None:
    kind, port, pid = taken
    tables = {
        "SOCK_STREAM": ("gateway-address", "gateway.first_port", f"[gateway]\nfirst_port = {port}"),
        "SOCK_DGRAM": ("time-address", "time_server.port", f"[time_server]\nport = {port}"),
    }
    check, key, table = tables[kind]
    case = FakeHost(tmp_path / "root").case(tmp_path, board("/dev/x", table))
    said = [f for f in found(listening.CHECKS, check, Case(case.rig, case.boards, Host())) if "taken" in f.found]
    assert len(said) == 1
    assert f"(pid {pid}), on 127.0.0.1:{port}" in said[0].found
    assert said[0].cure == f"stop it (kill {pid}), or take another {key}"


TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0A28A8C0:22B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1234        0 8801 1 0 100 0 0 10 0
   1: 0100007F:22B3 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1234        0 8802 1 0 100 0 0 10 0
"""
TCP6 = """  sl  local_address                         remote_address                        st tx_queue rx_queue
   0: 000080FE00000000FF565054FEDA57FE:075B 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 8803 1
"""


def test_the_kernels_list_of_sockets(tmp_path: Path) -> None:
    fake = FakeHost(tmp_path)
    fake.write("/proc/net/tcp", TCP)
    fake.write("/proc/net/tcp6", TCP6)
    fake.process(300, "mosquitto", "/usr/sbin/mosquitto", opened="socket:[8803]")
    [hidden] = listeners(fake.host, socket.SOCK_STREAM, 8883)
    assert str(hidden) == "a process of user ada, on 192.168.40.10:8883"
    [known] = listeners(fake.host, socket.SOCK_STREAM, 1883)
    assert str(known) == "mosquitto (pid 300), on fe80::5450:56ff:fe57:dafe:1883"
    assert listeners(fake.host, socket.SOCK_STREAM, 50000) == []


@pytest.mark.parametrize(
    ("process", "cure"),
    [
        ("mosquitto", "systemctl disable --now mosquitto"),
        ("chronyd", "`port 0` in chrony.conf"),
        ("ntpd", "systemctl stop ntp"),
        (None, "sudo ss -lnp 'sport = :8883'"),
    ],
)
def test_each_service_has_its_own_cure(tmp_path: Path, process: str | None, cure: str) -> None:
    fake = FakeHost(tmp_path)
    fake.write("/proc/net/tcp", TCP)
    if process is not None:
        fake.process(300, process, opened="socket:[8801]")
    [there] = listeners(fake.host, socket.SOCK_STREAM, 8883)
    assert cure in listening._give_way(there, "gateway.first_port")


def test_a_port_beyond_the_last(tmp_path: Path) -> None:
    text = 'name = "x"\n[gateway]\nfirst_port = 65535\n[boards.a]\nport = "/dev/a"\nCONTRACT\n'
    case = FakeHost(tmp_path / "root").case(tmp_path, text + '[boards.b]\nport = "/dev/b"\nCONTRACT\n')
    said = [f for f in found(listening.CHECKS, "gateway-address", case) if f.about == "gateway for b"]
    assert "would listen on port 65536" in said[0].found
    assert said[0].cure == "set first_port to 65534 or less"


# -- in a network of its own ---------------------------------------------------------------------------------------


def namespaces() -> bool:
    """Whether this user may have network namespaces of their own."""
    tools = shutil.which("unshare") and shutil.which("ip")
    return bool(tools) and subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not namespaces(), reason="this host allows no network namespaces")


def doctor(setup: str, rig: str, folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What `hil doctor --json` finds in a network made by these lines of shell, by what each finding is about."""
    path = folder / "rig.toml"
    path.write_text(rig.replace("CONTRACT", f'contract = "{CONTRACT}"\nwifi = {{ ssid = "net" }}'))
    script = f'set -e\nip link set lo up\n{setup}\nexec "$0" -m hil.cli doctor --json --rig "$1"'
    done = subprocess.run(
        ["unshare", "-rn", "bash", "-c", script, sys.executable, str(path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr
    told: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(done.stdout)["findings"]:
        told.setdefault(finding["about"], []).append(finding)
    return told


BOARDS = "".join(
    f'[boards.{name}]\nport = "/dev/{name}"\naddress = "{address}"\nCONTRACT\n'
    for name, address in (
        ("near", "192.168.40.21"),
        ("far", "10.9.0.5"),
        ("lost", "172.16.0.5"),
        ("self", "192.168.40.10"),
        ("aside", "192.168.50.7"),
    )
)
LINKS = """
ip link add lan type veth peer name far
ip link add office type veth peer name far2
ip address add 192.168.40.10/24 dev lan
ip address add 192.168.50.10/24 dev office
for link in lan far office far2; do ip link set $link up; done
ip route add 10.9.0.0/16 via 192.168.40.1
"""


@needs_namespaces
def test_routes_to_boards(tmp_path: Path) -> None:
    told = doctor(LINKS, f'name = "x"\n[gateway]\nbind = "192.168.40.10"\nfirst_port = 8883\n{BOARDS}', tmp_path)
    levels = {name: told[f"{name} route"][0]["level"] for name in ("near", "far", "lost", "self", "aside")}
    assert levels == {"near": "ok", "far": "note", "lost": "fault", "self": "fault", "aside": "fault"}
    assert "through 192.168.40.1 (lan)" in told["far route"][0]["found"]
    assert "no route from this host to 172.16.0.5: Network is unreachable" in told["lost route"][0]["found"]
    assert "reached over office (192.168.50.10)" in told["aside route"][0]["found"]
    assert told["aside route"][0]["cure"].startswith("set bind (and host) to 192.168.50.10")
    assert [f["level"] for f in told["gateway for near"]] == ["ok"]


@needs_namespaces
def test_an_address_that_this_host_does_not_have_names_those_that_it_has(tmp_path: Path) -> None:
    told = doctor(LINKS, f'name = "x"\n[gateway]\nbind = "192.168.40.11"\n{board("/dev/x")[11:]}', tmp_path)
    cure = told["gateway for kit"][0]["cure"]
    assert "there are now: 192.168.40.10, 192.168.50.10" in cure
