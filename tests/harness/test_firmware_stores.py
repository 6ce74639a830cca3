"""Where the virtual firmware keeps its credentials: readers against images made by hand from the formats' documents."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from firmware_bench import bench
from firmware_loop import asynchronous
from firmware_servers import authority, device, pem

from hil.virtual import constants
from hil.virtual.firmware import secure_cert, spiffs
from hil.virtual.host import Manifest
from hil.wire.mqtt import Publish

CHAIN, KEY = device()
ROOT = pem(authority().root)


# -- SPIFFS -----------------------------------------------------------------------------------------------------------


def spiffs_image(files: dict[str, bytes], blocks: int = 12) -> bytearray:
    """A SPIFFS with these files, object ids from 1 on, pages in order: block 4096, page 256."""
    image = bytearray(b"\xff" * blocks * 4096)
    for block in range(blocks):
        magic = (0x20140529 ^ 256 ^ (blocks - block)) & 0xFFFF
        struct.pack_into("<H", image, block * 4096 + 252, magic)
    free = iter(n for n in range(blocks * 16) if n % 16)

    def put(owner: int, span: int, flags: int, rest: bytes) -> int:
        page = next(free)
        struct.pack_into("<H", image, page // 16 * 4096 + (page % 16 - 1) * 2, owner)
        body = struct.pack("<HHB", owner, span, flags) + rest
        image[page * 256 : page * 256 + len(body)] = body
        return page

    for id_, (name, content) in enumerate(files.items(), 1):
        pieces = [content[at : at + 251] for at in range(0, len(content), 251)]
        pages = [put(id_, span, 0xFC, piece) for span, piece in enumerate(pieces)]
        head = b"\xff" * 3 + struct.pack("<IB", len(content), 1) + name.encode().ljust(32, b"\0") + bytes(4)
        put(id_ | 0x8000, 0, 0xF8, head + struct.pack(f"<{len(pages[:103])}H", *pages[:103]))
        for span, start in enumerate(range(103, len(pages), 124), 1):
            part = pages[start : start + 124]
            put(id_ | 0x8000, span, 0xF8, b"\xff" * 3 + struct.pack(f"<{len(part)}H", *part))
    return image


def test_spiffs_files_of_every_size_are_read() -> None:
    files = {f"/f{size}": os.urandom(size) for size in (0, 1, 250, 251, 252, 5000)} | {"/long": os.urandom(28000)}
    image = bytes(spiffs_image(files))
    for name, content in files.items():
        assert spiffs.read_file(image, name) == content, name
    assert spiffs.read_file(image, "/absent") is None


def test_a_deleted_spiffs_file_is_none() -> None:
    image = spiffs_image({"/a": b"one"})
    header = image.index(b"/a\0") - 13
    image[header + 4] &= 0x7F
    assert spiffs.read_file(bytes(image), "/a") is None


def test_a_damaged_spiffs_is_an_error() -> None:
    whole = spiffs_image({"/a": b"one" * 200})
    for at, words in ((4, "it belongs to"), (0x104, "its header says")):
        image = spiffs_image({"/a": b"one" * 200})
        image[at if at == 0x104 else 0] = 0
        with pytest.raises(spiffs.SpiffsError, match=words):
            spiffs.read_file(bytes(image), "/a")
    with pytest.raises(spiffs.SpiffsError, match="erased"):
        spiffs.read_file(b"\xff" * len(whole), "/a")
    with pytest.raises(spiffs.SpiffsError, match="expected blocks"):
        spiffs.read_file(bytes(whole[:5000]), "/a")


def test_one_block_whose_erasing_was_cut_off_costs_no_other() -> None:
    image = spiffs_image({"/a": b"one"})
    image[7 * 4096 : 8 * 4096] = bytes(4096)
    assert spiffs.read_file(bytes(image), "/a") == b"one"


# -- esp_secure_cert --------------------------------------------------------------------------------------------------


def entry(type_: int, data: bytes, *, subtype: int = 0, flags: int = 0) -> bytes:
    head = struct.pack("<IB3xBBH", 0xBA5EBA11, flags, type_, subtype, len(data))
    body = head + data + bytes(-len(data) % 16)
    return body + struct.pack("<I", zlib.crc32(body, 0xFFFFFFFF))


def partition(*entries: bytes) -> bytes:
    return b"".join(entries).ljust(0x2000, b"\xff")


def test_the_first_entry_of_a_type_and_subtype_counts() -> None:
    image = partition(entry(1, b"x" * 17), entry(0, b"other", subtype=1), entry(0, b"ca\0"), entry(0, b"later"))
    assert secure_cert.read(image, secure_cert.CA_CERTIFICATE) == b"ca\0"
    assert secure_cert.read(image, secure_cert.DEVICE_CERTIFICATE) == b"x" * 17
    assert secure_cert.read(image, secure_cert.PRIVATE_KEY) is None


def test_der_becomes_pem() -> None:
    from cryptography.hazmat.primitives import serialization as s

    key = s.load_pem_private_key(KEY, None)
    for form, label in ((s.PrivateFormat.PKCS8, b"PRIVATE KEY"), (s.PrivateFormat.TraditionalOpenSSL, b"EC PRIVATE")):
        der = key.private_bytes(s.Encoding.DER, form, s.NoEncryption())
        found = secure_cert.read_pem(partition(entry(2, der)), secure_cert.PRIVATE_KEY)
        assert found is not None
        assert b"BEGIN " + label in found
        again = s.load_pem_private_key(found, None)
        assert again.public_key() == key.public_key()


def test_what_cannot_be_used_is_named() -> None:
    broken = bytearray(partition(entry(1, b"abc")))
    broken[13] ^= 1
    for image, words in (
        (bytes(broken), "wrong CRC"),
        (b"\xff" * 0x2000, "it is erased"),
        (b"legacy" * 100, "no TLV entry"),
        (partition(entry(1, b"abc", flags=0x80)), "encrypted with a key in eFuses"),
        (partition(entry(1, b"", flags=0x40)), "a key in eFuses"),
        (entry(1, b"abc")[:-4], "longer than the partition"),
    ):
        with pytest.raises(secure_cert.SecureCertError, match=words):
            secure_cert.read(image, 1)


# -- constants --------------------------------------------------------------------------------------------------------

HEADER = r"""
#pragma once
#define IGNORED "x" \
  "y"
