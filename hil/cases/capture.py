"""What a case keeps of a capture: the device's own connections, without their passwords.

Kept are the TCP connections to MQTT's ports, or where there are none those that speak TLS or MQTT, and requests for the
time, on a bench on any port. All else on
that network is nobody's business. Link layers go, and with them the addresses of the network cards. In MQTT that is
not encrypted each CONNECT's password is overwritten with '*', in every segment that carries a part of it; a connection
in clear that is no MQTT, or not whole, keeps its headers alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from hil.wire import ip, pcap, sntp, tls_records
from hil.wire.ip import Packet
from hil.wire.mqtt import Auth, Connect, Decoder, ProtocolError
from hil.wire.tcp_stream import Conversation, conversations

_STAR: Final = ord("*")
_TELLING: Final = (1, 15)
"""The types of CONNECT and AUTH (MQTT 5, table 2-1): a damaged one may hold what nobody should read."""
_PORTS: Final = (1883, 8883)
"""MQTT's ports (IANA). What goes there in clear and is no MQTT is a failure of its own."""


@dataclass(frozen=True, slots=True)
class Kept:
    """`packets`: number in the copy (from 1, as Wireshark counts), time, packet. `left_out`: how many packets are not
    in it. `blanked`: how many passwords were overwritten, `stripped` how many connections keep their headers alone.
    `clients`, `servers`: how many there are of each."""

    packets: list[tuple[int, float, Packet]]
    left_out: int
    blanked: int
    stripped: int
    clients: int
    servers: int

    def bytes(self) -> bytes:
        """The copy, as pcap of bare IP packets."""
        return pcap.write(pcap.LINK_RAW, ((time, packet.data) for _, time, packet in self.packets))


def keep(data: bytes, *, port: int | None = None, device: str | None = None) -> Kept:
    """What is kept of a capture; of one server's port or one device's address alone, where they are given.

    Raises hil.wire.pcap.CaptureError.
    """
    packets: list[tuple[int, float, Packet]] = []
    total = 0
    for frame in pcap.read(data):
        total += 1
        packet = ip.parse(frame)
        if packet is not None:
            packets.append((len(packets), frame.time, packet))
    wanted = {number for number, _, packet in packets if _asks_time(packet, device)}
    changed: dict[int, Packet] = {}
    blanked = stripped = 0
    chosen = [c for c in conversations(packets) if port in (None, c.server[1]) and device in (None, c.client[0])]
    relevant = chosen if port is not None else _relevant(chosen)
    for conversation in relevant:
        wanted.update(conversation.numbers)
        if _is_tls(conversation) or _is_mute(conversation):
            continue
        secrets = _secrets(conversation)
        if secrets is None:
            stripped += 1
            changed |= {number: _header(packets[number][2]) for number in conversation.numbers}
        else:
            blanked += len(secrets)
            _blank(conversation, secrets, packets, changed)
    kept = [(time, changed.get(number, packet)) for number, time, packet in packets if number in wanted]
    numbered = [(number, time, packet) for number, (time, packet) in enumerate(kept, 1)]
    clients, servers = {c.client[0] for c in relevant}, {c.server for c in relevant}
    return Kept(numbered, total - len(kept), blanked, stripped, len(clients), len(servers))


def is_about_time(packet: Packet) -> bool:
    """Whether it is a request for the time, or an answer to one."""
    if packet.protocol != ip.UDP or not packet.payload:
        return False
    return sntp.PORT in (packet.source[1], packet.target[1]) or sntp.looks_like(packet.payload)


def _asks_time(packet: Packet, device: str | None) -> bool:
    return (device is None or device in (packet.source[0], packet.target[0])) and is_about_time(packet)


def _relevant(found: list[Conversation]) -> list[Conversation]:
    """Those to MQTT's ports; where there are none, as on a bench, those that speak TLS or MQTT, and those to where
    these go."""
    named = [conversation for conversation in found if conversation.server[1] in _PORTS]
    if named:
        return named
    servers = {c.server for c in found if _is_tls(c) or (not _is_mute(c) and _secrets(c) is not None)}
    return [conversation for conversation in found if conversation.server in servers]


def _is_tls(conversation: Conversation) -> bool:
    return tls_records.looks_like(bytes(conversation.up.data[:8]))


def _is_mute(conversation: Conversation) -> bool:
    return not conversation.up.data and not conversation.down.data


def _secrets(conversation: Conversation) -> list[tuple[int, int]] | None:
    """Where secrets lie in what the client sent: (first byte, end); None where it is no MQTT from its beginning on, or
    has gaps, or authenticates in a way of its own (MQTT 5, section 4.12)."""
    up = conversation.up
    if not up.whole or not conversation.syns or not up.data:
        return None
    decoder, at, found = Decoder(), 0, list[tuple[int, int]]()
    broken = b""
    try:
        packets = decoder.feed(bytes(up.data))
    except ProtocolError as error:
        packets, broken = error.packets, error.raw
    if not packets:
        return None
    for packet, raw in packets:
        at += len(raw)
        if isinstance(packet, Auth) or (isinstance(packet, Connect) and "authentication_data" in packet.properties):
            return None
        if isinstance(packet, Connect) and packet.password:
            found.append((at - len(packet.password), at))  # the last field of a CONNECT (3.1.1, section 3.1.3)
    return None if broken[:1] and broken[0] >> 4 in _TELLING else found


def _header(packet: Packet) -> Packet:
    """The packet without its payload, as a capture that keeps headers alone has it."""
    size = len(packet.data) - packet.payload_at
    return replace(packet, data=packet.data[: packet.payload_at], missing=packet.missing + size)


def _blank(
    conversation: Conversation,
    secrets: list[tuple[int, int]],
    packets: list[tuple[int, float, Packet]],
    changed: dict[int, Packet],
) -> None:
    """Overwrite the secrets in each of the client's segments, those that came twice as well."""
    for number in conversation.numbers:
        packet = packets[number][2]
        if packet.source != conversation.client or not packet.payload:
            continue
        start = conversation.up.place(packet.sequence)
        data = bytearray(packet.data)
        for first, end in secrets:
            for position in range(max(first, start), min(end, start + len(packet.payload))):
                data[packet.payload_at + position - start] = _STAR
        if data != packet.data:
            changed[number] = replace(packet, data=bytes(data))
