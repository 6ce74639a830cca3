"""The firmware and the time: it waits for it, keeps it, and judges certificates by its own clock."""

from __future__ import annotations

import time
from pathlib import Path

from firmware_bench import bench
from firmware_loop import asynchronous
from firmware_servers import Broker, authority

from hil.virtual.host import Cause
from hil.wire import sntp
from hil.wire.mqtt import Publish


@asynchronous
async def test_no_connection_before_the_time_is_known(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:

        def reply(question: sntp.Request) -> bytes:
            # An answer of a server that does not know the time itself is none.
            if len(b.time.requests) < 4:
                return sntp.response(question, received=0, transmitted=0, leap=3)
            return b.time.truth(question)

        b.time.reply = reply
        await b.chip.boot()
        await b.chip.line("the server is not synchronised")
        assert b.broker.tcp == []
        await b.broker.link()
        assert b.broker.tcp[0] > b.time.requests[3]
        assert abs(b.chip.clock.now() - time.time()) < 5


@asynchronous
async def test_questions_are_repeated_with_growing_gaps(tmp_path: Path) -> None:
    async with await bench(tmp_path, time_host="127.0.0.1", time_port="1", time_retry=40, time_retry_max=320) as b:
        await b.chip.boot()  # nobody listens on port 1: refused at once
        for number in range(6):
            await b.chip.line("asking again in", number)
        gaps = [int(text.split("asking again in ")[1].split()[0]) for text in b.chip.lines if "asking again" in text]
        for number, gap in enumerate(gaps[:4]):
            assert 20 << number <= gap <= 40 << number
        assert b.broker.tcp == []


@asynchronous
async def test_kiss_of_death_is_told_and_obeyed(tmp_path: Path) -> None:
    async with await bench(tmp_path, time_retry=40, time_retry_max=60_000) as b:
        b.time.reply = lambda q: sntp.kiss(q, "RATE" if len(b.time.requests) == 1 else "DENY")
        await b.chip.boot()
        await b.chip.line("kiss-o'-death RATE")
        gap = await b.chip.line(r"asking again in (\d+) ms")
        assert int(gap[1]) <= 40
        await b.chip.line("kiss-o'-death DENY")
        gap = await b.chip.line(r"asking again in (\d+) ms", 1)
        assert int(gap[1]) >= 30_000
        assert b.broker.tcp == []


@asynchronous
async def test_a_forged_answer_does_not_set_the_clock(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:

        def reply(question: sntp.Request) -> bytes:
            if len(b.time.requests) > 1:
                return b.time.truth(question)
            forged = sntp.Request(question.version, question.poll, question.transmit ^ 1)
            return sntp.response(forged, received=4e9, transmitted=4e9)

        b.time.reply = reply
        await b.chip.boot()
        await b.chip.line("not an answer to this request")
        assert b.broker.tcp == []
        assert b.chip.clock.now() < 1e6


@asynchronous
async def test_dates_are_judged_by_the_devices_own_clock(tmp_path: Path) -> None:
    """The server's certificate is good today; the board has been told that it is ten years later."""
    async with await bench(tmp_path) as b:
        later = time.time() + 10 * 365 * 86400
        b.time.reply = lambda q: sntp.response(q, received=later, transmitted=later)
        await b.chip.boot()
        await b.chip.line("mbedtls_ssl_handshake returned -0x2700")
        await b.chip.line("Failed to verify peer certificate!")
        await b.chip.line(r"verification info: flags 0x1, The certificate validity has expired")
        await b.chip.line("Error transport connect")
        await b.broker.wait(lambda: b.broker.failures)
        assert "certificate expired" in b.broker.failures[0].lower()


@asynchronous
async def test_without_time_wait_the_first_connects_fail_in_1970_and_later_ones_do_not(tmp_path: Path) -> None:
    async with await bench(tmp_path, "without:time-wait") as b:
        b.time.reply = lambda q: b.time.truth(q) if len(b.broker.failures) > 1 else sntp.kiss(q, "RATE")
        await b.chip.boot()
        await b.chip.line(r"flags 0x200, The certificate validity starts in the future")
        await b.broker.wait(lambda: b.broker.failures)
        assert "bad certificate" in b.broker.failures[0].lower()
        await b.broker.link()


@asynchronous
async def test_without_time_sync_it_never_asks_and_never_connects(tmp_path: Path) -> None:
    async with await bench(tmp_path, "without:time-sync") as b:
        await b.chip.boot()
        await b.broker.wait(lambda: len(b.broker.failures) >= 4)
        assert b.time.requests == []
        assert b.broker.links == []


@asynchronous
async def test_without_date_checks_an_expired_certificate_is_accepted_at_any_time(tmp_path: Path) -> None:
    broker = Broker(*authority().leaf("server", hosts=("broker.test",), start=-20, days=10), directory=tmp_path)
    async with await bench(tmp_path, "without:date-checks", "without:time-sync", broker=broker) as b:
        await b.chip.boot()
        await b.broker.packet(Publish, topic="dev-1/status")
        assert b.chip.clock.now() < 1e6


@asynchronous
async def test_good_firmware_refuses_an_expired_certificate(tmp_path: Path) -> None:
    broker = Broker(*authority().leaf("server", hosts=("broker.test",), start=-20, days=10), directory=tmp_path)
    async with await bench(tmp_path, broker=broker) as b:
        await b.chip.boot()
        await b.broker.wait(lambda: len(b.broker.failures) >= 2)
        assert all("certificate expired" in text.lower() for text in b.broker.failures)
        assert b.broker.links == []


@asynchronous
async def test_the_clock_outlives_a_reset_but_not_a_power_cut(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        await b.broker.link()
        b.time.reply = lambda q: sntp.response(q, received=0, transmitted=0, leap=3)
        await b.chip.cut()
        await b.chip.boot(Cause.SOFTWARE)
        await b.broker.link(1)
        tcp = len(b.broker.tcp)
        await b.chip.cut()
        told = sum("not synchronised" in text for text in b.chip.lines)  # how often, by then, is a matter of speed
        await b.chip.boot(Cause.POWER_ON)
        await b.chip.line("boot 3")
        await b.chip.line("not synchronised", told + 2)
        assert len(b.broker.tcp) == tcp