// const char no[] = "comment";
namespace creds {
static const char ca[] PROGMEM =
  "-----BEGIN X-----\n" /* between */
  "\x41\102\t\"\\\n"
;
const char* cert = R"PEM(-----BEGIN Y-----
"raw" \n stays
)PEM";
constexpr uint16_t port = 8883u;
const uint16_t keep_alive = 0x10UL;
const int mode = 017;
const bool clean = true;
const float x = 1.5f;
extern const char later[];
}
"""


def test_a_header_is_read_as_a_compiler_reads_it() -> None:
    assert constants.parse(HEADER) == {
        "ca": '-----BEGIN X-----\nAB\t"\\\n', "cert": '-----BEGIN Y-----\n"raw" \\n stays\n',
        "port": 8883, "keep_alive": 16, "mode": 15, "clean": 1,
    }  # fmt: skip


def test_a_header_that_does_not_compile_is_an_error() -> None:
    with pytest.raises(constants.HeaderError, match="line 2: a text that is opened here has no end"):
        constants.parse('\nconst char a[] = "never ends;\n')
    with pytest.raises(constants.HeaderError, match="a is defined twice"):
        constants.parse('const char a[] = "1"; const char a[] = "2";')


def test_constants_lie_in_the_image_as_they_are() -> None:
    manifest = Manifest("reference", "1", ("store:constants",), {"ca": "one\ntwo\n", "port": 8883, "key": ""})
    encoded = manifest.encode()
    assert b"one\ntwo\n\0" in encoded
    assert Manifest.find(b"before" + encoded + bytes(20)) == manifest


def test_an_image_with_constants_is_private(tmp_path: Path) -> None:
    (tmp_path / "c.h").write_text('const char key[] = "secret";')
    command = [sys.executable, "-m", "hil.virtual", "image", "--out", str(tmp_path), "--store", "constants"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "--credentials" in told.stderr
    subprocess.run([*command, "--credentials", str(tmp_path / "c.h")], capture_output=True, check=True)
    image = tmp_path / "firmware.bin"
    assert stat.S_IMODE(image.stat().st_mode) == 0o600
    assert b"secret\0" in image.read_bytes()


# -- the firmware -----------------------------------------------------------------------------------------------------

NONE = {"ca": None, "cert": None, "key": None}


@asynchronous
async def test_online_with_credentials_from_spiffs(tmp_path: Path) -> None:
    async with await bench(tmp_path, "store:spiffs", **NONE) as b:
        files = {"/certs/ca.pem": ROOT, "/certs/cert.pem": CHAIN, "/certs/key.pem": KEY}
        b.chip.add_partition("spiffs", bytes(spiffs_image(files)))
        await b.chip.boot()
        await b.broker.packet(Publish, topic="dev-1/status")


@asynchronous
async def test_online_with_credentials_from_esp_secure_cert(tmp_path: Path) -> None:
    async with await bench(tmp_path, "store:esp-secure-cert", **NONE) as b:
        b.chip.add_partition(
            "esp_secure_cert", partition(entry(1, CHAIN + b"\0"), entry(0, ROOT + b"\0"), entry(2, KEY + b"\0"))
        )
        await b.chip.boot()
        await b.broker.packet(Publish, topic="dev-1/status")


@asynchronous
async def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with await bench(tmp_path, "store:esp-secure-cert", **NONE) as b:
        await b.chip.boot()
        await b.chip.line('partition "esp_secure_cert" is not in the partition table')


@asynchronous
async def test_online_with_constants_alone(tmp_path: Path) -> None:
    async with await bench(tmp_path, "store:constants", **NONE) as b:
        b.chip.constants = {
            "wifi_ssid": "bench", "host": "127.0.0.1", "port": b.broker.port, "sni": "broker.test",
            "time_host": "127.0.0.1", "time_port": str(b.time.port), "client_id": "dev-1", "retry_first": 50,
            "ca": ROOT.decode(), "cert": CHAIN.decode(), "key": KEY.decode(),
        }  # fmt: skip
        await b.chip.boot()
        await b.broker.packet(Publish, topic="dev-1/status")


@asynchronous
async def test_provisioned_through_the_console(tmp_path: Path) -> None:
    async with await bench(tmp_path, "store:console", wifi_ssid=None, **NONE) as b:
        chip = b.chip
        await chip.boot()
        await chip.line("^ready")
        chip.type("set wifi_ssid my home")
        await chip.line("^set wifi_ssid my home")
        await chip.line("^OK")
        chip.type("get wifi_ssid")
        await chip.line("^wifi_ssid=my home")
        chip.type("set wifi_ssid bench")
        chip.type("set port none")
        await chip.line("^ERROR: setting port: found 'none'")
        chip.type("set nothing 1")
        await chip.line("^ERROR: unknown setting 'nothing'")
        chip.type('AT+SYSMFG=2,"elsewhere","a",8,3\r')
        await chip.line("^ERROR$")
        for number, (name, content) in enumerate((("mqtt_ca", ROOT), ("mqtt_cert", CHAIN), ("mqtt_key", KEY))):
            chip.type(f'AT+SYSMFG=2,"{name}","{name}",8,{len(content)}\r')
            await chip.line("^>", number)
            assert chip.core is not None
            chip.core.uart_input(content)
        chip.type("hash key")
        await chip.line(f"^key sha256 {hashlib.sha256(KEY).hexdigest()}")
        chip.type("get key")
        await chip.line("^ERROR: key is not shown")
        chip.type('AT+SYSMFG=1,"mqtt_cert"\r')
        await chip.line('SYSMFG:"mqtt_cert","mqtt_cert",8$')
        chip.type("AT+RST\r")
        await b.broker.packet(Publish, topic="dev-1/status")
        assert not any("PRIVATE" in line for line in chip.lines)
