"""How fast MQTT packets are split, decoded and encoded, beside amqtt (3.1.1) and moat-lib-mqtt (5), in one run.

    python benchmarks/mqtt_codec.py [--packets 5000] [--rounds 7]

Every codec gets the same stream of PUBLISH packets, the traffic that counts, from memory. Ours is fed in pieces of 4096
bytes, as a socket gives them when much comes at once, and applies the standards' rules (strict); the others get the
whole stream at once and check less. The rounds of all codecs take turns, so that a busy moment of the machine hits all
alike; the best round of each counts. The last line measures memory: a hostile length must not cost any.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable

from hil.wire.mqtt import Connack, Decoder, Packet, ProtocolError, Publish, Splitter, Version, encode

PIECE = 4096
SMALL = Publish("devices/esp32-a/telemetry", b'{"t":21.5,"n":123456}')
LARGE = Publish("devices/esp32-a/telemetry", bytes(1000), qos=1, packet_id=77)
RICH = Publish(
    "devices/esp32-a/telemetry",
    b'{"t":21.5,"n":123456}',
    properties={"message_expiry_interval": 60, "content_type": "application/json", "user_property": (("unit", "C"),)},
)

Work = Callable[[], object]


def split(stream: bytes) -> Work:
    def work() -> int:
        splitter = Splitter()
        return sum(len(splitter.feed(stream[at : at + PIECE])) for at in range(0, len(stream), PIECE))

    return work


def decode(stream: bytes, version: Version, piece: int = PIECE) -> Work:
    greeting = encode(Connack(), version)  # a server's first packet

    def work() -> int:
        decoder = Decoder(version)
        decoder.feed(greeting)
        return sum(len(decoder.feed(stream[at : at + piece])) for at in range(0, len(stream), piece))

    return work


def encode_many(packet: Packet, version: Version, count: int) -> Work:
    return lambda: [encode(packet, version) for _ in range(count)]


def amqtt_decode(stream: bytes, count: int) -> Work:
    from amqtt.adapters import BufferReader
    from amqtt.mqtt import packet_class
    from amqtt.mqtt.packet import MQTTFixedHeader

    async def read() -> None:
        reader = BufferReader(stream)
        for _ in range(count):
            header = await MQTTFixedHeader.from_stream(reader)
            await packet_class(header).from_stream(reader, fixed_header=header)

    return lambda: finish(read())


def amqtt_encode(packet: Publish, count: int) -> Work:
    from amqtt.mqtt import PublishPacket

    def work() -> None:
        for _ in range(count):
            PublishPacket.build(
                packet.topic, packet.payload, packet.packet_id, packet.dup, packet.qos, packet.retain
            ).to_bytes()

    return work


def moat_decode(stream: bytes) -> Work:
    from moat.lib.mqtt._types import decode_packet

    def work() -> None:
        rest = memoryview(stream)
        while rest:
            rest, _ = decode_packet(rest)

    return work


def moat_encode(frame: bytes, count: int) -> Work:
    from moat.lib.mqtt._types import decode_packet

    packet = decode_packet(memoryview(frame))[1]
    return lambda: [packet.encode(bytearray()) for _ in range(count)]


def finish(coroutine: object) -> None:
    """Run a coroutine that reads from memory and so never waits: its first step is its last."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration:
        return
    raise RuntimeError("amqtt waited for more than the stream")


def cases(count: int) -> list[tuple[str, dict[str, Work]]]:
    """The rows of the table: what is done, and by whom."""
    rows: list[tuple[str, dict[str, Work]]] = []
    named = [("QoS 0, 21 bytes", SMALL), ("QoS 1, 1000 bytes", LARGE)]
    for name, packet in named:
        v3, v5 = encode(packet, Version.V311), encode(packet, Version.V5)
        rows.append((f"split {name}", {"hil": split(v3 * count)}))
        rows.append(
            (
                f"decode 3.1.1, {name}",
                {"hil": decode(v3 * count, Version.V311), "amqtt": amqtt_decode(v3 * count, count)},
            )
        )
        rows.append(
            (f"decode 5, {name}", {"hil": decode(v5 * count, Version.V5), "moat": moat_decode(v5 * count)}),
        )
    alone = encode(SMALL, Version.V311)
    rows.append(("the same, a packet a piece", {"hil": decode(alone * count, Version.V311, len(alone))}))
    rich = encode(RICH, Version.V5)
    rows.append(
        (
            "decode 5, QoS 0, three properties",
            {"hil": decode(rich * count, Version.V5), "moat": moat_decode(rich * count)},
        )
    )
    small5 = encode(SMALL, Version.V5)
    rows.append(
        (
            "encode 3.1.1, QoS 0, 21 bytes",
            {"hil": encode_many(SMALL, Version.V311, count), "amqtt": amqtt_encode(SMALL, count)},
        )
    )
    rows.append(
        (
            "encode 5, QoS 0, 21 bytes",
            {"hil": encode_many(SMALL, Version.V5, count), "moat": moat_encode(small5, count)},
        )
    )
    return rows


def hostile_length() -> int:
    """The most memory, in bytes, that a length of 256 MB costs when 64 KB is the limit."""
    tracemalloc.start()
    try:
        Decoder(Version.V311, max_packet=65536, sender="either").feed(b"\x30\xff\xff\xff\x7f" + bytes(1000))
    except ProtocolError:
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    raise RuntimeError("a packet of 256 MB was not refused")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--packets", type=int, default=5000, help="packets in a stream (default: 5000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each codec, the best counts (default: 7)")
    options = parser.parse_args()
    rows = cases(options.packets)
    best: dict[tuple[str, str], float] = {}
    for _ in range(options.rounds):
        for name, works in rows:
            for who, work in works.items():
                start = time.perf_counter()
                work()
                taken = time.perf_counter() - start
                best[name, who] = min(taken, best.get((name, who), taken))
    print(f"{'':<36}{'hil, packets/s':>16}{'other, packets/s':>24}{'ratio':>9}")
    for name, works in rows:
        rates = {who: options.packets / best[name, who] for who in works}
        ours = rates.pop("hil")
        line = f"{name:<36}{ours:>16,.0f}"
        for who, rate in rates.items():
            line += f"{f'{who} {rate:,.0f}':>24}{f'{ours / rate:.1f} x':>9}"
        print(line)
    print(f"{'a length of 256 MB, limit 64 KB':<36}{hostile_length():>10,} bytes of memory at most")


if __name__ == "__main__":
    main()
