"""What the firmware makes of credentials that change, or end, under it; and each mistake beside it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from firmware_bench import Bench, bench
from firmware_chip import NVS_SIZE
from firmware_loop import asynchronous
from firmware_servers import authority

from hil.virtual.firmware import boots
from hil.virtual.firmware.build import Build
from hil.virtual.firmware.nvs import Store
from hil.virtual.firmware.settings import Settings


def certificate(name: str) -> bytes:
    return f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n".encode()


def given(*names: str, ca: str = "root") -> Settings:
    """A chain of that leaf and these above it, with the leaf's key."""
    chain = b"".join(certificate(name) for name in names)
    return Settings(cert=chain, key=names[0].encode(), ca=b"".join(certificate(each) for each in ca.split()))


FIRST = given("leaf-1", "middle-1", ca="root-1")
BOTH = given("leaf-2", "middle-2", ca="root-1 root-2")
LAST = given("leaf-3", "middle-2", ca="root-2")


@pytest.mark.parametrize(
    ("options", "last"),
    [
        ([], LAST),
        (["with:kept-certificate"], given("leaf-1", "middle-1", ca="root-2")),
        (["with:kept-intermediate"], Settings(cert=given("leaf-3", "middle-1").cert, key=LAST.key, ca=LAST.ca)),
        (["with:kept-anchors"], given("leaf-3", "middle-2", ca="root-1 root-1 root-2")),
    ],
)
def test_what_it_uses_after_two_rotations(options: list[str], last: Settings) -> None:
    system = SimpleNamespace(build=Build(options))
    store = Store(b"\xff" * NVS_SIZE, lambda offset, data: None, lambda offset, length: None)
    used = [boots.kept(system, store, settings) for settings in (FIRST, BOTH, LAST, LAST)]
    assert used[0] == FIRST
    assert used[2:] == [last, last]


async def refused(b: Bench, times: int) -> None:
    await b.chip.boot()
    await b.chip.line("alert certificate expired", times - 1)


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
@asynchronous
async def test_it_tries_on_when_its_certificate_has_expired(newest: str, tmp_path: Path) -> None:
    chain, key = authority().leaf("device", start=-10, days=5)
    async with await bench(tmp_path, cert=chain, key=key.decode(), tls_max=newest) as b:
        await refused(b, 3)


@pytest.mark.parametrize("newest", ["1.2", "1.3"])
@asynchronous
async def test_with_ends_with_certificate_it_gives_up(newest: str, tmp_path: Path) -> None:
    chain, key = authority().leaf("device", start=-10, days=5)
    async with await bench(tmp_path, "with:ends-with-certificate", cert=chain, key=key.decode(), tls_max=newest) as b:
        await refused(b, 1)
        await b.chip.line("not connected, giving up")
