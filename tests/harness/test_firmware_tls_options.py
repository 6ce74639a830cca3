"""What the firmware says and stands in a TLS handshake, and each mistake beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from firmware_bench import bench
from firmware_loop import LIMIT, asynchronous
from firmware_servers import Broker, authority

from hil.wire.mqtt import Publish, Subscribe


def stranger(folder: Path) -> Broker:
    """A server whose certificate is for another name."""
    chain, key = authority().leaf("server", hosts=("other.test",))
    return Broker(chain, key, directory=folder)


@pytest.mark.parametrize("option", [(), ("with:alertless",)])
@asynchronous
async def test_the_alert_for_a_bad_certificate(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option, broker=stranger(tmp_path)) as b:
        await b.chip.boot()
        await b.broker.wait(lambda: b.broker.failures)
        assert ("ALERT" in b.broker.failures[0].upper()) is not bool(option), b.broker.failures


@pytest.mark.parametrize("option", [(), ("without:sni",)])
@asynchronous
async def test_the_server_name_indication(option: tuple[str, ...], tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    named: list[str | None] = []
    broker.context.sni_callback = lambda tls, name, context: named.append(name)
    async with await bench(tmp_path, *option, broker=broker) as b:
        await b.chip.boot()
        await b.broker.link()
        assert named == [None if option else "broker.test"]


@pytest.mark.parametrize("option", [(), ("with:weak-ciphers",)])
@asynchronous
async def test_the_cipher_suites(option: tuple[str, ...], tmp_path: Path) -> None:
    """A server that takes what RFC 9325 recommends, and nothing else."""
    broker = Broker(directory=tmp_path)
    broker.context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    async with await bench(tmp_path, *option, broker=broker, tls_max="1.3") as b:
        await b.chip.boot()
        if not option:
            await b.broker.link()
            return
        await b.broker.wait(lambda: b.broker.failures)
        assert "no shared cipher" in b.broker.failures[0].lower().replace("_", " ")
        assert b.broker.links == []
        broker.context.set_ciphers("DEFAULT")
        assert (await b.broker.link()).wire.tls.cipher()[0].endswith("-SHA")  # type: ignore[index]


@pytest.mark.parametrize("option", [(), ("with:small-tls-buffer",)])
@asynchronous
async def test_a_record_of_16_kilobytes(option: tuple[str, ...], tmp_path: Path) -> None:
    async with await bench(tmp_path, *option) as b:
        await b.chip.boot()
        await b.broker.packet(Subscribe)
        (await b.broker.link()).send(Publish("dev-1/cmd", b"x" * 16_000))
        if option:
            await b.chip.line(r"mbedtls_ssl_read returned -0x7200 \(record of 16\d+ bytes, the buffer holds 4096\)")
            await b.broker.link(1)
        else:
            await b.chip.line("message on dev-1/cmd, 16000 bytes")


@pytest.mark.parametrize("option", [(), ("with:endless-handshake",)])
@asynchronous
async def test_a_server_that_never_answers_the_client_hello(option: tuple[str, ...], tmp_path: Path) -> None:
    accepted: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(lambda r, w: accepted.append(w), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with await bench(tmp_path, *option, port=port, connect_ms=100) as b:
        await b.chip.boot()
        await b.chip.line("connecting to")
        if option:
            # Nothing is what must happen; but a TCP connect may be too late on a busy machine, and is tried again.
            before = 0
            async with asyncio.timeout(LIMIT):
                while not accepted or len(accepted) != before:
                    before = len(accepted)
                    await asyncio.sleep(0.5)
            assert not any("mbedtls_ssl_handshake returned" in text for text in b.chip.lines)
        else:
            await b.chip.line("mbedtls_ssl_handshake returned -0x6800")
            await b.chip.line("connecting to", 1)
    server.close()
    for writer in accepted:
        writer.close()


@asynchronous
async def test_with_plain_fallback_it_says_connect_in_clear(tmp_path: Path) -> None:
    """A server whose certificate is not for this name: good firmware breaks off, and that is all it says."""
    heard: list[bytes] = []
    for number, option in enumerate([(), ("with:plain-fallback",)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        chain, key = authority().leaf("server", hosts=("other.test",))
        broker = Broker(chain, key, directory=folder)
        async with await bench(folder, *option, broker=broker) as b:
            await b.chip.boot()
            await b.chip.line("The certificate does not hold the expected name", 1)
            heard.append(b"".join(text.encode() for text in b.chip.lines if "trying without" in text))
            plain = [f for f in broker.failures if "WRONG_VERSION_NUMBER" in f or "HTTP" in f or "UNSUPPORTED" in f]
            assert bool(plain) is bool(option), broker.failures
    assert [bool(text) for text in heard] == [False, True]
