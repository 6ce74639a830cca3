"""The virtual board's radio: carries every byte, and goes silent as a board without power does."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest
from firmware_loop import LIMIT, asynchronous

from hil.virtual.radio import Radio

ESTABLISHED, CLOSE_WAIT = 1, 8
"""States of a TCP connection in the kernel (linux/tcp_states.h)."""


def state(sock: socket.socket) -> int:
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]


class Core:
    """A firmware's end of the radio."""

    def __init__(self, radio: Radio) -> None:
        self.radio = radio
        self.heard: list[dict[str, Any]] = []
        self.sockets: list[socket.socket] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()
        radio.attach(self._deliver)

    def _deliver(self, facts: dict[str, Any], carried: socket.socket | None) -> None:
        self.heard.append(facts)
        if carried is not None:
            carried.setblocking(False)
            self.sockets.append(carried)
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def event(self, name: str, number: int = 0) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            return [facts for facts in self.heard if facts["event"] == name]

        async with asyncio.timeout(LIMIT), self._changed:
            await self._changed.wait_for(lambda: len(found()) > number)
        return found()[number]

    def join(self) -> None:
        self.radio.request({"do": "associate", "ssid": "bench", "password": ""})

    async def connect(self, port: int, ident: int = 1) -> socket.socket:
        self.radio.request({"do": "connect", "id": ident, "host": "127.0.0.1", "port": port})
        await self.event("connected", len(self.sockets))
        return self.sockets[-1]

    def close(self, sock: socket.socket, ident: int = 1) -> None:
        sock.close()
        self.radio.request({"do": "close", "id": ident})


