"""The firmware's TLS: whom it trusts, what it sends, and what its log says when that fails."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from firmware_bench import bench
from firmware_loop import asynchronous
from firmware_servers import Authority, Broker, authority, device, pem

from hil.wire.mqtt import Connect, Publish


@asynchronous
async def test_tls_1_2_with_the_whole_client_chain_by_default(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.chip.boot()
        link = await b.broker.link()
        assert link.wire.tls.version() == "TLSv1.2"
        assert link.subject["subject"] == ((("commonName", "device"),),)


@asynchronous
async def test_tls_1_3_if_the_setting_says_so(tmp_path: Path) -> None:
    async with await bench(tmp_path, tls_max="1.3") as b:
        await b.chip.boot()
        link = await b.broker.link()
        assert link.wire.tls.version() == "TLSv1.3"


@asynchronous
async def test_a_wrong_server_name_is_refused_with_an_alert_before_any_mqtt(tmp_path: Path) -> None:
    async with await bench(tmp_path, sni="elsewhere.test") as b:
        await b.chip.boot()
        await b.chip.line(r"verification info: flags 0x4, The certificate does not hold the expected name")
        await b.broker.wait(lambda: b.broker.failures)
        assert "bad certificate" in b.broker.failures[0].lower()
        assert b.broker.links == []


@asynchronous
async def test_the_host_is_the_expected_name_if_none_is_set_and_may_be_an_address(tmp_path: Path) -> None:
    async with await bench(tmp_path, sni=None) as b:
        await b.chip.boot()
        await b.chip.line("flags 0x4")  # the certificate names broker.test, not 127.0.0.1


@asynchronous
async def test_without_name_check_any_name_will_do(tmp_path: Path) -> None:
    async with await bench(tmp_path, "without:name-check", sni="elsewhere.test") as b:
        await b.chip.boot()
        await b.broker.packet(Connect)


@asynchronous
async def test_a_server_of_another_authority_is_refused(tmp_path: Path) -> None:
    other = Authority("other")
    broker = Broker(*other.leaf("server", hosts=("broker.test",)), directory=tmp_path)
    async with await bench(tmp_path, broker=broker) as b:
        await b.chip.boot()
        await b.chip.line("flags 0x8, The certificate is not correctly signed by the trusted CA")
        await b.broker.wait(lambda: b.broker.failures)
        assert "unknown ca" in b.broker.failures[0].lower()


@pytest.mark.parametrize(
    ("option", "newest", "line"),
    [
        ("without:client-certificate", "1.2", "mbedtls_ssl_handshake returned -0x7780"),
        ("without:client-certificate", "1.3", "mbedtls_ssl_read returned -0x7780"),
        ("with:partial-chain", "1.2", "mbedtls_ssl_handshake returned -0x7780"),
    ],
)
@asynchronous
async def test_a_missing_or_partial_client_chain_is_refused_by_the_server(
    option: str, newest: str, line: str, tmp_path: Path
) -> None:
    async with await bench(tmp_path, option, tls_max=newest) as b:
        await b.chip.boot()
        await b.chip.line(line)
        await b.broker.wait(lambda: b.broker.failures)
        assert b.broker.links == [] or newest == "1.3"
        expected = "peer did not return a certificate" if "without" in option else "unable to get local issuer"
        assert expected in b.broker.failures[0]


@asynchronous
async def test_partial_chain_is_enough_for_a_server_that_knows_the_intermediate(tmp_path: Path) -> None:
    broker = Broker(client_ca=pem(authority().middle) + pem(authority().root), directory=tmp_path)
    async with await bench(tmp_path, "with:partial-chain", broker=broker) as b:
        await b.chip.boot()
        await b.broker.packet(Connect)


DAMAGED = {
    "spaces in the trust anchor": ({"ca": lambda t: t.replace("\nM", "\n  M")}, "x509_crt_parse returned -0x112C"),
    "no END line": ({"ca": lambda t: t.split("-----END")[0]}, "x509_crt_parse returned -0x2780"),
    "an empty trust anchor": ({"ca": lambda t: "nothing"}, "x509_crt_parse returned -0x2180"),
    "a certificate in place of the key": ({"key": lambda t: device()[0]}, "pk_parse_keyfile returned -0x3D00"),
    "the key of another certificate": ({"key": lambda t: authority().leaf("x")[1].decode()}, "pk_check_pair returned"),
    "no key at all": ({"key": lambda t: None}, "cert is set in NVS, but key is missing"),
    "no certificate at all": ({"cert": lambda t: None}, "key is set in NVS, but cert is missing"),
}


@pytest.mark.parametrize("case", DAMAGED)
@asynchronous
async def test_damaged_credentials_are_told_with_mbedtls_numbers_and_nothing_is_connected(
    case: str, tmp_path: Path
) -> None:
    changes, line = DAMAGED[case]
    whole = {"ca": pem(authority().root).decode(), "cert": device()[0].decode(), "key": device()[1].decode()}
    async with await bench(tmp_path, **{key: change(whole[key]) for key, change in changes.items()}) as b:
        await b.chip.boot()
        await b.chip.line(line)
        await b.chip.line("mqtt_client: Error transport connect", 1)
        assert b.broker.tcp == []


@asynchronous
async def test_a_bundle_with_a_bad_certificate_works_with_a_warning(tmp_path: Path) -> None:
    good = pem(authority().root).decode()
    async with await bench(tmp_path, ca=(good.replace("\nM", "\n  M") + good).encode()) as b:
        await b.chip.boot()
        await b.chip.line("partly successful. No. of failed certificates: 1")
        await b.broker.packet(Connect)


@asynchronous
async def test_without_a_trust_anchor_nothing_is_trusted(tmp_path: Path) -> None:
    async with await bench(tmp_path, ca=None) as b:
        await b.chip.boot()
        await b.chip.line("mbedtls_ssl_handshake returned -0x7680")
        assert b.broker.links == []


@asynchronous
async def test_a_server_that_speaks_no_tls_is_told(tmp_path: Path) -> None:
    async with await bench(tmp_path) as b:
        await b.broker.close()
        import asyncio

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", b.broker.port)
        await b.chip.boot()
        await b.chip.line("mbedtls_ssl_handshake returned -0x7200")
        server.close()


@asynchronous
async def test_a_server_that_closes_in_the_handshake_is_told(tmp_path: Path) -> None:
    broker = Broker(directory=tmp_path)
    broker.context.minimum_version = ssl.TLSVersion.TLSv1_3
    async with await bench(tmp_path, broker=broker) as b:
        await b.chip.boot()
        await b.chip.line("mbedtls_ssl_handshake returned -0x7780")


@asynchronous
async def test_a_large_message_goes_through_in_pieces(tmp_path: Path) -> None:
    async with await bench(tmp_path, max_payload=300_000) as b:
        await b.chip.boot()
        link = await b.broker.link()
        await b.broker.packet(Publish, topic="dev-1/telemetry")
        link.send(Publish("dev-1/cmd", b"x" * 200_000, qos=1, packet_id=9))
        await b.chip.line(r"message on dev-1/cmd, 200000 bytes")
        await b.broker.packet(Publish, topic="dev-1/answer")
