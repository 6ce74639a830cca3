"""Power cuts, resets and restarts of the reference firmware, seen from the broker's side and in its flash."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from firmware_bench import bench
from firmware_chip import NVS_OFFSET, NVS_SIZE, Chip
from firmware_loop import LIMIT, asynchronous
from firmware_servers import Link

from hil.virtual import firmware
from hil.virtual.firmware.nvs import Store
from hil.virtual.host import Cause, Clock, Host, Manifest
from hil.wire.mqtt import Connect, Disconnect, Publish


def tcp_state(link: Link) -> int:
    return int(link.wire.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])


def counter(chip: Chip) -> object:
    content = chip.flash.read_bytes()[NVS_OFFSET : NVS_OFFSET + NVS_SIZE]
    return Store(content, lambda o, d: None, lambda o, n: None).get("device", "boots")


@asynchronous
async def test_a_power_cut_leaves_the_broker_with_a_half_open_connection(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Publish, topic="dev-1/telemetry")
        await b.chip.cut()
        assert tcp_state(link) == 1, "still ESTABLISHED: no FIN, no RST"
        link.wire.write(b"x" * 10)
        await asyncio.sleep(0)
        assert (tcp_state(link), link.end) == (1, None)
        # After the next boot the old connection is unknown to the board: it answers what arrives with RST.
        await b.chip.boot()
        await b.broker.link(1)
        assert await b.broker.ended(link) == "reset"
        assert not any(isinstance(packet, Disconnect) for packet in link.packets)


@asynchronous
async def test_killed_means_dead_when_kill_returns_and_no_process_is_left(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        await b.chip.line("boot 1")
        core = b.chip.core
        assert core is not None
        await asyncio.gather(core.kill(), core.kill())
        lines = len(b.chip.lines)
        core.uart_input(b"status\r\n")
        entry = Path(f"/proc/{core.pid}")
        while entry.exists():  # a zombie until the zygote, which has been told, takes its exit status
            await asyncio.sleep(0.001)
        assert len(b.chip.lines) == lines


@asynchronous
async def test_restart_by_command_is_answered_counted_and_keeps_the_clock(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Publish, topic="dev-1/telemetry")
        link.send(Publish("dev-1/cmd", b'{"id": 7, "do": "restart"}', qos=1, packet_id=1))
        answer = await b.broker.packet(Publish, topic="dev-1/answer")
        assert json.loads(answer.payload) == {"id": 7, "ok": True, "do": "restart"}
        await b.broker.link(1)
        assert b.chip.restarts == [Cause.SOFTWARE]
        assert counter(b.chip) == 2
        await b.chip.line("the clock was kept over the reset")
        assert tcp_state(link) == 1 or link.end == "reset", "a reset says no goodbye either"


@asynchronous
async def test_a_cut_in_any_moment_of_the_boot_loses_no_boot(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        for number in range(1, 6):
            await b.chip.boot()
            await b.chip.line(f"boot {number},")
            await b.chip.cut()
            assert counter(b.chip) == number


@asynchronous
async def test_panic_prints_what_a_chip_prints_and_restarts(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        await b.chip.line("boot 1")
        b.chip.type("panic")
        await b.chip.line(r"Guru Meditation Error: Core  0 panic'ed \(StoreProhibited\)")
        await b.chip.line("Rebooting...")
        await b.chip.line("boot 2")
        assert b.chip.restarts == [Cause.PANIC]


@asynchronous
async def test_a_process_that_dies_of_itself_is_a_panic(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        assert b.chip.core is not None
        os.kill(b.chip.core.pid, 9)
        await b.chip.line(r"abort\(\) was called")
        await b.chip.line("boot 2")
        assert b.chip.restarts == [Cause.PANIC]
        await b.broker.link(1)
        assert link.end in (None, "reset"), "no FIN"


@asynchronous
async def test_wifi_lost_and_found_again(tmp_path: Path) -> None:
    async with await bench(tmp_path, keep_alive=600) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Publish, topic="dev-1/telemetry")
        b.chip.radio.down()
        await b.chip.line(r"wifi: disconnected, reason 200")
        await b.chip.line(r"wifi: cannot join \"bench\": reason 201")
        heard = len(link.packets)
        b.chip.radio.up()
        await b.broker.wait(lambda: len(link.packets) > heard)
        assert len(b.broker.tcp) == 1, "the same connection went on"


@asynchronous
async def test_wifi_lost_for_longer_is_noticed_by_the_missing_ping_response(tmp_path: Path) -> None:
    # Not shorter: while this process does not get to answer for half of it, the chip would rightly go already.
    async with await bench(tmp_path, keep_alive=4) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Publish, topic="dev-1/telemetry")
        b.chip.radio.down()
        await b.chip.line("mqtt_client: No PING_RESP, disconnected")
        assert (tcp_state(link), link.end) == (1, None)
        b.chip.radio.up()
        await b.broker.link(1)


@asynchronous
async def test_a_wrong_password_and_a_missing_network_are_told(tmp_path: Path) -> None:
    async with await bench(tmp_path, wifi_pass="wrong") as b:
        b.chip.radio._networks = {"bench": "right"}
        await b.chip.boot()
        await b.chip.line(r"reason 15 \(wrong password\)")
        b.chip.radio._networks = {"other": ""}
        await b.chip.line(r"reason 201 \(no access point found\)")


@pytest.mark.parametrize("missing", ["wifi_ssid", "host"])
@asynchronous
async def test_a_missing_setting_is_named_and_the_device_idles(missing: str, tmp_path: Path) -> None:
    async with await bench(tmp_path, **{missing: None}) as b:
        await b.chip.boot()
        await b.chip.line(rf"E \(\d+\) app: setting {missing} is missing in NVS \(namespace hil\)")
        b.chip.type("disconnect")
        await b.chip.line("not provisioned")
        assert counter(b.chip) == 1


@asynchronous
async def test_a_setting_that_is_no_number_is_named(tmp_path: Path) -> None:
    async with await bench(tmp_path, keep_alive="often") as b:
        await b.chip.boot()
        await b.chip.line("setting keep_alive: found 'often', expected a whole number")


@asynchronous
async def test_unknown_firmware_is_refused_in_one_line(tmp_path: Path) -> None:
    chip = Chip(tmp_path, {"wifi_ssid": "x"})
    host = Host(
        name="t", chip="esp32", mac=bytes(6), speed=1, cause=Cause.POWER_ON, flash=chip.flash, app=0, partitions={},
        clock=Clock(), radio=chip.radio, _uart_output=lambda d: None, _restart=lambda c: None,
        _flash_write=lambda o, d: None, _flash_erase=lambda o, n: None, _disable_download=lambda: None,
    )  # fmt: skip
    with pytest.raises(firmware.FirmwareError, match="'other' in the app image, expected 'reference'"):
        await firmware.start_core(Manifest("other", "1"), host)


@asynchronous
async def test_an_option_of_another_version_is_told_on_the_console(tmp_path: Path) -> None:
    async with await bench(tmp_path, "with:teleport") as b:
        await b.chip.boot()
        await b.chip.line("this image cannot run: the reference firmware has no option --with teleport")


@asynchronous
async def test_speed_shortens_the_hardware_and_not_the_log(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        began = time.monotonic()
        await b.chip.boot()
        line = await b.chip.line(r'I \((\d+)\) wifi: connected to "bench"')
        shown = int(line[1]) / 1000
        # Waits of 1.58 s and 0.28 s of ROM and bootloader, whatever the speed; the rest is what the host really took.
        assert 1.86 <= shown <= 1.87 + time.monotonic() - began


SUPERVISOR = """
import asyncio, sys
sys.path.insert(0, {here!r})
from pathlib import Path
from firmware_chip import Chip
from hil.virtual.firmware import core

async def main():
    chip = Chip(Path({directory!r}), dict(wifi_ssid="x", host="127.0.0.1"))
    await chip.boot()
    await chip.line("connecting")
    print(chip.core.pid, core._zygote()._process.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("stuck", [False, True])
def test_no_process_outlives_a_supervisor_that_was_killed(stuck: bool, tmp_path: Path) -> None:
    code = SUPERVISOR.format(here=str(Path(__file__).parent), directory=str(tmp_path))
    supervisor = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    pids = [int(pid) for pid in supervisor.stdout.readline().split()]
    assert len(pids) == 2
    if stuck:
        os.kill(pids[0], signal.SIGSTOP)  # a firmware that does not even notice
    supervisor.kill()
    supervisor.wait()
    # Both hold its standard output: its end of file says that they are gone.
    assert supervisor.stdout.read() == ""
    supervisor.stdout.close()
    deadline = time.monotonic() + LIMIT
    while any(_lives(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


@asynchronous
async def test_the_first_thing_that_a_boot_sends_is_connect(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        assert isinstance(link.packets[0], Connect)