class Stand:
    """A radio whose core has joined, and a server with one connection accepted."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.radio = Radio(name="test")

    async def __aenter__(self) -> Stand:
        self.core = Core(self.radio)
        self.core.join()
        self.inside = await self.core.connect(self.port)
        self.peer = await self.accept()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.radio.close()
        for sock in (self.listener, self.inside, self.peer):
            sock.close()

    async def accept(self) -> socket.socket:
        peer, _ = await asyncio.get_running_loop().sock_accept(self.listener)
        peer.setblocking(False)
        return peer

    def power_cut(self) -> None:
        """As `RunningCore.kill` does it: first the radio, then the process with its sockets."""
        self.radio.cut()
        self.inside.close()


async def receive(sock: socket.socket, size: int = 65536) -> bytes:
    async with asyncio.timeout(LIMIT):
        return await asyncio.get_running_loop().sock_recv(sock, size)


async def receive_all(sock: socket.socket) -> bytes:
    parts = []
    while part := await receive(sock):
        parts.append(part)
    return b"".join(parts)


async def turn(times: int = 20) -> None:
    """Let the loop do all that it has to do (each pass looks at every socket)."""
    for _ in range(times):
        await asyncio.sleep(0)


def fill(sock: socket.socket) -> int:
    """Write until the socket takes no more; how many bytes that were."""
    total = 0
    while True:
        try:
            total += sock.send(b"x" * 65536)
        except BlockingIOError:
            return total


@asynchronous
async def test_carries_everything_both_ways() -> None:
    loop = asyncio.get_running_loop()
    data = bytes(range(256)) * 8000
    async with Stand() as stand:
        for source, sink in ((stand.inside, stand.peer), (stand.peer, stand.inside)):
            sending = asyncio.ensure_future(loop.sock_sendall(source, data))
            got = b""
            while len(got) < len(data):
                got += await receive(sink, 1 << 20)
            await sending
            assert got == data


@pytest.mark.parametrize("upwards", [True, False])
@asynchronous
async def test_a_reader_that_stalls_stalls_the_writer_and_nothing_is_lost(upwards: bool) -> None:
    async with Stand() as stand:
        source, sink = (stand.inside, stand.peer) if upwards else (stand.peer, stand.inside)
        total = 0
        while written := fill(source):
            total += written
            await turn()
        # The kernel's own buffers of the peer's socket are some megabytes on some hosts; what counts is: not endless.
        assert 0 < total < 32 << 20
        got = 0
        while got < total:
            got += len(await receive(sink, 1 << 20))


@asynchronous
async def test_close_sends_everything_and_then_fin() -> None:
    async with Stand() as stand:
        total = fill(stand.inside)
        stand.core.close(stand.inside)
        assert len(await receive_all(stand.peer)) == total
        assert state(stand.peer) == CLOSE_WAIT


@asynchronous
async def test_power_cut_leaves_the_connection_half_open_with_neither_fin_nor_reset() -> None:
    async with Stand() as stand:
        stand.power_cut()
        await turn()
        assert state(stand.peer) == ESTABLISHED
        stand.peer.send(b"are you there?")
        await turn()
        assert state(stand.peer) == ESTABLISHED
        with pytest.raises(BlockingIOError):
            stand.peer.recv(1)
        assert stand.radio.orphans == 1


@asynchronous
async def test_a_dying_core_whose_sockets_close_first_sends_no_fin() -> None:
    async with Stand() as stand:
        stand.inside.close()
        await turn()
        assert state(stand.peer) == ESTABLISHED
        stand.radio.cut()
        await turn()
        assert state(stand.peer) == ESTABLISHED


@pytest.mark.parametrize("when", ["before the next boot", "after it"])
@asynchronous
async def test_data_on_a_connection_of_an_earlier_boot_is_answered_with_reset(when: str) -> None:
    async with Stand() as stand:
        stand.power_cut()
        if when == "before the next boot":
            stand.peer.send(b"data")
        core = Core(stand.radio)
        await turn()
        assert state(stand.peer) == ESTABLISHED, "the new firmware has not joined the Wi-Fi yet"
        core.join()
        await turn()
        if when == "after it":
            assert state(stand.peer) == ESTABLISHED, "nobody has sent anything"
            stand.peer.send(b"data")
        with pytest.raises(ConnectionResetError):
            await receive(stand.peer)
        assert stand.radio.orphans == 0


@asynchronous
async def test_a_fin_on_a_connection_of_an_earlier_boot_is_answered_with_reset() -> None:
    async with Stand() as stand:
        stand.power_cut()
        stand.peer.shutdown(socket.SHUT_WR)
        Core(stand.radio).join()
        with pytest.raises(ConnectionResetError):
            await receive(stand.peer)


@asynchronous
async def test_the_next_boot_connects_beside_the_half_open_connection() -> None:
    async with Stand() as stand:
        stand.power_cut()
        core = Core(stand.radio)
        core.join()
        inside = await core.connect(stand.port)
        peer = await stand.accept()
        inside.send(b"hello")
        assert await receive(peer) == b"hello"
        assert state(stand.peer) == ESTABLISHED
        inside.close()
        peer.close()


@asynchronous
async def test_radio_down_carries_nothing_and_goes_on_where_it_stopped() -> None:
    async with Stand() as stand:
        stand.radio.down()
        await stand.core.event("link-lost")
        stand.inside.send(b"up")
        stand.peer.send(b"down")
        await turn()
        for sock in (stand.inside, stand.peer):
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        stand.core.join()
        await stand.core.event("no-ap")
        stand.radio.up()
        stand.core.join()
        assert await receive(stand.peer) == b"up"
        assert await receive(stand.inside) == b"down"


@asynchronous
async def test_a_close_while_the_radio_is_down_reaches_the_peer_when_it_is_up() -> None:
    async with Stand() as stand:
        stand.radio.down()
        stand.inside.send(b"last words")
        stand.core.close(stand.inside)
        await turn()
        assert state(stand.peer) == ESTABLISHED
        stand.radio.up()
        stand.core.join()
        assert await receive_all(stand.peer) == b"last words"


@asynchronous
async def test_a_firmware_that_has_not_joined_reaches_nobody() -> None:
    async with Stand() as stand:
        stand.radio.down()
        stand.core.radio.request({"do": "connect", "id": 9, "host": "127.0.0.1", "port": stand.port})
        failed = await stand.core.event("failed")
        assert (failed["phase"], failed["error"]) == ("connect", "EHOSTUNREACH")


@asynchronous
async def test_refused_and_unknown_names_are_told_apart() -> None:
    async with Stand() as stand:
        free = socket.create_server(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        stand.radio.request({"do": "connect", "id": 2, "host": "127.0.0.1", "port": port})
        assert await stand.core.event("failed") == {
            "event": "failed", "id": 2, "phase": "connect", "error": "ECONNREFUSED",
        }  # fmt: skip
        stand.radio.request({"do": "connect", "id": 3, "host": "x" * 64 + ".invalid", "port": port})
        assert (await stand.core.event("failed", 1))["phase"] == "resolve"


@asynchronous
async def test_the_peers_fin_is_an_end_of_file_and_what_came_before_is_read() -> None:
    async with Stand() as stand:
        stand.peer.send(b"bye")
        stand.peer.shutdown(socket.SHUT_WR)
        assert await receive_all(stand.inside) == b"bye"
        assert (await stand.core.event("ended"))["how"] == "fin"
        stand.inside.send(b"you too")
        assert await receive(stand.peer) == b"you too"


@asynchronous
async def test_the_peers_reset_is_told_with_its_errno() -> None:
    async with Stand() as stand:
        stand.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stand.peer.close()
        ended = await stand.core.event("ended")
        assert (ended["how"], ended["error"]) == ("reset", "ECONNRESET")
        assert await receive_all(stand.inside) == b""


@asynchronous
async def test_abandoning_an_attempt_to_connect_leaves_no_orphan() -> None:
    async with Stand() as stand:
        stand.radio.request({"do": "connect", "id": 5, "host": "127.0.0.1", "port": stand.port})
        stand.radio.request({"do": "close", "id": 5})
        await turn()
        assert stand.radio.orphans == 0


@asynchronous
async def test_networks_and_their_passwords() -> None:
    radio = Radio(name="test", networks={"bench": "secret"})
    core = Core(radio)
    for ssid, password, answer in (
        ("other", "secret", "no-ap"),
        ("bench", "wrong", "wrong-password"),
        ("bench", "secret", "associated"),
    ):
        radio.request({"do": "associate", "ssid": ssid, "password": password})
        await core.event(answer)
    await radio.close()


@asynchronous
async def test_datagrams_go_out_and_come_back_and_vanish_while_the_radio_is_down() -> None:
    radio = Radio(name="test")
    core = Core(radio)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    server.setblocking(False)
    ask = {"do": "datagram", "id": 1, "host": "127.0.0.1", "port": server.getsockname()[1], "data": b"time?".hex()}
    radio.request(ask)  # not joined yet: into the void
    core.join()
    radio.request({**ask, "id": 2, "data": b"time!".hex()})
    async with asyncio.timeout(LIMIT):
        data, address = await asyncio.get_running_loop().sock_recvfrom(server, 100)
    assert data == b"time!"
    server.sendto(b"noon", address)
    assert await core.event("datagram") == {"event": "datagram", "id": 2, "data": b"noon".hex()}
    server.close()
    await radio.close()


def test_unknown_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="asked to 'fly'"):
        Radio(name="test").request({"do": "fly"})
